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

    [Theory]
    [InlineData("503", true)]
    [InlineData("418", true)]
    [InlineData("301", true)]
    [InlineData("500", true)]
    [InlineData("503", false)]
    public async Task OurOwnAnswers_CanBeReadByAllowedOriginsToo(string code, bool isAllowed)
    {
        HttpRouteConfig route = code switch
        {
            "418" => With(Policy) with { Clusters = [], DirectResponse = new DirectResponseConfig(418, "") },
            "301" => With(Policy) with { Clusters = [], Redirect = new RedirectConfig { Path = "/new" } },
            "500" => With(Policy) with { Fault = new FaultConfig { AbortStatus = 500, AbortPercent = 100 } },
            _ => With(Policy),
        };
        await using Pipeline pipeline = new(routes: [route]);
        pipeline.Upstreams.Refuses = "Connection refused";
        string page = isAllowed ? "page.test" : "evil.test";
        MemoryConnection client = await pipeline.SendAsync($"GET / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://{page}\r\n\r\n");

        string head = await client.ReadHeadAsync();

        Assert.StartsWith($"HTTP/1.1 {code} ", head, StringComparison.Ordinal);
        Assert.Equal(
            isAllowed,
            head.Contains("access-control-allow-origin: https://page.test\r\naccess-control-allow-credentials: true\r\naccess-control-expose-headers: x-two\r\n", StringComparison.Ordinal));
    }

    private static HttpRouteConfig With(CorsConfig cors) => new() { Name = "r", Clusters = [new WeightedClusterConfig(Pipeline.Name)], Cors = cors };
}
