using System.Buffers;
using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Telemetry;

public sealed class PrometheusTextTests
{
    [Fact]
    public void Labels_WithQuoteBackslashAndLineFeed_AreEscaped() =>
        Assert.Equal("""a="x\"y\\z\n",b="" """.TrimEnd(), PrometheusText.Labels(("a", "x\"y\\z\n"), ("b", "")));

    [Fact]
    public void Family_WithLineFeedInHelp_StaysOneLine() => Assert.Equal(
        "# HELP a x\\ny\n# TYPE a counter\na 1\n",
        Page(text =>
        {
            text.Family("a", StatType.Counter, "x\ny");
            text.Sample("a", "", 1);
        }));

    [Fact]
    public void Histogram_CountsCumulatively_AndAgreesWithItself()
    {
        Histogram histogram = new();
        foreach (double value in (double[])[0.5, 0.6, 1, 4_000_000])
        {
            histogram.Observe(value);
        }

        string[] lines = Page(text => text.Histogram("h", "a=\"b\"", histogram)).Split('\n');

        Assert.Equal("h_bucket{a=\"b\",le=\"0.5\"} 1", lines[0]);
        Assert.Equal("h_bucket{a=\"b\",le=\"1\"} 3", lines[1]);
        Assert.Equal("h_bucket{a=\"b\",le=\"3600000\"} 3", lines[18]);
        Assert.Equal("h_bucket{a=\"b\",le=\"+Inf\"} 4", lines[19]);
        Assert.Equal("h_sum{a=\"b\"} 4000002.1", lines[20]);
        Assert.Equal("h_count{a=\"b\"} 4", lines[21]);
    }

    [Fact]
    public void Pages_OfACluster_HaveEnvoysNamesAndLabels()
    {
        string page = Page(Pages(FilledCluster()).Write);

        Assert.Contains("\nenvoy_cluster_upstream_rq_pending_overflow{cluster_name=\"outbound|8080||products.default.svc.cluster.local\"} 2\n", page, StringComparison.Ordinal);
        Assert.Contains("\nenvoy_cluster_upstream_rq{envoy_response_code=\"503\",cluster_name=\"outbound|8080||products.default.svc.cluster.local\"} 3\n", page, StringComparison.Ordinal);
        Assert.Contains("\nenvoy_cluster_upstream_rq_xx{envoy_response_code_class=\"5\",cluster_name=\"outbound|8080||products.default.svc.cluster.local\"} 3\n", page, StringComparison.Ordinal);
        Assert.Contains("\nenvoy_cluster_circuit_breakers_default_cx_open{cluster_name=\"outbound|8080||products.default.svc.cluster.local\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("\nenvoy_cluster_circuit_breakers_default_remaining_pending{cluster_name=\"outbound|8080||products.default.svc.cluster.local\"} 5\n", page, StringComparison.Ordinal);
        Assert.Contains("\nenvoy_server_unexpected_exception_total 0\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Pages_HaveOneHeadPerFamily_BeforeItsSamples()
    {
        ClusterStatsView other = FilledCluster() with { Name = "outbound|80||other" };
        HashSet<string> heads = [];
        string? current = null;
        foreach (string line in Page(Pages(FilledCluster(), other).Write).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                current = line.Split(' ')[2];
                Assert.True(heads.Add(current), current);
            }
            else if (!line.StartsWith('#'))
            {
                Assert.Equal(current, line.Split('{', ' ')[0]);
            }
        }
    }

    [Fact]
    public void Lines_HaveEnvoysTextNames_InOrder()
    {
        List<StatLine> lines = [.. Pages(FilledCluster()).Lines()];

        Assert.Contains(new StatLine("cluster.outbound|8080||products.default.svc.cluster.local;.upstream_rq_pending_overflow", 2), lines);
        Assert.Contains(new StatLine("cluster.outbound|8080||products.default.svc.cluster.local;.upstream_rq_503", 3), lines);
        Assert.Contains(new StatLine("cluster.outbound|8080||products.default.svc.cluster.local;.upstream_rq_5xx", 3), lines);
        Assert.Equal(lines.Select(static l => l.Name).Order(StringComparer.Ordinal), lines.Select(static l => l.Name));
    }

    internal static string Page(Action<PrometheusText> write)
    {
        ArrayBufferWriter<byte> output = new();
        write(new PrometheusText(output));
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    internal static StatsPages Pages(params ClusterStatsView[] clusters) =>
        new(clusters, new ProxyStatsView(new ProxyStats(), IsLive: true, State: 0, UptimeSeconds: 7, Concurrency: 2));

    internal static ClusterStatsView FilledCluster()
    {
        ClusterStats stats = new();
        stats.RqPendingOverflow.Add(2);
        stats.RqPendingActive.Add(3);
        stats.CxActive.Add();
        for (int i = 0; i < 3; i++)
        {
            stats.RqByCode.Add(503);
        }

        return new ClusterStatsView("outbound|8080||products.default.svc.cluster.local", stats, new CircuitBreakerConfig(1, 8, 100, 3));
    }
}
