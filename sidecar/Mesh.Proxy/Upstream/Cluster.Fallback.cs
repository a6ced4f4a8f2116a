using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// The fallback of a cluster: null unless a rule asks for one, so that others pay one look.
public sealed partial class Cluster
{
    private volatile Fallback? _fallback;

    /// <summary>Good answers that are kept for a fallback.</summary>
    public int FallbackEntries => _fallback?.LastGood?.Entries ?? 0;

    /// <summary>Bytes that they take.</summary>
    public long FallbackBytes => _fallback?.LastGood?.Bytes ?? 0;

    /// <summary>The fallback, or null.</summary>
    internal Fallback? Fallback => _fallback;

    private void UpdateFallback(FallbackConfig? next)
    {
        Fallback? last = _fallback;
        if (next != last?.Config)
        {
            Stats.Fallback ??= next is null ? null : new FallbackStats();
            _fallback = next is null ? null : new Fallback(next, Services.Runtime.Time.TimestampFrequency, last);
        }
    }
}
