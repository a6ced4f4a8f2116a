using System.Text.Json;

namespace Mesh.Lab.Metrics;

/// <summary>An endpoint as <c>/clusters?format=json</c> shows it.</summary>
internal sealed record EndpointState(string Address, string HealthFlags)
{
    /// <summary>Whether outlier detection has taken it out of the rotation.</summary>
    public bool IsEjected => HealthFlags.Contains("failed_outlier_check", StringComparison.Ordinal);
}

/// <summary>A cluster as <c>/clusters?format=json</c> shows it: limits in force, endpoints.</summary>
internal sealed record ClusterState(long MaxConnections, long MaxPendingRequests, IReadOnlyList<EndpointState> Endpoints)
{
    /// <summary>Finds one cluster; null when the page has none of this name.</summary>
    public static ClusterState? Parse(string page, string cluster)
    {
        using JsonDocument json = JsonDocument.Parse(page);
        foreach (JsonElement status in json.RootElement.GetProperty("cluster_statuses").EnumerateArray())
        {
            if (status.GetProperty("name").GetString() == cluster)
            {
                JsonElement limits = status.GetProperty("circuit_breakers").GetProperty("thresholds")[0];
                return new ClusterState(
                    limits.GetProperty("max_connections").GetInt64(),
                    limits.GetProperty("max_pending_requests").GetInt64(),
                    [.. status.GetProperty("host_statuses").EnumerateArray().Select(static host =>
                        new EndpointState(host.GetProperty("address").GetString()!, host.GetProperty("health_flags").GetString()!))]);
            }
        }

        return null;
    }
}
