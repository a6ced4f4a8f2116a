using System.Collections.Immutable;
using Mesh.Rules.Advice;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Resolution;

/// <summary>All accepted rules, indexed for lookup by namespace and host. Immutable.</summary>
public sealed class RuleSet
{
    /// <summary>Namespace whose exported rules apply where no nearer one does.</summary>
    public const string RootNamespace = "istio-system";

    private readonly ImmutableDictionary<string, NamespaceRules> _byNamespace;
    private readonly ImmutableDictionary<string, NamespaceRules> _shadows; // destination rules in shadow mode, which stand in nobody's way
    private readonly RuleDocument[] _entries; // as they came: what the next set is compared with
    private readonly RuleDocument[] _others; // neither destination rules nor service entries
    private readonly ImmutableDictionary<string, ImmutableArray<RuleDocument>> _workloads; // and the workload entries, by namespace

    private RuleSet(RuleDocument[] destinations, RuleDocument[] entries, RuleDocument[] others, RuleSet? previous)
    {
        _byNamespace = ByNamespace(destinations.Where(static r => !r.IsShadow), previous?._byNamespace);
        _shadows = ByNamespace(destinations.Where(static r => r.IsShadow), previous?._shadows);
        _entries = IsSame(entries, previous?._entries) ? previous!._entries : entries;
        _others = IsSame(others, previous?._others) ? previous!._others : others;
        ServiceEntries = previous is not null && ReferenceEquals(_entries, previous._entries) ? previous.ServiceEntries : [.. InOrder(entries)];
        Policies = HostPolicies.Create(others, previous?.Policies);
        bool sameOthers = previous is not null && HasSameOthers(previous);
        VirtualServices = sameOthers ? previous!.VirtualServices : [.. VirtualServiceTable.InOrder(others.Where(static r => r.Spec is VirtualService))];
        Sidecars = sameOthers ? previous!.Sidecars : new SidecarTable(others);
        _workloads = sameOthers ? previous!._workloads : others.Where(static r => r.Spec is WorkloadEntry)
            .GroupBy(static r => r.Key.Namespace, StringComparer.Ordinal).ToImmutableDictionary(static g => g.Key, static g => g.ToImmutableArray());
    }

    /// <summary>Advice about each rule that needs its service entries; worked out once.</summary>
    internal Lazy<ImmutableArray<(RuleDocument Rule, Diagnostic Finding)>> Advice { get; private set; } = new([]);

    // Each document with its advice; null until asked for.
    private Dictionary<RuleDocument, Diagnostic[]>? Advised { get; set; }

    /// <summary>Policies of our own kinds.</summary>
    internal HostPolicies Policies { get; }

    /// <summary>Service entries, oldest first.</summary>
    public ImmutableArray<RuleDocument> ServiceEntries { get; }

    /// <summary>Sidecar resources.</summary>
    internal SidecarTable Sidecars { get; }

    /// <summary>Virtual services, oldest first: by creation, name, namespace (semantics 6.1). Delegates among them.</summary>
    public ImmutableArray<RuleDocument> VirtualServices { get; }

    /// <summary>Indexes <paramref name="rules"/>; what came out of the same documents in <paramref name="previous"/> is taken over as it is, so that it can be told by its identity.</summary>
    public static RuleSet Create(IEnumerable<RuleDocument> rules, RuleSet? previous = null)
    {
        RuleDocument[] all = [.. rules];
        RuleDocument[] others = [.. all.Where(static r => r.Spec is not (DestinationRule or ServiceEntry))];
        RuleSet next = new([.. all.Where(static r => r.Spec is DestinationRule)], [.. all.Where(static r => r.Spec is ServiceEntry)], others, previous);
        Dictionary<RuleDocument, Diagnostic[]>? advised = previous is not null && ReferenceEquals(next._entries, previous._entries) ? previous.Advised : null;
        bool sameRoutes = previous is not null && next.HasSameOthers(previous);
        next.Advice = new(() => next.Advise(all, advised, sameRoutes));
        return next;
    }

    /// <summary>Whether all rules but destination rules and service entries are those of <paramref name="other"/>: what routes are made of.</summary>
    internal bool HasSameOthers(RuleSet other) => ReferenceEquals(_others, other._others);

    /// <summary>Whether two lists hold the same objects in the same order.</summary>
    internal static bool IsSame(RuleDocument[] now, RuleDocument[]? before) =>
        before is not null && new ReadOnlySpan<RuleDocument>(now).SequenceEqual(before, ReferenceEqualityComparer.Instance);

    private static IEnumerable<RuleDocument> InOrder(IEnumerable<RuleDocument> entries) => entries
        .OrderBy(static r => r.CreationTimestamp ?? DateTimeOffset.MaxValue)
        .ThenBy(static r => r.Key.Namespace, StringComparer.Ordinal)
        .ThenBy(static r => r.Key.Name, StringComparer.Ordinal);

    private ImmutableArray<(RuleDocument Rule, Diagnostic Finding)> Advise(RuleDocument[] rules, Dictionary<RuleDocument, Diagnostic[]>? known, bool sameRoutes)
    {
        ExternalHosts hosts = new(rules);
        Advised = new(rules.Length, ReferenceEqualityComparer.Instance);
        foreach (RuleDocument rule in rules)
        {
            Diagnostic[]? same = known is not null && IsAdvisedByEntries(rule, sameRoutes) ? known.GetValueOrDefault(rule) : null;
            Advised.Add(rule, same ?? [.. RuleAdvice.Check(rule, hosts)]);
        }

        return [.. rules.SelectMany(r => Advised[r], static (r, finding) => (r, finding))];
    }

    // What is said of an entry depends on the routes that lead to it, what is said of a policy on everything.
    private static bool IsAdvisedByEntries(RuleDocument rule, bool sameRoutes) => rule.Spec switch
    {
        DestinationRule or VirtualService or WorkloadEntry => true,
        ServiceEntry => sameRoutes,
        _ => false,
    };

    /// <summary>Whether something with this exportTo, in <paramref name="ownNamespace"/>, is visible in <paramref name="clientNamespace"/>.</summary>
    public static bool IsVisible(ImmutableArray<string> exportTo, string ownNamespace, string clientNamespace) =>
        exportTo.IsEmpty || exportTo.Contains("*") || exportTo.Contains(clientNamespace) || (ownNamespace == clientNamespace && exportTo.Contains("."));

    /// <summary>The merged rules of a namespace; empty when it has none.</summary>
    internal NamespaceRules Of(string ruleNamespace) => _byNamespace.GetValueOrDefault(ruleNamespace, NamespaceRules.Empty);

    /// <summary>The merged rules of a namespace that are in shadow mode.</summary>
    internal NamespaceRules ShadowsOf(string ruleNamespace) => _shadows.GetValueOrDefault(ruleNamespace, NamespaceRules.Empty);

    /// <summary>Whether any destination rule is in shadow mode.</summary>
    internal bool HasShadows => !_shadows.IsEmpty;

    /// <summary>WorkloadEntries of a namespace, in no order.</summary>
    internal ImmutableArray<RuleDocument> WorkloadsOf(string ownNamespace) => _workloads.GetValueOrDefault(ownNamespace, []);

    /// <summary>Merged rules of every namespace and host, and apart from them those in shadow mode.</summary>
    internal IEnumerable<ImmutableArray<EffectiveRule>> AllHosts() => _byNamespace.Values.Concat(_shadows.Values).SelectMany(static n => n.Hosts);

    private static ImmutableDictionary<string, NamespaceRules> ByNamespace(IEnumerable<RuleDocument> rules, ImmutableDictionary<string, NamespaceRules>? previous) => rules
        .GroupBy(static r => r.Key.Namespace)
        .ToImmutableDictionary(static g => g.Key, g => NamespaceRules.Create(g.Key, g, previous?.GetValueOrDefault(g.Key)));
}

/// <summary>Merged destination rules of one namespace, the most specific host first.</summary>
internal sealed class NamespaceRules
{
    private readonly RuleDocument[] _documents;
    private readonly Dictionary<string, RuleDocument[]> _documentsByHost;
    private readonly Dictionary<string, ImmutableArray<EffectiveRule>> _byHost;
    private readonly ImmutableArray<KeyValuePair<string, ImmutableArray<EffectiveRule>>> _wildcards;

    private NamespaceRules(string ruleNamespace, RuleDocument[] documents, NamespaceRules? previous)
    {
        _documents = documents;
        _documentsByHost = documents
            .GroupBy(r => HostMatch.Expand(((DestinationRule)r.Spec).Host ?? "", ruleNamespace))
            .ToDictionary(static g => g.Key, static g => g.ToArray(), StringComparer.Ordinal);
        _byHost = _documentsByHost.ToDictionary(
            static h => h.Key,
            h => RuleSet.IsSame(h.Value, previous?._documentsByHost.GetValueOrDefault(h.Key)) ? previous!._byHost[h.Key] : DestinationRuleMerge.Merge(ruleNamespace, h.Key, h.Value),
            StringComparer.Ordinal);
        _wildcards = [.. _byHost.Where(static h => h.Key.StartsWith('*')).OrderByDescending(static h => h.Key.Length).ThenBy(static h => h.Key, StringComparer.Ordinal)];
    }

    public static NamespaceRules Empty { get; } = new("", [], null);

    /// <summary>Merges <paramref name="rules"/>; hosts whose documents are those of <paramref name="previous"/> keep their merged rules.</summary>
    public static NamespaceRules Create(string ruleNamespace, IEnumerable<RuleDocument> rules, NamespaceRules? previous)
    {
        RuleDocument[] documents = [.. rules];
        return RuleSet.IsSame(documents, previous?._documents) ? previous! : new NamespaceRules(ruleNamespace, documents, previous);
    }

    /// <summary>Merged rules, host by host; several for one host where exportTo or selectors differ.</summary>
    public IEnumerable<ImmutableArray<EffectiveRule>> Hosts => _byHost.Values;

    /// <summary>Candidates for <paramref name="host"/>: its exact rules, then wildcards from the longest suffix on.</summary>
    public IEnumerable<ImmutableArray<EffectiveRule>> For(string host)
    {
        if (_byHost.TryGetValue(host, out ImmutableArray<EffectiveRule> exact))
        {
            yield return exact;
        }

        foreach ((string pattern, ImmutableArray<EffectiveRule> rules) in _wildcards)
        {
            if (pattern != host && HostMatch.Matches(pattern, host))
            {
                yield return rules;
            }
        }
    }
}
