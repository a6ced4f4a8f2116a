namespace Mesh.Proxy.Telemetry;

/// <summary>One line of the <c>/stats</c> page.</summary>
/// <param name="Name">Full name: <c>cluster.&lt;name&gt;;.upstream_rq_total</c>.</param>
/// <param name="Value">Value.</param>
public sealed record StatLine(string Name, long Value);

/// <summary>All statistics at one instant, as Envoy's text lines or as Prometheus families. Made per page; reads live counters.</summary>
/// <param name="clusters">Clusters.</param>
/// <param name="process">The process.</param>
public sealed class StatsPages(IReadOnlyCollection<ClusterStatsView> clusters, ProxyStatsView process)
{
    private readonly List<ClusterStatsView> _clusters = [.. clusters.OrderBy(static c => c.Name, StringComparer.Ordinal)];

    private IEnumerable<(string Side, DownstreamStats Stats)> Sides =>
        [("inbound", process.Stats.Inbound), ("outbound", process.Stats.Outbound)];

    /// <summary>Every statistic by its full name, ordered by name.</summary>
    public IEnumerable<StatLine> Lines()
    {
        List<StatLine> lines = [];
        foreach (ClusterStatsView cluster in _clusters)
        {
            string scope = $"cluster.{cluster.Name};.";
            lines.AddRange(ClusterStatRows.Of(cluster.Stats).Select(row => new StatLine(scope + row.Name, row.Read(cluster))));
            lines.AddRange(Codes(cluster).Select(code => new StatLine($"{scope}upstream_rq_{code.Code}", code.Count)));
            lines.AddRange(RetriedCodes(cluster).Select(code => new StatLine($"{scope}retry.upstream_rq_{code.Code}", code.Count)));
            lines.AddRange(Classes(cluster).Select(code => new StatLine($"{scope}upstream_rq_{code.Code}xx", code.Count)));
        }

        foreach (RouteStatsView route in process.Stats.Routes.All)
        {
            string scope = $"vhost.{route.VirtualHost}.route.{route.Prefix}.";
            lines.AddRange(RouteStatRows.All.Select(row => new StatLine(scope + row.Name, row.Read(route))));
            lines.AddRange(Codes(route.Stats.RqByCode).Select(code => new StatLine($"{scope}upstream_rq_{code.Code}", code.Count)));
            lines.AddRange(Classes(route.Stats.RqByCode).Select(code => new StatLine($"{scope}upstream_rq_{code.Code}xx", code.Count)));
        }

        foreach ((string side, DownstreamStats stats) in Sides)
        {
            lines.AddRange(ProxyStatRows.Downstream.Select(row => new StatLine($"http.{side}.{row.Name}", row.Read(stats))));
        }

        lines.AddRange(ProxyStatRows.Server.Select(row => new StatLine($"server.{row.Name}", row.Read(process))));
        return lines.OrderBy(static l => l.Name, StringComparer.Ordinal);
    }

    /// <summary>Writes every statistic as Prometheus families.</summary>
    public void Write(PrometheusText text)
    {
        WriteClusters(text, ClusterStatRows.All, _clusters);
        WriteClusters(text, ClusterStatRows.RateLimit, [.. _clusters.Where(static c => c.Stats.RateLimit is not null)]);
        WriteClusters(text, ClusterStatRows.Breaker, [.. _clusters.Where(static c => c.Stats.Breaker is not null)]);
        WriteClusters(text, ClusterStatRows.Concurrency, [.. _clusters.Where(static c => c.Stats.Concurrency is not null)]);
        WriteClusters(text, ClusterStatRows.Fallback, [.. _clusters.Where(static c => c.Stats.Fallback is not null)]);
        WriteClusters(text, ShadowStatRows.All, [.. _clusters.Where(static c => c.Stats.Shadow is not null)]);

        WriteCodes(text, "envoy_cluster_upstream_rq", "Responses by code, local replies included", "envoy_response_code", Codes);
        WriteCodes(text, "envoy_cluster_retry_upstream_rq", "Responses by code that a retry took the place of", "envoy_response_code", RetriedCodes);
        WriteCodes(text, "envoy_cluster_upstream_rq_xx", "Responses by class of code, local replies included", "envoy_response_code_class", Classes);
        WriteRoutes(text);
        foreach (StatRow<DownstreamStats> row in ProxyStatRows.Downstream)
        {
            string name = "envoy_http_" + row.PrometheusName;
            text.Family(name, row.Type, row.Help);
            foreach ((string side, DownstreamStats stats) in Sides)
            {
                text.Sample(name, PrometheusText.Labels(("envoy_http_conn_manager_prefix", side)), row.Read(stats));
            }
        }

        foreach (StatRow<ProxyStatsView> row in ProxyStatRows.Server)
        {
            string name = "envoy_server_" + row.PrometheusName;
            text.Family(name, row.Type, row.Help);
            text.Sample(name, "", row.Read(process));
        }
    }

    private void WriteRoutes(PrometheusText text)
    {
        List<RouteStatsView> routes = [.. process.Stats.Routes.All];
        if (routes.Count == 0)
        {
            return;
        }

        foreach (StatRow<RouteStatsView> row in RouteStatRows.All)
        {
            string name = "envoy_vhost_route_" + row.PrometheusName;
            text.Family(name, row.Type, row.Help);
            routes.ForEach(r => text.Sample(name, PrometheusText.Labels(("envoy_virtual_host", r.VirtualHost), ("envoy_route", r.Prefix)), row.Read(r)));
        }

        const string Name = "envoy_vhost_route_upstream_rq";
        text.Family(Name, StatType.Counter, "Responses of the route by code, local replies included");
        foreach (RouteStatsView route in routes)
        {
            foreach ((int code, long count) in Codes(route.Stats.RqByCode))
            {
                text.Sample(Name, PrometheusText.Labels(("envoy_response_code", $"{code}"), ("envoy_virtual_host", route.VirtualHost), ("envoy_route", route.Prefix)), count);
            }
        }
    }

    private void WriteCodes(PrometheusText text, string name, string help, string label, Func<ClusterStatsView, IEnumerable<(int Code, long Count)>> read)
    {
        List<(string Labels, long Count)> samples =
        [
            .. from cluster in _clusters
               from code in read(cluster)
               select (PrometheusText.Labels((label, $"{code.Code}"), ("cluster_name", cluster.Name)), code.Count),
        ];
        if (samples.Count > 0)
        {
            text.Family(name, StatType.Counter, help);
            samples.ForEach(s => text.Sample(name, s.Labels, s.Count));
        }
    }

    private static void WriteClusters(PrometheusText text, IEnumerable<StatRow<ClusterStatsView>> rows, List<ClusterStatsView> clusters)
    {
        foreach (StatRow<ClusterStatsView> row in clusters.Count == 0 ? [] : rows)
        {
            string name = "envoy_cluster_" + row.PrometheusName;
            text.Family(name, row.Type, row.Help);
            clusters.ForEach(c => text.Sample(name, PrometheusText.Labels(("cluster_name", c.Name)), row.Read(c)));
        }
    }

    private static IEnumerable<(int Code, long Count)> Codes(ClusterStatsView cluster) => Codes(cluster.Stats.RqByCode);

    private static IEnumerable<(int Code, long Count)> RetriedCodes(ClusterStatsView cluster) => Codes(cluster.Stats.RetryRqByCode);

    private static IEnumerable<(int Code, long Count)> Codes(CodeCounters counters) =>
        from code in Enumerable.Range(100, 500)
        let count = counters[code]
        where count > 0
        select (code, count);

    private static IEnumerable<(int Code, long Count)> Classes(ClusterStatsView cluster) => Classes(cluster.Stats.RqByCode);

    private static IEnumerable<(int Code, long Count)> Classes(CodeCounters counters) =>
        from hundreds in Enumerable.Range(1, 5)
        let count = counters.Class(hundreds)
        where count > 0
        select (hundreds, count);
}
