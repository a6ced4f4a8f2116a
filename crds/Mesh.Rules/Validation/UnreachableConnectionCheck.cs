using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary><c>tls</c> and <c>tcp</c> routes that no connection can reach, as the rule alone shows; texts are Istio's. Warnings only.</summary>
internal static class UnreachableConnectionCheck
{
    public static void CheckTcp(ImmutableArray<TcpRoute> routes, Cursor at)
    {
        int catchAll = -1;
        for (int i = 0; i < routes.Length; i++)
        {
            if (catchAll >= 0)
            {
                at.Item(i).Warn($"virtualService rule #{i} not used (rule #{catchAll} before it takes every connection); move it up");
            }
            else if (routes[i].Match.IsEmpty || routes[i].Match.Any(IsAny))
            {
                catchAll = i;
            }
        }
    }

    public static void CheckTls(ImmutableArray<TlsRoute> routes, Cursor at)
    {
        for (int i = 1; i < routes.Length; i++)
        {
            for (int m = 0; m < routes[i].Match.Length; m++)
            {
                TlsMatch match = routes[i].Match[m];
                int earlier = routes.Take(i).TakeWhile(r => !r.Match.Any(e => Hides(e, match))).Count();
                if (earlier < i)
                {
                    at.Item(i).Field("match").Item(m).Warn($"virtualService rule #{i} match #{m} is not used (duplicate/overlapping match in rule #{earlier})");
                }
            }
        }
    }

    private static bool IsAny(ConnectionMatch match) =>
        match is { DestinationSubnets.IsEmpty: true, Port: null, SourceLabels.IsEmpty: true, SourceNamespace: null or "", Gateways.IsEmpty: true, SourceSubnet: null or "" };

    // The more exact name counts wherever it stands, so that only the very same names hide each other.
    private static bool Hides(TlsMatch earlier, TlsMatch later) =>
        later.SniHosts.All(name => earlier.SniHosts.Contains(name, StringComparer.OrdinalIgnoreCase))
        && earlier.DestinationSubnets.SequenceEqual(later.DestinationSubnets)
        && (earlier.Port is null || earlier.Port == later.Port)
        && earlier.SourceLabels.All(l => later.SourceLabels.Contains(l))
        && (string.IsNullOrEmpty(earlier.SourceNamespace) || earlier.SourceNamespace == later.SourceNamespace)
        && (earlier.Gateways.IsEmpty || earlier.Gateways.SequenceEqual(later.Gateways));
}
