using Mesh.Lab.Metrics;
using Mesh.Peers.Load;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;

namespace Mesh.Peers.World;

/// <summary>A proxy that runs.</summary>
/// <param name="peer">Which.</param>
/// <param name="place">Where it listens.</param>
/// <param name="process">Its process.</param>
/// <param name="http">Client for its metrics.</param>
/// <param name="startTime">Start to first answer.</param>
internal sealed class RunningPeer(IPeer peer, PeerPlace place, PinnedProcess process, HttpClient http, TimeSpan startTime) : IAsyncDisposable
{
    private const string AllocatedBytes = "mesh_gc_allocated_bytes_total";

    /// <summary>Which.</summary>
    public IPeer Peer => peer;

    /// <summary>Where it listens.</summary>
    public PeerPlace Place => place;

    /// <summary>Its process.</summary>
    public PinnedProcess Process => process;

    /// <summary>Start to first answer.</summary>
    public TimeSpan StartTime => startTime;

    /// <summary>Where load goes.</summary>
    public LoadTarget Target { get; } = new(place.Port);

    /// <summary>Managed bytes allocated since the start; null when it does not tell.</summary>
    public async Task<long?> AllocatedAsync(CancellationToken stop)
    {
        if (peer.MetricsPath is not { } path)
        {
            return null;
        }

        List<PrometheusSample> page = PrometheusPage.Parse(await http.GetStringAsync(new Uri($"http://127.0.0.1:{place.MetricsPort}{path}"), stop));
        foreach (PrometheusSample sample in page)
        {
            if (sample.Name == AllocatedBytes)
            {
                return (long)sample.Value;
            }
        }

        return null;
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();
}
