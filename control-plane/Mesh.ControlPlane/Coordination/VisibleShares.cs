using System.Collections.Immutable;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// What a sidecar can have seen: a rule holds for it in its own namespace, in that of the service that it calls, or in the root namespace. What it says of another's rule is dropped,
/// or any workload of the mesh could open a circuit that only others share. Rules that are not known here are left to who decides. Thread-safe.
/// </summary>
/// <param name="store">The rules.</param>
internal sealed class VisibleShares(IRuleStore store)
{
    private volatile Entries _entries = new(ImmutableDictionary<RuleKey, StoredRule>.Empty, []);

    /// <summary>The report without what the sidecar of that namespace cannot know; the same object where all is well.</summary>
    public SidecarReport Of(SidecarReport report, string clientNamespace) =>
        report.Circuits.All(c => IsFor(c.Rule, c.Cluster, clientNamespace)) && report.Limits.All(l => IsFor(l.Rule, l.Cluster, clientNamespace))
            ? report
            : report with
            {
                Circuits = report.Circuits.RemoveAll(c => !IsFor(c.Rule, c.Cluster, clientNamespace)),
                Limits = report.Limits.RemoveAll(l => !IsFor(l.Rule, l.Cluster, clientNamespace)),
            };

    // Asked for tens of thousands of times a second: nothing is allocated where all is well.
    private bool IsFor(string rule, string cluster, string clientNamespace)
    {
        (int first, int last) = (rule.IndexOf('/', StringComparison.Ordinal), rule.LastIndexOf('/'));
        ReadOnlySpan<char> space = first < last ? rule.AsSpan((first + 1)..last) : default;
        return first == last || space.Contains('/') || space.SequenceEqual(clientNamespace) || space.SequenceEqual(RuleSet.RootNamespace)
            || IsServiceOf(cluster[(cluster.LastIndexOf('|') + 1)..], space.ToString(), clientNamespace);
    }

    // An entry may give a host a name inside the mesh's domain too: then it is the entry's namespace that counts at the sidecar.
    private bool IsServiceOf(string host, string space, string clientNamespace)
    {
        string[] labels = host.Split('.');
        return (HostMatch.IsService(labels) && labels[1] == space)
            || (Known().ByHost.TryGetValue((space, host), out ImmutableArray<ServiceEntry> entries) && entries.Any(e => RuleSet.IsVisible(e.ExportTo, space, clientNamespace)));
    }

    private Entries Known()
    {
        Entries known = _entries;
        ImmutableDictionary<RuleKey, StoredRule> rules = store.Current.Rules;
        if (!ReferenceEquals(known.Rules, rules))
        {
            Dictionary<(string Namespace, string Host), ImmutableArray<ServiceEntry>> byHost = [];
            foreach (StoredRule rule in rules.Values)
            {
                foreach (string host in rule.Document.Spec is ServiceEntry entry ? entry.Hosts : [])
                {
                    (string, string) key = (rule.Key.Namespace, host.ToLowerInvariant());
                    byHost[key] = byHost.GetValueOrDefault(key, []).Add((ServiceEntry)rule.Document.Spec);
                }
            }

            _entries = known = new Entries(rules, byHost);
        }

        return known;
    }

    private sealed record Entries(ImmutableDictionary<RuleKey, StoredRule> Rules, Dictionary<(string Namespace, string Host), ImmutableArray<ServiceEntry>> ByHost);
}
