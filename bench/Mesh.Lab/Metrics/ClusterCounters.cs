namespace Mesh.Lab.Metrics;

/// <summary>The statistics of one cluster at one instant, by Envoy's names with underscores (<c>upstream_rq_pending_total</c>).</summary>
/// <param name="values">Values by name.</param>
internal sealed class ClusterCounters(IReadOnlyDictionary<string, long> values)
{
    private const string Prefix = "envoy_cluster_";

    /// <summary>The value; zero when the page has no such statistic.</summary>
    public long this[string name] => values.GetValueOrDefault(name);

    /// <summary>Whether the page had the cluster at all.</summary>
    public bool IsPresent => values.Count > 0;

    /// <summary>Takes one cluster's statistics from a page.</summary>
    public static ClusterCounters From(IEnumerable<PrometheusSample> page, string cluster)
    {
        Dictionary<string, long> values = new(StringComparer.Ordinal);
        foreach (PrometheusSample sample in page)
        {
            // Samples with more labels (by code, by bucket) are other statistics of the same name.
            if (sample.Name.StartsWith(Prefix, StringComparison.Ordinal)
                && sample.Labels.Count == 1 && sample.Labels.GetValueOrDefault("cluster_name")?.TrimEnd(';') == cluster)
            {
                values[sample.Name[Prefix.Length..]] = (long)sample.Value;
            }
        }

        return new ClusterCounters(values);
    }

    /// <summary>What was added since <paramref name="before"/>.</summary>
    public ClusterCounters Since(ClusterCounters before) =>
        new(values.ToDictionary(static v => v.Key, v => v.Value - before[v.Key], StringComparer.Ordinal));
}
