using Mesh.Peers.Peers;

namespace Mesh.Peers.Measuring;

/// <summary>The sidecar's CPU per request divided by that of a peer: medians, in the worst of the cases that count.</summary>
internal static class Ratios
{
    private static readonly LoadCase[] Counting = [new(1024, 16), new(1024, 64)];

    /// <summary>Ratio to each peer that is a proxy and ran the same case.</summary>
    public static IReadOnlyDictionary<string, double> Of(IReadOnlyCollection<CaseResult> results)
    {
        Dictionary<string, double> ratios = [];
        foreach (CaseResult peer in results.Where(static r => r.Peer is not (SidecarPeer.PeerName or "direct") && Counting.Contains(r.Case)))
        {
            if (To(peer, results) is { } ratio)
            {
                ratios[peer.Peer] = Math.Max(ratio, ratios.GetValueOrDefault(peer.Peer));
            }
        }

        return ratios;
    }

    /// <summary>Ratio to one peer in its case; null when one of the two used no time, or the sidecar did not run it.</summary>
    public static double? To(CaseResult peer, IReadOnlyCollection<CaseResult> results)
    {
        CaseResult? own = results.FirstOrDefault(r => r.Peer == SidecarPeer.PeerName && r.Case == peer.Case);
        double theirs = peer.Of(static s => s.CpuMicros).Median;
        return own is null || theirs <= 0 ? null : own.Of(static s => s.CpuMicros).Median / theirs;
    }
}
