using System.Net;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>What routes look at of a connection.</summary>
/// <param name="ServerName">Server that its client asks for by TLS, in lower case; null when it named none.</param>
/// <param name="Destination">Address that was called; null when it is not known.</param>
/// <param name="Caller">Address of the client; null when it is not known.</param>
internal readonly record struct ConnectionView(string? ServerName, IPAddress? Destination, IPAddress? Caller);

/// <summary>
/// Routes of one TCP listener, indexed by server name. As in Envoy's filter chains the narrowest destination counts before the most exact name (a name, then the longest
/// <c>*.suffix</c>, then <c>*</c>, then no name at all); of what is left, the first. Immutable; a lookup allocates nothing.
/// </summary>
internal sealed class ConnectionRoutes
{
    private const int LongestName = 255;
    private readonly Dictionary<string, ConnectionRouteConfig[]> _byName;

    public ConnectionRoutes(IEnumerable<ConnectionRouteConfig> routes) =>
        _byName = routes.GroupBy(static r => r.ServerName, StringComparer.Ordinal).ToDictionary(static g => g.Key, static g => g.ToArray(), StringComparer.Ordinal);

    /// <summary>The route for a connection, or null.</summary>
    public ConnectionRouteConfig? Find(in ConnectionView view)
    {
        ConnectionRouteConfig? best = null;
        if (_byName.Count == 0)
        {
            return best;
        }

        if (view.ServerName is { Length: > 0 and <= LongestName } name)
        {
            Dictionary<string, ConnectionRouteConfig[]>.AlternateLookup<ReadOnlySpan<char>> lookup = _byName.GetAlternateLookup<ReadOnlySpan<char>>();
            Span<char> key = stackalloc char[LongestName + 1];
            key = key[..(name.Length + 1)];
            name.CopyTo(key[1..]);
            Consider(lookup, key[1..], view, ref best);
            for (int dot = NextDot(key, 1); dot > 0; dot = NextDot(key, dot)) // a star stands for one letter at least
            {
                key[dot - 1] = '*'; // overwrites the last letter of the label that the star stands for
                Consider(lookup, key[(dot - 1)..], view, ref best);
            }

            Consider(lookup, "*", view, ref best);
        }

        Consider(_byName.GetValueOrDefault(""), view, ref best);
        return best;
    }

    private static int NextDot(ReadOnlySpan<char> name, int dot) => name[(dot + 1)..].IndexOf('.') is >= 0 and int next ? dot + 1 + next : -1;

    private static void Consider(
        Dictionary<string, ConnectionRouteConfig[]>.AlternateLookup<ReadOnlySpan<char>> lookup, ReadOnlySpan<char> name, in ConnectionView view, ref ConnectionRouteConfig? best)
    {
        if (lookup.TryGetValue(name, out ConnectionRouteConfig[]? routes))
        {
            Consider(routes, view, ref best);
        }
    }

    private static void Consider(ConnectionRouteConfig[]? routes, in ConnectionView view, ref ConnectionRouteConfig? best)
    {
        foreach (ConnectionRouteConfig route in routes ?? [])
        {
            if (IsWithin(route.Destination, view.Destination) && IsWithin(route.Caller, view.Caller) && (best is null || Length(route) > Length(best)))
            {
                best = route;
            }
        }
    }

    private static int Length(ConnectionRouteConfig route) => route.Destination?.PrefixLength ?? -1;

    private static bool IsWithin(IPNetwork? block, IPAddress? address) => block is not { } network || (address is not null && network.Contains(address));
}
