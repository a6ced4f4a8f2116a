using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Tests.Component;

/// <summary>A request as an upstream saw it.</summary>
/// <param name="Address">The upstream.</param>
/// <param name="Head">Head of the request.</param>
internal sealed record UpstreamRequest(string Address, string Head)
{
    public string Line => Head[..Head.IndexOf("\r\n", StringComparison.Ordinal)];

    /// <summary>Values of a field.</summary>
    public string[] this[string name] => Values(Head, name);

    public static string[] Values(string head, string name) =>
    [
        .. head.Split("\r\n").Where(l => l.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase)).Select(l => l[(name.Length + 1)..].Trim()),
    ];
}

/// <summary>A connect as the proxy wanted it.</summary>
internal sealed record Dial(string Address, TcpKeepaliveConfig? Keepalive);

/// <summary>Every address there is, in memory: answers each request, or leaves the connection to the test.</summary>
internal sealed class AnsweringUpstreams : IUpstreamConnector
{
    private readonly Channel<(string Address, MemoryConnection Connection)> _given = Channel.CreateUnbounded<(string, MemoryConnection)>();
    private readonly ConcurrentQueue<UpstreamRequest> _seen = new();
    private readonly ConcurrentQueue<Dial> _dials = new();

    /// <summary>The answer to a request: whole, or null to stay silent. Default: 200 with the address.</summary>
    public Func<UpstreamRequest, string?> Answer { get; set; } = static request => Text(200, request.Address);

    /// <summary>New connections are taken by the test.</summary>
    public bool IsManual { get; set; }

    /// <summary>Addresses that refuse.</summary>
    public Func<string, bool> Refuses { get; set; } = static _ => false;

    /// <summary>Window of the connections that are made from now on, see <see cref="MemoryConnection"/>.</summary>
    public long WindowBytes { get; set; }

    /// <summary>No connect is ever answered.</summary>
    public bool Hangs { get; set; }

    /// <summary>Requests so far.</summary>
    public IReadOnlyList<UpstreamRequest> Seen => [.. _seen];

    /// <summary>Connects so far.</summary>
    public IReadOnlyList<Dial> Dials => [.. _dials];

    /// <summary>An answer with a body.</summary>
    public static string Text(int status, string body, string headers = "") =>
        string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} X\r\nContent-Length: {body.Length}\r\n{headers}\r\n{body}");

    /// <summary>Length of the body behind a head.</summary>
    public static int LengthOf(string head) =>
        UpstreamRequest.Values(head, "content-length") is [var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 0;

    /// <summary>The next connection of <see cref="IsManual"/>.</summary>
    public async Task<(string Address, MemoryConnection Connection)> AcceptAsync() => await _given.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));

    public async ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken)
    {
        string address = endPoint.ToString()!;
        _dials.Enqueue(new Dial(address, keepalive));
        if (Hangs)
        {
            TaskCompletionSource given = new();
            using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static s => ((TaskCompletionSource)s!).TrySetResult(), given);
            await given.Task;
            return new ConnectResult(null, "connect cancelled");
        }

        if (Refuses(address))
        {
            return new ConnectResult(null, "Connection refused");
        }

        MemoryConnection connection = new(WindowBytes);
        if (IsManual)
        {
            _given.Writer.TryWrite((address, connection));
        }
        else
        {
            _ = ServeAsync(address, connection);
        }

        return new ConnectResult(connection, null);
    }

    private async Task ServeAsync(string address, MemoryConnection connection)
    {
        while (await connection.ReadHeadAsync() is { Length: > 0 } head)
        {
            UpstreamRequest request = new(address, head);
            await connection.ReadAsync(LengthOf(head));
            _seen.Enqueue(request);
            if (Answer(request) is { } answer)
            {
                await connection.SendAsync(answer);
            }
        }
    }
}
