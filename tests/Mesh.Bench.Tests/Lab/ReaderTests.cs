using Mesh.Lab.CommandLine;
using Mesh.Lab.Metrics;
using Mesh.Lab.World;

namespace Mesh.Bench.Tests.Lab;

public sealed class ReaderTests
{
    private const string Page = """
        # HELP envoy_cluster_upstream_rq_pending_total Requests admitted to wait
        # TYPE envoy_cluster_upstream_rq_pending_total counter
        envoy_cluster_upstream_rq_pending_total{cluster_name="outbound|8080||products.default.svc.cluster.local"} 39
        envoy_cluster_upstream_rq_pending_total{cluster_name="other"} 7
        envoy_cluster_upstream_rq{cluster_name="outbound|8080||products.default.svc.cluster.local",response_code="200"} 5
        istio_build{component="proxy",tag="a\"b\\c\nd,}"} 1 1700000000
        envoy_server_uptime 1.5e3
        up +Inf
        """;

    [Fact]
    public void Parse_Page_ReadsLabelsAndNumbers()
    {
        List<PrometheusSample> samples = PrometheusPage.Parse(Page);
        Assert.Equal(6, samples.Count);
        Assert.Equal("a\"b\\c\nd,}", samples[3].Labels["tag"]);
        Assert.Equal(1500, samples[4].Value);
        Assert.Equal(double.PositiveInfinity, samples[5].Value);
    }

    [Theory]
    [InlineData("name")]
    [InlineData("name{a=\"b\" 1")]
    [InlineData("name{a} 1")]
    [InlineData("name x")]
    [InlineData("{a=\"b\"} 1")]
    public void Parse_BrokenLine_IsAnError(string line) => Assert.Throws<FormatException>(() => PrometheusPage.Parse(line));

    [Fact]
    public void Counters_OneCluster_AreItsOwnPlainStatistics()
    {
        ClusterCounters counters = ClusterCounters.From(PrometheusPage.Parse(Page), LabWorld.Products);
        Assert.Equal(39, counters["upstream_rq_pending_total"]);
        Assert.Equal(0, counters["upstream_rq"]);
        Assert.Equal(0, counters.Since(counters)["upstream_rq_pending_total"]);
        Assert.False(ClusterCounters.From(PrometheusPage.Parse(Page), "none").IsPresent);
    }

    [Fact]
    public void AccessLog_Line_HasWhatTheLabReads()
    {
        AccessLogEntry entry = AccessLogFile.Parse(
            """{"start_time":"2030-01-01T00:00:01.500Z","response_code":503,"response_flags":"UO","upstream_cluster":"c","upstream_host":null,"mesh_reason":"pending_overflow"}""");
        Assert.Equal(new AccessLogEntry(new DateTimeOffset(2030, 1, 1, 0, 0, 1, 500, TimeSpan.Zero), 503, "UO", "c", "", "pending_overflow"), entry);
    }

    [Theory]
    [InlineData("[{0}]")]
    [InlineData("{0}\n{0}\n")]
    public void Ejections_LinesOrArray_AreRead(string page)
    {
        const string Line = """{"type":"CONSECUTIVE_5XX","cluster_name":"c","upstream_url":"1.2.3.4:5","action":"EJECT","num_ejections":1,"enforced":true,"timestamp":"2030-01-01T00:00:00.000Z","until":"2030-01-01T00:00:30.000Z","reason":"consecutive_5xx"}""";
        EjectionLine line = EjectionLine.Parse(page.Replace("{0}", Line, StringComparison.Ordinal))[0];
        Assert.True(line is { IsEject: true, IsEnforced: true, NumEjections: 1, Upstream: "1.2.3.4:5", Reason: "consecutive_5xx" });
        Assert.Equal(TimeSpan.FromSeconds(30), line.Until - line.Timestamp);
    }

    [Fact]
    public void Clusters_Page_ShowsLimitsAndEjections()
    {
        const string Text = """
            {"cluster_statuses":[{"name":"c","circuit_breakers":{"thresholds":[{"max_connections":1,"max_pending_requests":2,"max_requests":3,"max_retries":4}]},
            "host_statuses":[{"address":"1.2.3.4:5","health_flags":"/failed_outlier_check"},{"address":"1.2.3.4:6","health_flags":"healthy"}]}]}
            """;
        ClusterState state = ClusterState.Parse(Text, "c")!;
        Assert.Equal((1, 2), (state.MaxConnections, state.MaxPendingRequests));
        Assert.Equal([true, false], state.Endpoints.Select(static e => e.IsEjected));
        Assert.Null(ClusterState.Parse(Text, "d"));
    }

    [Theory]
    [InlineData("""{"metadata":{"generation":2},"status":{"conditions":[{"type":"Programmed","status":"True","observedGeneration":2}]}}""", true)]
    [InlineData("""{"metadata":{"generation":2},"status":{"conditions":[{"type":"Programmed","status":"True","observedGeneration":"1"}]}}""", false)]
    [InlineData("""{"metadata":{"generation":2},"status":{"observedGeneration":1,"conditions":[{"type":"Programmed","status":"True"}]}}""", false)]
    [InlineData("""{"metadata":{"generation":1},"status":{"conditions":[{"type":"Programmed","status":"False"}]}}""", false)]
    [InlineData("""{"metadata":{"generation":1}}""", false)]
    public void Programmed_Status_MustBeOfTheLastGeneration(string rule, bool programmed) => Assert.Equal(programmed, RuleApi.IsProgrammed(rule));

    [Theory]
    [InlineData("metadata:\n  name: products\n")]
    [InlineData("kind: DestinationRule\nmetadata:\n  namespace: default\n  name: \"products\"\nspec:\n  name: other\n")]
    public void NameOf_Rule_IsThatOfTheMetadata(string yaml) => Assert.Equal("products", RuleApi.NameOf(yaml));

    [Fact]
    public void Rules_Variants_DifferAndKeepTheName()
    {
        Assert.Equal(LabRules.Name, RuleApi.NameOf(System.Text.Encoding.UTF8.GetString(LabRules.FromFile(null))));
        string roomy = System.Text.Encoding.UTF8.GetString(LabRules.Roomy(3));
        Assert.Equal(LabRules.Name, RuleApi.NameOf(roomy));
        Assert.Contains($"http1MaxPendingRequests: {LabRules.RoomyPending(3)}", roomy, StringComparison.Ordinal);
        Assert.DoesNotContain("connectionPool", System.Text.Encoding.UTF8.GetString(LabRules.OutlierOnly()), StringComparison.Ordinal);
        foreach (byte[] rule in (byte[][])[LabRules.OutlierOnly(), LabRules.WithPending(7), LabRules.Roomy(3)])
        {
            Assert.Contains("\n  trafficPolicy:\n    ", System.Text.Encoding.UTF8.GetString(rule), StringComparison.Ordinal);
            Assert.Contains("\n    outlierDetection:\n      consecutive5xxErrors: 5\n", System.Text.Encoding.UTF8.GetString(rule), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("there is no scenario 'incidents' yet; there are: shop, partner, retries", "incidents")]
    [InlineData("there is no scenario 'x'; there are: shop, partner, retries", "x")]
    [InlineData("--duration belongs to shop; partner has its own rules and times", "partner", "--duration", "3s")]
    [InlineData("--duration: '10q'", "--duration", "10q")]
    [InlineData("--json needs a file", "shop", "--json")]
    [InlineData("unknown option '--fast'", "--fast")]
    public void LabOptions_Mistake_NamesIt(string message, params string[] args)
    {
        Assert.Null(LabOptions.Parse(args, out string error));
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public void LabOptions_All_AreRead() => Assert.Equal(
        new LabOptions("shop", "a", "b", TimeSpan.FromSeconds(3), true), LabOptions.Parse(["shop", "--json", "a", "--rule", "b", "--duration", "3s", "--keep"], out _));
}
