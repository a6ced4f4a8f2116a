using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>A route and the rule and place that it was written at.</summary>
internal sealed record PlacedRoute(HttpRoute Route, RuleDocument Rule, string Path)
{
    /// <summary><c>namespace/name#path</c>.</summary>
    public string Source => $"{Rule.Key.Namespace}/{Rule.Key.Name}#{Path}";
}

/// <summary>Puts the routes of delegates in the place of those that refer to them, one level deep (semantics 6.3). Pure.</summary>
internal static class DelegateExpansion
{
    /// <summary>The HTTP routes of <paramref name="root"/> in order, each with what it takes from the route that refers to it.</summary>
    public static IEnumerable<PlacedRoute> Expand(RuleDocument root, VirtualServiceTable table, List<(RuleKey, Diagnostic)> findings)
    {
        ImmutableArray<HttpRoute> routes = ((VirtualService)root.Spec).Http;
        for (int i = 0; i < routes.Length; i++)
        {
            PlacedRoute placed = new(routes[i], root, $"spec.http[{i}]");
            if (routes[i].Delegate is not { } reference)
            {
                yield return placed;
                continue;
            }

            string home = string.IsNullOrEmpty(reference.Namespace) ? root.Key.Namespace : reference.Namespace;
            if (table.FindDelegate(home, reference.Name ?? "", root.Key.Namespace) is not { } target)
            {
                findings.Add((root.Key, RuleSetCheck.Warning(
                    $"{placed.Path}.delegate",
                    $"no VirtualService '{reference.Name}' without hosts in namespace '{home}' is exported to '{root.Key.Namespace}'; the route is left out until there is one")));
                continue;
            }

            foreach (PlacedRoute joint in Join(placed, target, findings))
            {
                yield return joint;
            }
        }
    }

    private static IEnumerable<PlacedRoute> Join(PlacedRoute root, RuleDocument target, List<(RuleKey, Diagnostic)> findings)
    {
        ImmutableArray<HttpRoute> routes = ((VirtualService)target.Spec).Http;
        for (int i = 0; i < routes.Length; i++)
        {
            string path = $"spec.http[{i}]";
            if (DelegateMatch.Join(root.Route.Match, routes[i].Match) is { } matches)
            {
                yield return new PlacedRoute(Inherit(root, routes[i]) with { Match = matches }, target, path);
            }
            else
            {
                findings.Add((target.Key, RuleSetCheck.Warning(
                    $"{path}.match",
                    $"lies outside of what '{root.Rule.Key.Name}' in namespace '{root.Rule.Key.Namespace}' hands over at {root.Path}; a delegate's match must be part of it, so the route is left out")));
            }
        }
    }

    // What the delegate leaves open, the root decides. Hosts of the root's mirrors are written out, since a short name means the root's namespace.
    private static HttpRoute Inherit(PlacedRoute root, HttpRoute own)
    {
        HttpRoute over = root.Route;
        bool hasMirror = own.Mirror is not null || !own.Mirrors.IsEmpty;
        return own with
        {
            Name = string.Join('-', new[] { over.Name, own.Name }.Where(static n => !string.IsNullOrEmpty(n))),
            Rewrite = own.Rewrite ?? (own.Redirect is null && own.DirectResponse is null ? over.Rewrite : null),
            Timeout = own.Timeout ?? over.Timeout,
            Retries = own.Retries ?? over.Retries,
            Fault = own.Fault ?? (own.Redirect is null && own.DirectResponse is null ? over.Fault : null),
            CorsPolicy = own.CorsPolicy ?? over.CorsPolicy,
            Headers = Inherit(over.Headers, own.Headers),
            Mirror = hasMirror ? own.Mirror : Full(over.Mirror, root.Rule.Key.Namespace),
            Mirrors = hasMirror ? own.Mirrors : [.. over.Mirrors.Select(m => m with { Destination = Full(m.Destination, root.Rule.Key.Namespace) })],
            MirrorPercent = hasMirror ? own.MirrorPercent : over.MirrorPercent,
            MirrorPercentage = hasMirror ? own.MirrorPercentage : over.MirrorPercentage,
        };
    }

    private static Destination? Full(Destination? destination, string home) =>
        destination is null ? null : destination with { Host = HostMatch.Expand(destination.Host ?? "", home) };

    private static HeaderSettings? Inherit(HeaderSettings? over, HeaderSettings? own) => over is null || own is null
        ? own ?? over
        : new HeaderSettings { Request = Inherit(over.Request, own.Request), Response = Inherit(over.Response, own.Response) };

    private static HeaderOperations? Inherit(HeaderOperations? over, HeaderOperations? own) => over is null || own is null
        ? own ?? over
        : new HeaderOperations { Set = over.Set.SetItems(own.Set), Add = over.Add.SetItems(own.Add), Remove = [.. over.Remove.Union(own.Remove)] };
}
