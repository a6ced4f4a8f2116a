using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Tests.Http1;
using Xunit;
using Xunit.Abstractions;

namespace Mesh.Integration.Tests.Strictness;

/// <summary>
/// The tables of refused and of odd but legal shapes through a real sidecar. <c>MESH_STRICT_UPSTREAM</c> (HOST:PORT) and <c>MESH_STRICT_LOG</c> (its access log, bare
/// request lines) put somebody else's server behind it, where a smuggled request would show; without them a credulous one of our own serves.
/// <c>MESH_STRICT_TABLE</c> names a file for the table.
/// </summary>
public sealed class StrictnessTests(ITestOutputHelper output) : IDisposable
{
    private const string Again = "GET /again HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private readonly Scratch _scratch = new();
    private readonly List<string> _table = [];
    private int _seen;

    public void Dispose()
    {
        _table.ForEach(output.WriteLine);
        if (Environment.GetEnvironmentVariable("MESH_STRICT_TABLE") is { Length: > 0 } file)
        {
            File.AppendAllLines(file, _table);
        }

        _scratch.Dispose();
    }

    [Fact]
    public async Task Requests_RefusedOrOdd_NeverBecomeTwoUpstream()
    {
        await using IObservedUpstream upstream = Upstream();
        await using MeshProcess sidecar = Sidecar(upstream.Address);
        Uri proxy = await sidecar.AddressAsync("outbound");
        _ = await SeenAsync(proxy, upstream); // what was there before
        _table.AddRange(["| request | what came back | upstream saw |", "|---|---|---|"]);
        foreach (RefusedRequest shape in RefusedRequests.All)
        {
            string answer = await SendAsync(proxy, shape.Raw, static _ => false);
            IReadOnlyList<string> seen = await SeenAsync(proxy, upstream);
            Add(shape.Name, Status(answer) + ", closed", seen);
            Assert.False(answer.Contains("HTTP/1.1", StringComparison.Ordinal) && answer.LastIndexOf("HTTP/1.1 ", StringComparison.Ordinal) > 0, $"{shape.Name}: two answers");
            if (!shape.IsBody)
            {
                Assert.Equal((shape.Name, $"{shape.Status}", ""), (shape.Name, Status(answer), string.Join(';', seen)));
            }
            else
            {
                // A body may break after its head has gone on: then the upstream has one request that it never gets whole, and the client 400 or an early answer.
                Assert.True(seen.All(static line => line == "POST / HTTP/1.1") && seen.Count <= 1, $"{shape.Name}: {string.Join(';', seen)}");
                Assert.True(Status(answer) == "400" || seen.Count == 1, $"{shape.Name}: {Status(answer)}");
            }
        }

        foreach (AcceptedRequest shape in AcceptedRequests.All)
        {
            string answer = await SendAsync(proxy, shape.Raw, static text => text.Contains("\r\n\r\n", StringComparison.Ordinal));
            IReadOnlyList<string> seen = await SeenAsync(proxy, upstream);
            Add(shape.Name, Status(answer), seen);
            Assert.Equal((shape.Name, "200", shape.Line), (shape.Name, Status(answer), string.Join(';', seen)));
        }

        int refused = RefusedRequests.All.Count(static r => !r.IsBody);
        double counted = await Proxied.MetricAsync(await sidecar.AddressAsync("metrics"), "envoy_http_downstream_cx_protocol_error");
        Assert.InRange(counted, refused, RefusedRequests.All.Count);
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task Responses_Refused_NeverBecomeTwoForTheClient()
    {
        using TcpListener upstream = new(IPAddress.Loopback, 0);
        upstream.Start();
        await using MeshProcess sidecar = Sidecar(upstream.LocalEndpoint.ToString()!);
        Uri proxy = await sidecar.AddressAsync("outbound");
        _table.AddRange(["| response | what the client got | its next request got |", "|---|---|---|"]);
        foreach (RefusedResponse shape in RefusedResponses.All)
        {
            using RawClient client = await RawClient.ConnectAsync(proxy);
            await client.SendAsync(Again);
            string got = await AnswerAsync(upstream, shape.Raw, client);
            Assert.DoesNotContain("hidden", got, StringComparison.Ordinal);
            Assert.Equal((shape.Name, shape.IsBody ? "cut off" : "502"), (shape.Name, shape.IsBody && !got.Contains("\r\n0\r\n\r\n", StringComparison.Ordinal) ? "cut off" : Status(got)));

            using RawClient next = shape.IsBody ? await RawClient.ConnectAsync(proxy) : client;
            await next.SendAsync(Again);
            string after = await AnswerAsync(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnext", next);
            Assert.EndsWith("\r\n\r\nnext", after, StringComparison.Ordinal);
            _table.Add($"| {shape.Name} | {(shape.IsBody ? "cut off (UPE)" : "502 (UPE)")} | its own answer, over a new connection |");
        }

        double counted = await Proxied.MetricAsync(await sidecar.AddressAsync("metrics"), "envoy_cluster_upstream_cx_protocol_error", "a.test");
        Assert.Equal(RefusedResponses.All.Count, counted);
        await Proxied.AssertNoBugAsync(sidecar);
    }

    private static IObservedUpstream Upstream() =>
        Environment.GetEnvironmentVariable("MESH_STRICT_UPSTREAM") is { Length: > 0 } address
            ? new ForeignUpstream(address, Environment.GetEnvironmentVariable("MESH_STRICT_LOG")!) : new GullibleUpstream();

    private static string Status(string answer) => answer.Length > 12 ? answer[9..12] : "nothing";

    private static async Task<string> SendAsync(Uri proxy, string raw, Func<string, bool> isEnough)
    {
        using RawClient client = await RawClient.ConnectAsync(proxy);
        await client.SendAsync(raw);
        return await client.ReadAsync(isEnough);
    }

    /// <summary>What the upstream has seen since the last call: everything up to a request that marks the end.</summary>
    private async Task<IReadOnlyList<string>> SeenAsync(Uri proxy, IObservedUpstream upstream)
    {
        string marker = $"GET /after-{_table.Count} HTTP/1.1";
        string answer = await SendAsync(proxy, marker + "\r\nHost: a.test\r\n\r\n", static text => text.Contains("\r\n\r\n", StringComparison.Ordinal));
        Assert.Equal("200", Status(answer));
        IReadOnlyList<string> lines = [];
        await Eventually.TrueAsync(() => (lines = upstream.Lines()).Contains(marker), () => $"'{marker}' was not seen");
        string[] fresh = [.. lines.Skip(_seen).Where(line => line != marker)];
        _seen = lines.Count;
        return fresh;
    }

    private static async Task<string> AnswerAsync(TcpListener upstream, string raw, RawClient client)
    {
        using RawClient server = new(await upstream.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        await server.ReadAsync(static text => text.EndsWith("\r\n\r\n", StringComparison.Ordinal));
        await server.SendAsync(raw);
        bool isOwn = raw.EndsWith("next", StringComparison.Ordinal);
        string got = await client.ReadAsync(text => text.EndsWith(isOwn ? "next" : "protocol error", StringComparison.Ordinal));
        if (!isOwn)
        {
            await server.ReadAsync(static _ => false); // the sidecar ends this connection
        }

        return got;
    }

    private void Add(string name, string back, IReadOnlyList<string> seen) =>
        _table.Add($"| {name} | {back} | {(seen.Count == 0 ? "nothing" : string.Join("; ", seen))} |");

    private MeshProcess Sidecar(string upstream)
    {
        _scratch.Folder("rules");
        _scratch.File("rules/a.yaml", Rules.Partner(upstream).Replace("partner.example", "a.test", StringComparison.Ordinal));
        return MeshProcess.Sidecar("--rules", Path.Combine(_scratch.Path, "rules"), "--service", "caller:8080", "--app", "127.0.0.1:9");
    }
}
