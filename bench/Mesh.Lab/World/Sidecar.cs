using System.Net;
using Mesh.Lab.Metrics;
using Mesh.Lab.Processes;

namespace Mesh.Lab.World;

/// <summary>A running sidecar: its addresses, and its pages as values.</summary>
/// <param name="Name">Node id.</param>
/// <param name="Process">The process.</param>
/// <param name="Outbound">Proxy for the application's calls.</param>
/// <param name="Inbound">Where peers reach the application.</param>
/// <param name="Admin">Admin pages.</param>
/// <param name="Log">Access log.</param>
/// <param name="Http">Client for the pages.</param>
internal sealed record Sidecar(string Name, ChildProcess Process, Uri Outbound, Uri Inbound, Uri Admin, AccessLogFile Log, HttpClient Http)
{
    /// <summary>The address by which other sidecars know this one's application: <c>ip:port</c>.</summary>
    public string Endpoint => Inbound.Authority;

    /// <summary>A line for a person: where it listens.</summary>
    public string Addresses => $"{Name,-16}  inbound {Inbound}  outbound {Outbound}  admin {Admin}";

    /// <summary>Statistics of one cluster now.</summary>
    public async Task<ClusterCounters> CountersAsync(string cluster, CancellationToken stop) =>
        ClusterCounters.From(PrometheusPage.Parse(await Http.GetStringAsync(new Uri(Admin, "/stats/prometheus"), stop)), cluster);

    /// <summary>How many configurations it has put in force.</summary>
    public async Task<long> ConfigsAppliedAsync(CancellationToken stop) =>
        (long)PrometheusPage.Parse(await Http.GetStringAsync(new Uri(Admin, "/stats/prometheus"), stop)).Single(static s => s.Name == "envoy_server_config_applied_total").Value;

    /// <summary>Limits and endpoints of one cluster now; null when the sidecar does not have it.</summary>
    public async Task<ClusterState?> ClusterAsync(string cluster, CancellationToken stop) =>
        ClusterState.Parse(await Http.GetStringAsync(new Uri(Admin, "/clusters?format=json"), stop), cluster);

    /// <summary>The last ejections and returns.</summary>
    public async Task<List<EjectionLine>> EjectionsAsync(CancellationToken stop) =>
        EjectionLine.Parse(await Http.GetStringAsync(new Uri(Admin, "/outlier_events"), stop));

    /// <summary>Whether it has rules in force.</summary>
    public async Task<bool> IsReadyAsync(CancellationToken stop)
    {
        using HttpResponseMessage answer = await Http.GetAsync(new Uri(Admin, "/ready"), stop);
        return answer.StatusCode == HttpStatusCode.OK;
    }
}
