using System.Buffers;
using System.Text;
using System.Text.Json;
using Mesh.Rules.Snapshots;
using Mesh.Sidecar.Admin;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

/// <summary>The virtual hosts of <c>/config_dump</c>: which route, and which rule.</summary>
public sealed class RoutePageTests
{
    [Fact]
    public void Route_IsThereWithItsRuleAndAllItDoes()
    {
        HttpRouteConfig route = new()
        {
            Name = "pay",
            Source = "default/shop#spec.http[0]",
            Matches =
            [
                new HttpMatchConfig
                {
                    Name = "m",
                    StatPrefix = "s",
                    Path = new(StringMatchKind.Prefix, "/pay"),
                    IgnorePathCase = true,
                    Method = new(StringMatchKind.Exact, "POST"),
                    Headers = [new NamedMatch("x-a", new(StringMatchKind.Present, ""), IsInverted: true)],
                    QueryParameters = [new NamedMatch("q", new(StringMatchKind.Regex, "1+"))],
                },
            ],
            Clusters = [new WeightedClusterConfig("one", 90) { Authority = "one.x" }, new WeightedClusterConfig("two", 10)],
            Rewrite = new RewriteConfig { Path = "/" },
            Timeout = TimeSpan.FromMilliseconds(1500),
            Retry = new RetryConfig { Attempts = 3, Conditions = RetryConditions.StatusCodes, StatusCodes = [503], Source = "default/shop#spec.http[0].retries" },
            Mirrors = [new MirrorConfig("copy", 2.5)],
            ResponseHeaders = new HeaderChanges([new("a", "b")], [], ["c"]),
            Fault = new FaultConfig { AbortStatus = 418, AbortPercent = 1 },
            Cors = new CorsConfig { AllowOrigins = [new(StringMatchKind.Exact, "https://page.x")], AllowMethods = "GET" },
        };

        JsonElement written = Routes(new VirtualHostConfig("shop:80", 80, ["shop"], "") { Routes = [route] })[0];

        Assert.Equal(
            """
            {"name":"pay","source":"default/shop#spec.http[0]","match":[{"name":"m","stat_prefix":"s","prefix":"/pay","case_sensitive":false,":method":{"exact":"POST"},
            "headers":[{"name":"x-a","present_match":true,"invert_match":true}],"query_parameters":[{"name":"q","safe_regex":"1\u002B"}]}],
            "route":{"weighted_clusters":[{"name":"one","weight":90,"host_rewrite_literal":"one.x"},{"name":"two","weight":10}],"prefix_rewrite":"/","timeout":"1.5s",
            "retry_policy":{"source":"default/shop#spec.http[0].retries","num_retries":3,"retry_on":"StatusCodes","retriable_status_codes":["503"],
            "retry_back_off":"Exponential 0.025s to 0.25s, jitter Full","avoids_previous_hosts":true,"reaches_remote_localities":false,"leaves_to_caller":false},
            "request_mirror_policies":[{"cluster":"copy","percent":2.5}]},"response_headers":{"set":["a: b"],"remove":["c"]},
            "fault":{"delay_percent":0,"abort_status":418,"abort_percent":1},
            "cors":{"allow_origin_string_match":[{"exact":"https://page.x"}],"allow_methods":"GET","allow_credentials":false,"forward_not_matching_preflights":true}}
            """.Replace("\n", "", StringComparison.Ordinal),
            written.GetRawText());
    }

    [Fact]
    public void Redirect_AndDirectResponse_SayWhatTheyAnswer()
    {
        HttpRouteConfig plain = new() { Name = "r" };
        JsonElement routes = Routes(new VirtualHostConfig("a:80", 80, ["a"], "")
        {
            Routes = [plain with { Redirect = new RedirectConfig { Scheme = "https", UsesRequestPort = true } }, plain with { DirectResponse = new DirectResponseConfig(418, "tea") }],
        });

        Assert.Equal("""{"response_code":301,"scheme_redirect":"https","port_redirect":"of the request"}""", routes[0].GetProperty("redirect").GetRawText());
        Assert.Equal("""{"status":418,"body_length":3}""", routes[1].GetProperty("direct_response").GetRawText());
    }

    [Fact]
    public void HostWithoutRoutes_HasItsDefaultRoute()
    {
        JsonElement route = Routes(new VirtualHostConfig("a:80", 80, ["a"], "outbound|80||a") { Retry = RetryConfig.OutboundDefault })[0];

        Assert.Equal(("a:80", "default"), (route.GetProperty("name").GetString(), route.GetProperty("source").GetString()));
        Assert.Equal("/", route.GetProperty("match")[0].GetProperty("prefix").GetString());
        Assert.Equal("outbound|80||a", route.GetProperty("route").GetProperty("weighted_clusters")[0].GetProperty("name").GetString());
        Assert.Equal(2, route.GetProperty("route").GetProperty("retry_policy").GetProperty("num_retries").GetInt32());
    }

    private static JsonElement Routes(VirtualHostConfig host)
    {
        ArrayBufferWriter<byte> output = new();
        using (Utf8JsonWriter json = new(output))
        {
            json.WriteStartObject();
            RoutePage.Write(json, new RouteConfig([host]));
            json.WriteEndObject();
        }

        JsonElement read = JsonDocument.Parse(Encoding.UTF8.GetString(output.WrittenSpan)).RootElement.GetProperty("virtual_hosts")[0];
        Assert.Equal((host.Name, host.Port), (read.GetProperty("name").GetString(), read.GetProperty("port").GetInt32()));
        return read.GetProperty("routes");
    }
}
