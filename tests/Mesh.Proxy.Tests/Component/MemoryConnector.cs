using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Connects in memory, at once unless told otherwise; the test takes the upstream's end with <see cref="AcceptAsync"/>.</summary>
internal sealed class MemoryConnector : IUpstreamConnector
{
    private readonly Channel<MemoryConnection> _made = Channel.CreateUnbounded<MemoryConnection>();

    /// <summary>Refuses every connect with these words.</summary>
    public string? Refuses { get; set; }

    /// <summary>Never answers a connect.</summary>
    public bool Hangs { get; set; }

    /// <summary>Window of the connections that are made from now on, see <see cref="MemoryConnection"/>.</summary>
    public long WindowBytes { get; set; }

    /// <summary>Addresses of the connects, oldest first.</summary>
    public ConcurrentQueue<string> Dialled { get; } = new();

    /// <summary>Connections made.</summary>
    public int Made { get; private set; }

    /// <summary>Where the last connect went.</summary>
    public IPEndPoint? LastDialled { get; private set; }

    public async Task<MemoryConnection> AcceptAsync() => await _made.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));

    public async ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken)
    {
        Dialled.Enqueue(endPoint.ToString()!);
        LastDialled = (IPEndPoint)endPoint;
        if (Hangs)
        {
            TaskCompletionSource given = new();
            using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static s => ((TaskCompletionSource)s!).TrySetResult(), given);
            await given.Task;
            return new ConnectResult(null, "connect cancelled");
        }

        if (Refuses is not null)
        {
            return new ConnectResult(null, Refuses);
        }

        MemoryConnection connection = new(WindowBytes);
        Made++;
        _made.Writer.TryWrite(connection);
        return new ConnectResult(connection, null);
    }
}
