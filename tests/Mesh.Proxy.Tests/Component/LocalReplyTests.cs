using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>The table of local answers, semantics 5.2: status, body, flag, details, and why, for every row that needs no retries.</summary>
public sealed class LocalReplyTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Prefix = "upstream connect error or disconnect/reset before headers. reset reason: ";
    private const string Before = "upstream_reset_before_response_started{";

    [Fact]
    public async Task NoEndpoints_UH()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(endpoints: []);
        string head = await RefusedAsync(proxy, Get, 503, "no healthy upstream");
        Assert.Contains("x-mesh-reason: no_endpoints", head, StringComparison.Ordinal);
        await SeenAsync(proxy, 503, ResponseFlag.UH, "no_healthy_upstream", DecisionReason.NoEndpoints);
    }

    [Fact]
    public async Task Refused_UF()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        proxy.Upstream.Dispose();
        string head = await RefusedAsync(proxy, Get, 503, Prefix + "remote connection failure, transport failure reason: Connection refused");
        Assert.Contains("x-mesh-reason: connect_failure; scope=sidecar\r\n", head, StringComparison.Ordinal);
        await SeenAsync(proxy, 503, ResponseFlag.UF, Before + "remote_connection_failure|Connection_refused}", DecisionReason.ConnectFailure);
    }

    [Fact]
    public async Task ConnectTimeout_UF()
    {
        using Socket full = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0); // whoever connects after the first two waits for the kernel
        List<Socket> fillers = [];
        for (int i = 0; i < 4; i++)
        {
            fillers.Add(new Socket(SocketType.Stream, ProtocolType.Tcp) { Blocking = false });
            _ = fillers[i].ConnectAsync(full.LocalEndPoint!).ContinueWith(static t => _ = t.Exception, TaskScheduler.Default);
        }

        ClusterConfig config = ProxyFixture.Config with { Connection = new ConnectionConfig { ConnectTimeout = TimeSpan.FromMilliseconds(50) } };
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(config, endpoints: [full.LocalEndPoint!.ToString()!]);
        string head = await RefusedAsync(proxy, Get, 503, Prefix + "connection timeout");
        Assert.Contains("x-mesh-reason: connect_timeout; ", head, StringComparison.Ordinal);
        await SeenAsync(proxy, 503, ResponseFlag.UF, Before + "connection_timeout}", DecisionReason.ConnectTimeout);
        fillers.ForEach(static f => f.Dispose());
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("HTTP/1.1 200 O", false)]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n", true)]
    [InlineData("", true)]
    public async Task ClosedBeforeTheAnswer_UC(string said, bool resets)
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await server.SendAsync(said);
        if (resets)
        {
            if (said.Length > 0)
            {
                await client.ReadHeadAsync();
            }

            server.Reset();
        }
        else
        {
            server.Dispose();
        }

        await AnswerAsync(client, 503, Prefix + "connection termination");
        await SeenAsync(proxy, 503, ResponseFlag.UC, Before + "connection_termination}", DecisionReason.UpstreamClosed);
    }

    [Theory]
    [InlineData("nonsense\r\n\r\n")]
    [InlineData("HTTP/2.0 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\n\n")]
    [InlineData("HTTP/1.1 99 Low\r\n\r\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n")]
    public async Task AnswerThatBreaksHttp_UPE(string said)
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await server.SendAsync(said);
        await AnswerAsync(client, 502, Prefix + "protocol error");
        await SeenAsync(proxy, 502, ResponseFlag.UPE, Before + "protocol_error}", DecisionReason.UpstreamProtocolError);
        await client.SendAsync(Get); // the client's connection is not to blame
        using RawPeer next = await proxy.Upstream.AcceptAsync();
        await next.ReadHeadAsync();
        await next.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        await client.ReadHeadAsync();
    }

    [Fact]
    public async Task Overflow_UO()
    {
        ClusterConfig config = ProxyFixture.Config with { Limits = new CircuitBreakerConfig(MaxRequests: 1), ConnectionPoolSource = "default/a#spec" };
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(config);
        (RawPeer first, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        string head = await RefusedAsync(proxy, Get, 503, Prefix + "overflow");
        Assert.Contains("x-envoy-overloaded: true\r\n", head, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: request_overflow; rule=default/a#spec.http.http2MaxRequests; limit=1; now=1; scope=sidecar\r\n", head, StringComparison.Ordinal);
        Assert.Contains("content-type: text/plain\r\n", head, StringComparison.Ordinal);
        Assert.Contains("server: envoy\r\n", head, StringComparison.Ordinal);
        await SeenAsync(proxy, 503, ResponseFlag.UO, Before + "overflow}", DecisionReason.RequestOverflow);
        await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        await first.ReadHeadAsync();
    }

    [Fact]
    public async Task RouteWithoutCluster_NC()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(inbound: true);
        await proxy.ApplyAsync(ProxyFixture.Config with { Name = "outbound|81||b.test" }, [], []);
        using RawPeer client = await RawPeer.ConnectAsync(proxy.Host.Inbound!);
        await client.SendAsync(Get);
        string head = await AnswerAsync(client, 503, "");
        Assert.Contains("server: istio-envoy\r\n", head, StringComparison.Ordinal);
        await SeenAsync(proxy, 503, ResponseFlag.NC, "cluster_not_found", DecisionReason.UnknownCluster);
    }

    [Fact]
    public async Task UnknownService_502()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        string head = await RefusedAsync(proxy, "GET / HTTP/1.1\r\nHost: who.test\r\n\r\n", 502, "");
        Assert.Contains("x-mesh-reason: unknown_service; scope=sidecar\r\n", head, StringComparison.Ordinal);
        await SeenAsync(proxy, 502, ResponseFlag.None, "direct_response", DecisionReason.UnknownService);
    }

    [Fact]
    public async Task Loop_502()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        string head = await RefusedAsync(proxy, $"GET / HTTP/1.1\r\nHost: localhost:{proxy.Host.Outbound!.Port}\r\n\r\n", 502, "");
        Assert.Contains("x-mesh-reason: loop; scope=sidecar\r\n", head, StringComparison.Ordinal);
        await SeenAsync(proxy, 502, ResponseFlag.None, "loop_detected", DecisionReason.Loop);
    }

    public static TheoryData<string, int, string> BadRequests => new()
    {
        { "GET / HTTP/1.1\r\n\r\n", 400, "missing_host_header" },
        { "nonsense\r\n\r\n", 400, "http1.codec_error" },
        { "GET / HTTP/1.1\nHost: a.test\n\n", 400, "http1.codec_error" },
        { "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", 505, "http1.unsupported_version" },
        { "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "http1.content_length_and_chunked_not_allowed" },
        { "GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "http1.invalid_transfer_encoding" },
        { $"GET /{new string('x', 9000)} HTTP/1.1\r\nHost: a.test\r\n\r\n", 414, "http1.target_too_long" },
        { $"GET / HTTP/1.1\r\nHost: a.test\r\n{string.Concat(Enumerable.Repeat("a: b\r\n", 100))}\r\n", 431, "http1.too_many_headers" },
        { $"GET / HTTP/1.1\r\nHost: a.test\r\na: {new string('x', 61 * 1024)}", 431, "http1.headers_too_large" },
    };

    [Theory]
    [MemberData(nameof(BadRequests))]
    public async Task BadRequest_DPE(string request, int status, string details)
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        string head = await RefusedAsync(proxy, request, status, "");
        Assert.Contains("connection: close\r\n", head, StringComparison.Ordinal);
        await SeenAsync(proxy, status, ResponseFlag.DPE, details, DecisionReason.BadRequest);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart", ResponseFlag.UC, "connection_termination")]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart", ResponseFlag.UC, "connection_termination")]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\nnonsense\r\n", ResponseFlag.UPE, "protocol_error")]
    public async Task AnswerThatBreaksOff_CutsTheClient(string said, ResponseFlag flag, string reason)
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await server.SendAsync(said);
        server.Dispose();
        await client.ReadToEndAsync();
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((200, flag, "upstream_reset_after_response_started{" + reason + "}"), (seen.Status, seen.Flag, seen.Details));
    }

    [Fact]
    public async Task Refusal_SwallowsTheBodyAndKeepsTheConnection()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(endpoints: []);
        using RawPeer client = await proxy.ConnectAsync();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
            Assert.DoesNotContain("connection: close", await AnswerAsync(client, 503, "no healthy upstream"), StringComparison.Ordinal);
        }

        await client.SendAsync("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n" + Get);
        Assert.Contains("content-length: 19\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await AnswerAsync(client, 503, "no healthy upstream");
    }

    private static async Task<string> RefusedAsync(ProxyFixture proxy, string request, int status, string body)
    {
        using RawPeer client = await proxy.ConnectAsync();
        await client.SendAsync(request);
        return await AnswerAsync(client, status, body);
    }

    private static async Task<string> AnswerAsync(RawPeer client, int status, string body)
    {
        string head = await client.ReadHeadAsync();
        Assert.StartsWith($"HTTP/1.1 {status} ", head, StringComparison.Ordinal);
        Assert.Contains($"content-length: {body.Length}\r\n", head, StringComparison.Ordinal);
        Assert.Equal(body, await client.ReadAsync(body.Length));
        return head;
    }

    private static async Task SeenAsync(ProxyFixture proxy, int status, ResponseFlag flag, string details, DecisionReason reason)
    {
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((status, flag, details, reason), (seen.Status, seen.Flag, seen.Details, seen.Reason));
    }
}
