using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Cross-origin policies on the wire (semantics 6.3).</summary>
public sealed class CorsTests
{
    private const string Preflight = "OPTIONS / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://{0}\r\nAccess-Control-Request-Method: PUT\r\n\r\n";

    private static readonly CorsConfig Policy = new()
    {
        AllowOrigins = [new(StringMatchKind.Exact, "https://page.test"), new(StringMatchKind.Regex, @"https://[a-z]+\.page\.test")],
        AllowMethods = "GET,PUT",
        AllowHeaders = "x-one",
        ExposeHeaders = "x-two",
        MaxAgeSeconds = 60,
        AllowCredentials = true,
    };

    [Theory]
    [InlineData("page.test")]
    [InlineData("www.page.test")]
    public async Task Preflight_FromAnAllowedOrigin_IsAnswered(string origin)
    {
        await using Pipeline pipeline = new(routes: [With(Policy)]);
        MemoryConnection client = await pipeline.SendAsync(Preflight.Replace("{0}", origin, StringComparison.Ordinal));

        string head = await client.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
        Assert.Contains(
            $"access-control-allow-origin: https://{origin}\r\naccess-control-allow-credentials: true\r\naccess-control-allow-methods: GET,PUT\r\n" +
            "access-control-allow-headers: x-one\r\naccess-control-max-age: 60\r\n",
            head, StringComparison.Ordinal);
        Assert.DoesNotContain("x-two", head, StringComparison.Ordinal);
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Fact]
    public async Task Preflight_FromElsewhere_IsAnsweredWithoutPermission_WhenItIsNotForwarded()
    {
        await using Pipeline pipeline = new(routes: [With(Policy with { ForwardsUnmatchedPreflights = false })]);
        MemoryConnection client = await pipeline.SendAsync(Preflight.Replace("{0}", "evil.test", StringComparison.Ordinal));

        string head = await client.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("access-control", head, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("OPTIONS", "Origin: https://evil.test\r\nAccess-Control-Request-Method: PUT\r\n", false)]
    [InlineData("OPTIONS", "Origin: https://page.test\r\n", true)] // no preflight
    [InlineData("GET", "Origin: https://page.test\r\n", true)]
    [InlineData("GET", "Origin: https://evil.test\r\n", false)]
    [InlineData("GET", "", false)]
    public async Task OtherRequests_AreForwarded_AndAllowedOriginsMayReadTheAnswer(string method, string fields, bool isAllowed)
    {
        await using Pipeline pipeline = new(routes: [With(Policy)]);
        MemoryConnection client = await pipeline.SendAsync($"{method} / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n\r\nok");

        string head = await client.ReadHeadAsync();
        Assert.Equal(!isAllowed, head.Contains("Access-Control-Allow-Origin: *\r\n", StringComparison.Ordinal));
        Assert.Equal(
            isAllowed,
            head.Contains(
                "access-control-allow-origin: https://page.test\r\naccess-control-allow-credentials: true\r\naccess-control-expose-headers: x-two\r\n",
                StringComparison.Ordinal));
    }

    private static HttpRouteConfig With(CorsConfig cors) => new() { Name = "r", Clusters = [new WeightedClusterConfig(Pipeline.Name)], Cors = cors };
}
