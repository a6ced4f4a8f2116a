using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Resolution;

/// <summary>Subsets and delegates that a virtual service names and no rule defines. Legal, since the rule may come later. Pure.</summary>
internal static class VirtualServiceReferences
{
    /// <summary>Warnings about <paramref name="rule"/> among <paramref name="all"/> rules.</summary>
    public static IEnumerable<Diagnostic> Check(RuleDocument rule, IReadOnlyCollection<RuleDocument> all)
    {
        VirtualService spec = (VirtualService)rule.Spec;
        foreach ((Destination? destination, string path) in DestinationsOf(spec))
        {
            if (destination is { Host: { } host, Subset: { Length: > 0 } subset } && SubsetsOf(HostMatch.Expand(host, rule.Key.Namespace), all) is var known && !known.Contains(subset))
            {
                yield return RuleSetCheck.Warning(
                    $"{path}.subset",
                    $"no DestinationRule for '{host}' defines subset '{subset}'{Suggestion.For(subset, known)}; until one does, what is sent there is answered 503 (NC, no cluster)");
            }
        }

        for (int i = 0; i < spec.Http.Length; i++)
        {
            if (spec.Http[i].Delegate is { Name: { } name } reference && !IsThere(name, string.IsNullOrEmpty(reference.Namespace) ? rule.Key.Namespace : reference.Namespace, all))
            {
                yield return RuleSetCheck.Warning($"spec.http[{i}].delegate", $"there is no VirtualService '{name}' without hosts; until there is, the route is left out");
            }
        }
    }

    /// <summary>Destinations of every route and mirror, with their places.</summary>
    public static IEnumerable<(Destination? Destination, string Path)> DestinationsOf(VirtualService spec) =>
    [
        .. spec.Http.SelectMany(static (r, i) => r.Route.Select((d, j) => (d.Destination, $"spec.http[{i}].route[{j}].destination"))),
        .. spec.Http.Select(static (r, i) => (r.Mirror, $"spec.http[{i}].mirror")),
        .. spec.Http.SelectMany(static (r, i) => r.Mirrors.Select((m, j) => (m.Destination, $"spec.http[{i}].mirrors[{j}].destination"))),
        .. spec.Tls.SelectMany(static (r, i) => r.Route.Select((d, j) => (d.Destination, $"spec.tls[{i}].route[{j}].destination"))),
        .. spec.Tcp.SelectMany(static (r, i) => r.Route.Select((d, j) => (d.Destination, $"spec.tcp[{i}].route[{j}].destination"))),
    ];

    /// <summary>Subsets of a host in the rules of every namespace: which rule a caller obeys depends on the caller.</summary>
    public static HashSet<string> SubsetsOf(string host, IEnumerable<RuleDocument> all) =>
    [
        .. from rule in all
           let spec = rule.Spec as DestinationRule
           where spec is not null && !rule.IsShadow && HostMatch.Expand(spec.Host ?? "", rule.Key.Namespace) is var pattern && (pattern == host || HostMatch.Matches(pattern, host))
           from subset in spec.Subsets
           select subset.Name ?? "",
    ];

    private static bool IsThere(string name, string home, IEnumerable<RuleDocument> all) =>
        all.Any(r => r.Key.Name == name && r.Key.Namespace == home && r.Spec is VirtualService { IsDelegate: true });
}
