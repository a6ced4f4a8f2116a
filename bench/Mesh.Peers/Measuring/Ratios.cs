using Mesh.Peers.Peers;

namespace Mesh.Peers.Measuring;

/// <summary>
/// The sidecar's CPU per request divided by that of a peer, round by round: both had their turn within the same minute, so what disturbed one
/// disturbed the other. The median round counts, in the worst of the cases that count.
/// </summary>
internal static class Ratios
{
    private static readonly LoadCase[] Counting = [new(1024, 16), new(1024, 64)];

    /// <summary>Ratio to each peer that is a proxy and ran the same case.</summary>
    public static IReadOnlyDictionary<string, double> Of(IReadOnlyCollection<CaseResult> results)
    {
        Dictionary<string, double> ratios = [];
        foreach (CaseResult peer in results.Where(static r => Counting.Contains(r.Case)))
        {
            if (To(peer, results) is { } ratio)
            {
                ratios[peer.Peer] = Math.Max(ratio.Median, ratios.GetValueOrDefault(peer.Peer));
            }
        }

        return ratios;
    }

    /// <summary>Ratio to one peer in its case; null for the sidecar itself, for a peer that used no time, and when the sidecar did not run the case.</summary>
    public static Summary? To(CaseResult peer, IReadOnlyCollection<CaseResult> results)
    {
        CaseResult? own = results.FirstOrDefault(r => r.Peer == SidecarPeer.PeerName && r.Case == peer.Case);
        if (own is null || own.Peer == peer.Peer || peer.Samples.Any(static s => s.CpuMicros <= 0))
        {
            return null;
        }

        return Summary.Of(own.Samples.Zip(peer.Samples, static (ours, theirs) => ours.CpuMicros / theirs.CpuMicros));
    }
}
