using System.Collections.Immutable;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Routes on the wire: which one a request takes, and what follows from it (semantics 6.3).</summary>
public sealed class RouteTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("/other/1", "", "other", Pipeline.OtherName)]
    [InlineData("/x", "x-canary: yes\r\n", "canary", Pipeline.OtherName)]
    [InlineData("/x", "", "rest", Pipeline.Name)]
    public async Task Request_TakesTheFirstRouteThatFits(string path, string headers, string route, string cluster)
    {
        await using Pipeline pipeline = new(routes:
        [
            To(Pipeline.OtherName, Prefix("/other/")) with { Name = "other" },
            To(Pipeline.OtherName, new HttpMatchConfig { Headers = [new NamedMatch("x-canary", new(StringMatchKind.Exact, "yes"))] }) with { Name = "canary" },
            To(Pipeline.Name) with { Name = "rest" },
        ]);
        MemoryConnection client = await pipeline.SendAsync($"GET {path} HTTP/1.1\r\nHost: a.test\r\n{headers}\r\n");

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((route, cluster), (record.RouteName, record.Cluster));
    }

    [Theory]
    [InlineData("/a", "r.first")]
    [InlineData("/b", "r.second")]
    [InlineData("/c", "r")]
    [EffectOf("VirtualService", "http.name")]
    [EffectOf("VirtualService", "http.match.name")]
    public async Task Name_OfTheMatch_StandsBehindTheRoutes(string path, string name)
    {
        HttpRouteConfig route = To(Pipeline.Name, Prefix("/a") with { Name = "first" }, Prefix("/b") with { Name = "second" }, Prefix("/c")) with { Name = "r" };
        await using Pipeline pipeline = new(routes: [route]);
        MemoryConnection client = await pipeline.SendAsync($"GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");

        Assert.Equal(name, (await pipeline.Sink.NextAsync()).RouteName);
    }

    [Fact]
    [EffectOf("VirtualService", "http.match.statPrefix")]
    public async Task StatPrefix_CountsRequestsApart()
    {
        RetryConfig retry = new() { Conditions = RetryConditions.ServerError, Attempts = 1 };
        HttpRouteConfig route = To(Pipeline.Name, Prefix("/pay") with { StatPrefix = "pay" }, Prefix("/")) with { Retry = retry };
        await using Pipeline pipeline = new(routes: [route]);
        MemoryConnection client = await pipeline.SendAsync("GET /pay HTTP/1.1\r\nHost: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.SendAsync("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        await client.SendAsync("GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n");
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");

        StatsPages pages = new([], new ProxyStatsView(pipeline.Stats, IsLive: true, State: 0, UptimeSeconds: 0, Concurrency: 1));

        string[] lines = [.. pages.Lines().Where(static l => l.Name.StartsWith("vhost.", StringComparison.Ordinal) && l.Value > 0).Select(static l => $"{l.Name} {l.Value}")];
        const string Scope = "vhost.a.test_80.route.pay.upstream_rq_";
        Assert.Equal([$"{Scope}200 1", $"{Scope}2xx 1", $"{Scope}retry 1", $"{Scope}retry_success 1", $"{Scope}total 2"], lines);
        string page = PrometheusTextTests.Page(pages.Write);
        Assert.Contains("envoy_vhost_route_upstream_rq_total{envoy_virtual_host=\"a.test_80\",envoy_route=\"pay\"} 2\n", page, StringComparison.Ordinal);
        Assert.Contains("envoy_vhost_route_upstream_rq{envoy_response_code=\"200\",envoy_virtual_host=\"a.test_80\",envoy_route=\"pay\"} 1\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_ThatNoRouteFits_Is404_AndTheClientGoesOn()
    {
        await using Pipeline pipeline = new(routes: [To(Pipeline.Name, Prefix("/known"))]);
        MemoryConnection client = await pipeline.SendAsync("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");

        string head = await client.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 404 Not Found\r\nx-request-id: ", head, StringComparison.Ordinal);
        Assert.Contains("\r\nx-mesh-reason: no_route;", head, StringComparison.Ordinal);
        Assert.DoesNotContain("connection: close", head, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((404, ResponseFlag.NR, "route_not_found"), (record.Code, record.Flag, record.Details));
    }

    [Fact]
    public async Task Route_ToAClusterThatIsMissing_Is503()
    {
        await using Pipeline pipeline = new(routes: [To("outbound|80|gone|a.test") with { Name = "gone" }]);
        MemoryConnection client = await pipeline.SendAsync("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.NC, "gone"), (record.Flag, record.RouteName));
    }

    [Fact]
    public async Task Retry_StaysInTheClusterThatWasDrawn()
    {
        ScriptedRandom rehearsal = new();
        await using (new Pipeline(random: rehearsal))
        {
        }

        ScriptedRandom random = new([.. new int[rehearsal.Draws], 95]); // the first draw of a request is that of the weight
        await using Pipeline pipeline = new(random: random, routes:
        [
            To(Pipeline.Name) with
            {
                Clusters = [new WeightedClusterConfig(Pipeline.Name, 90), new WeightedClusterConfig(Pipeline.OtherName, 10)],
                Retry = new RetryConfig { Conditions = RetryConditions.ServerError, Attempts = 1 },
            },
        ]);
        MemoryConnection client = await pipeline.SendAsync("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");

        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((Pipeline.OtherName, 2), (record.Cluster, record.Attempts));
        Assert.Equal(0, pipeline.Cluster.Stats.RqTotal.Value);
    }

    [Fact]
    public async Task Timeout_IsThatOfTheRouteThatFits()
    {
        await using Pipeline pipeline = new(routes:
        [
            To(Pipeline.Name, Prefix("/slow")),
            To(Pipeline.Name) with { Timeout = TimeSpan.FromSeconds(1), Source = "default/a#spec.http[1]" },
        ]);
        MemoryConnection client = await pipeline.SendAsync("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
        await (await pipeline.Upstreams.AcceptAsync()).ReadHeadAsync();

        pipeline.Time.Advance(TimeSpan.FromSeconds(1));

        string head = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 504 ", head, StringComparison.Ordinal);
        Assert.Contains("rule=default/a#spec.http[1].timeout; limit=1000", head, StringComparison.Ordinal);
    }

    private static HttpMatchConfig Prefix(string path) => new() { Path = new(StringMatchKind.Prefix, path) };

    private static HttpRouteConfig To(string cluster, params ImmutableArray<HttpMatchConfig> matches) =>
        new() { Name = "r", Matches = matches, Clusters = [new WeightedClusterConfig(cluster)] };
}
