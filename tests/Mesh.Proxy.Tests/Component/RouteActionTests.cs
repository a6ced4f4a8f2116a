using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What a route does besides leading to a cluster, on the wire (semantics 6.3).</summary>
public sealed class RouteActionTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: app\r\nX-Old: 1\r\n\r\nok";

    private static readonly HttpRouteConfig Plain = new() { Name = "r", Source = "default/a#spec.http[0]", Clusters = [new WeightedClusterConfig(Pipeline.Name)] };

    public static TheoryData<RedirectConfig, string, string> Redirects => new()
    {
        { new() { Authority = "b.test" }, "a.test", "http://b.test/old/x?q=1" },
        { new() { Path = "/new" }, "a.test", "http://a.test/new?q=1" },
        { new() { Path = "/new?z=2" }, "a.test:80", "http://a.test/new?z=2" },
        { new() { PathPrefix = "/new" }, "a.test", "http://a.test/new/x?q=1" },
        { new() { Scheme = "https" }, "a.test:80", "https://a.test/old/x?q=1" },
        { new() { Scheme = "https", Port = 443 }, "a.test", "https://a.test/old/x?q=1" },
        { new() { Port = 8080 }, "a.test", "http://a.test:8080/old/x?q=1" },
        { new() { Scheme = "https", Authority = "b.test", UsesRequestPort = true }, "a.test", "https://b.test:80/old/x?q=1" },
    };

    [Theory]
    [MemberData(nameof(Redirects))]
    public async Task Redirect_SaysWhere(RedirectConfig redirect, string host, string location)
    {
        await using Pipeline pipeline = new(routes: [Plain with { Clusters = [], Matches = [Prefix("/old")], Redirect = redirect with { Code = 308 } }]);
        MemoryConnection client = await pipeline.SendAsync($"GET /old/x?q=1 HTTP/1.1\r\nHost: {host}\r\n\r\n");

        string head = await client.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 308 Permanent Redirect\r\n", head, StringComparison.Ordinal);
        Assert.Contains($"\r\nlocation: {location}\r\n", head, StringComparison.Ordinal);
        Assert.Contains("content-length: 0\r\n", head, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((308, ResponseFlag.None, "direct_response", "r"), (record.Code, record.Flag, record.Details, record.RouteName));
    }

    [Fact]
    public async Task DirectResponse_IsAnsweredAtOnce_WithTheHeadersOfTheRoute()
    {
        await using Pipeline pipeline = new(routes:
        [
            Plain with { Clusters = [], DirectResponse = new DirectResponseConfig(418, "{\"é\":1}"), ResponseHeaders = Set(("content-type", "application/json")) },
        ]);
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");

        string head = await client.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 418 ", head, StringComparison.Ordinal);
        Assert.Contains("content-type: application/json\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("text/plain", head, StringComparison.Ordinal);
        Assert.DoesNotContain("x-mesh-reason", head, StringComparison.Ordinal);
        Assert.Equal(8, (await client.ReadAsync(8)).Length);
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Theory]
    [InlineData("/foo", "/", "/foo/bar?q=1", "//bar?q=1")]
    [InlineData("/foo/", "/", "/foo/bar", "/bar")]
    [InlineData(null, "/all/", "/x", "/all/x")]
    [InlineData("/foo", "/a b\r\nx: y", "/foo", "/a%20b%0D%0Ax:%20y")]
    public async Task Rewrite_ReplacesThePrefix(string? prefix, string rewrite, string path, string expected)
    {
        HttpRouteConfig route = Plain with { Matches = prefix is null ? [] : [Prefix(prefix)], Rewrite = new RewriteConfig { Path = rewrite } };

        string head = await SentAsync(route, path);

        Assert.StartsWith($"GET {expected} HTTP/1.1\r\nhost: a.test\r\n", head, StringComparison.Ordinal);
        Assert.Contains($"\r\nx-envoy-original-path: {path}\r\n", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rewrite_ReplacesTheWholeOfAnExactMatch() => Assert.StartsWith(
        "GET /b?q HTTP/1.1\r\n",
        await SentAsync(Plain with { Matches = [new HttpMatchConfig { Path = new(StringMatchKind.Exact, "/a") }], Rewrite = new RewriteConfig { Path = "/b" } }, "/a?q"),
        StringComparison.Ordinal);

    [Theory]
    [InlineData("/users/([0-9]+)/(.*)", @"/\2/by/\1", "/users/7/posts?q=1", "/posts/by/7?q=1")]
    [InlineData("a", "$0", "/banana", "/b$0n$0n$0")]
    [InlineData("x", "y", "/banana?x", "/banana?x")]
    [InlineData("^/(.*)$", @"\1", "/http://other.test/x", "/http://other.test/x")]
    [InlineData("^/go/(.*)$", @"\1", "/go/http://other.test/x", "/http://other.test/x")]
    [InlineData("^/.*$", "", "/a?q", "/?q")]
    [InlineData("a", "#", "/a", "/%23")]
    public async Task RegexRewrite_ReplacesEveryMatch(string pattern, string substitution, string path, string expected) => Assert.StartsWith(
        $"GET {expected} HTTP/1.1\r\n",
        await SentAsync(Plain with { Rewrite = new RewriteConfig { Pattern = pattern, Substitution = substitution } }, path), StringComparison.Ordinal);

    [Theory]
    [InlineData("route.test", "cluster.test", "route.test")]
    [InlineData(null, "cluster.test", "cluster.test")]
    public async Task Authority_OfTheRouteWins(string? ofRoute, string ofCluster, string expected) => Assert.Contains(
        $"\r\nhost: {expected}\r\n",
        await SentAsync(Plain with
        {
            Rewrite = ofRoute is null ? null : new RewriteConfig { Authority = ofRoute },
            Clusters = [new WeightedClusterConfig(Pipeline.Name) { Authority = ofCluster }],
        }),
        StringComparison.Ordinal);

    [Fact]
    public async Task RequestHeaders_AreSetAddedAndRemoved_TheClusterLast()
    {
        string head = await SentAsync(
            Plain with
            {
                RequestHeaders = new HeaderChanges([new("x-set", "route"), new("x-both", "route")], [new("x-add", "2"), new("x-gone", "1")], ["x-gone", "x-old"]),
                Clusters = [new WeightedClusterConfig(Pipeline.Name) { RequestHeaders = Set(("x-both", "cluster"), ("x-request-id", "mine"), ("content-length", "9")) }],
            },
            headers: "X-Set: client\r\nX-Add: 1\r\nX-Old: 1\r\nX-Kept: 1\r\n");

        string[] lines = [.. head.Split("\r\n").Where(static l => l.StartsWith("x-", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)];
        Assert.Equal(
            ["X-Add: 1", "X-Kept: 1", "x-add: 2", "x-both: cluster", "x-envoy-attempt-count: 1", "x-forwarded-proto: http", "x-request-id: mine", "x-set: route"], lines);
        Assert.DoesNotContain("content-length", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResponseHeaders_AreSetAddedAndRemoved()
    {
        string head = await AnsweredAsync(Plain with
        {
            ResponseHeaders = new HeaderChanges([new("server", "mesh")], [new("x-old", "2"), new("x-bad", "a\r\nb: c")], ["x-envoy-upstream-service-time"]),
            Clusters = [new WeightedClusterConfig(Pipeline.Name) { ResponseHeaders = new HeaderChanges([], [new("x-version", "v1")], ["x-none"]) }],
        });

        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Old: 1\r\nserver: mesh\r\nx-old: 2\r\nx-version: v1\r\n\r\n", head);
    }

    [Theory]
    [InlineData("connection refused")]
    [InlineData(null)]
    public async Task ResponseHeaders_AreOnOurOwnAnswersToo(string? refused)
    {
        HttpRouteConfig route = Plain with
        {
            Timeout = TimeSpan.FromSeconds(1),
            ResponseHeaders = new HeaderChanges([new("server", "mesh")], [new("x-team", "shop")], ["x-mesh-reason"]),
            Clusters = [new WeightedClusterConfig(Pipeline.Name) { ResponseHeaders = Set(("x-version", "v1")) }],
        };
        await using Pipeline pipeline = new(routes: [route]);
        pipeline.Upstreams.Refuses = refused;
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        pipeline.Time.Advance(TimeSpan.FromSeconds(1));

        string head = await client.ReadHeadAsync();

        Assert.StartsWith(refused is null ? "HTTP/1.1 504 " : "HTTP/1.1 503 ", head, StringComparison.Ordinal);
        Assert.Contains("\r\nserver: mesh\r\nx-team: shop\r\nx-version: v1\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("envoy", head, StringComparison.Ordinal);
        Assert.DoesNotContain("x-mesh-reason", head, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: ", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Edits_ComeBackInARetry()
    {
        await using Pipeline pipeline = new(routes:
        [
            Plain with { Rewrite = new RewriteConfig { Path = "/new/" }, Retry = new RetryConfig { Conditions = RetryConditions.ServerError, Attempts = 1 } },
        ]);
        MemoryConnection client = await pipeline.SendAsync("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\nGET /x HTTP/1.1\r\nHost: lost.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");

        Assert.StartsWith("GET /new/x HTTP/1.1\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);

        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
    }

    private static HttpMatchConfig Prefix(string path) => new() { Path = new(StringMatchKind.Prefix, path) };

    private static HeaderChanges Set(params (string Name, string Value)[] fields) => new([.. fields.Select(static f => KeyValuePair.Create(f.Name, f.Value))], [], []);

    /// <summary>The head that the upstream sees.</summary>
    private static async Task<string> SentAsync(HttpRouteConfig route, string path = "/", string headers = "")
    {
        await using Pipeline pipeline = new(routes: [route]);
        MemoryConnection client = await pipeline.SendAsync($"GET {path} HTTP/1.1\r\nHost: a.test\r\n{headers}\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        string head = await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        return head;
    }

    /// <summary>The head that the client sees.</summary>
    private static async Task<string> AnsweredAsync(HttpRouteConfig route)
    {
        await using Pipeline pipeline = new(routes: [route]);
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        return await client.ReadHeadAsync();
    }
}
