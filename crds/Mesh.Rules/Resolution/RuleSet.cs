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

    private RuleSet(ImmutableDictionary<string, NamespaceRules> byNamespace, ImmutableArray<RuleDocument> serviceEntries, ImmutableArray<RuleDocument> virtualServices)
    {
        _byNamespace = byNamespace;
        ServiceEntries = serviceEntries;
        VirtualServices = virtualServices;
    }

    /// <summary>Advice about each rule that needs its service entries; worked out once.</summary>
    internal Lazy<ImmutableArray<(RuleDocument Rule, Diagnostic Finding)>> Advice { get; private init; } = new([]);

    /// <summary>Resilience policies.</summary>
    internal ResilienceTable Resilience { get; private init; } = new([]);

    /// <summary>Service entries, oldest first.</summary>
    public ImmutableArray<RuleDocument> ServiceEntries { get; }

    private ImmutableDictionary<string, ImmutableArray<RuleDocument>> Workloads { get; init; } = ImmutableDictionary<string, ImmutableArray<RuleDocument>>.Empty;

    /// <summary>Sidecar resources.</summary>
    internal SidecarTable Sidecars { get; private init; } = new([]);

    /// <summary>Virtual services, oldest first: by creation, name, namespace (semantics 6.1). Delegates among them.</summary>
    public ImmutableArray<RuleDocument> VirtualServices { get; }

    /// <summary>Indexes <paramref name="rules"/>.</summary>
    public static RuleSet Create(IEnumerable<RuleDocument> rules)
    {
        RuleDocument[] all = [.. rules];
        ImmutableDictionary<string, NamespaceRules> byNamespace = all
            .Where(static r => r.Spec is DestinationRule)
            .GroupBy(static r => r.Key.Namespace)
            .ToImmutableDictionary(static g => g.Key, static g => new NamespaceRules(g.Key, g));
        ImmutableArray<RuleDocument> entries =
        [
            .. all.Where(static r => r.Spec is ServiceEntry)
                .OrderBy(static r => r.CreationTimestamp ?? DateTimeOffset.MaxValue)
                .ThenBy(static r => r.Key.Namespace, StringComparer.Ordinal)
                .ThenBy(static r => r.Key.Name, StringComparer.Ordinal),
        ];
        return new RuleSet(byNamespace, entries, [.. VirtualServiceTable.InOrder(all.Where(static r => r.Spec is VirtualService))])
        {
            Resilience = new ResilienceTable(all),
            Sidecars = new SidecarTable(all),
            Workloads = all.Where(static r => r.Spec is WorkloadEntry).GroupBy(static r => r.Key.Namespace, StringComparer.Ordinal)
                .ToImmutableDictionary(static g => g.Key, static g => g.ToImmutableArray()),
            Advice = new(() => Advise(all)),
        };
    }

    private static ImmutableArray<(RuleDocument Rule, Diagnostic Finding)> Advise(RuleDocument[] rules)
    {
        ExternalHosts hosts = new(rules);
        return [.. rules.SelectMany(r => RuleAdvice.Check(r, hosts), static (r, finding) => (r, finding))];
    }

    /// <summary>Whether something with this exportTo, in <paramref name="ownNamespace"/>, is visible in <paramref name="clientNamespace"/>.</summary>
    public static bool IsVisible(ImmutableArray<string> exportTo, string ownNamespace, string clientNamespace) =>
        exportTo.IsEmpty || exportTo.Contains("*") || exportTo.Contains(clientNamespace) || (ownNamespace == clientNamespace && exportTo.Contains("."));

    /// <summary>The merged rules of a namespace; empty when it has none.</summary>
    internal NamespaceRules Of(string ruleNamespace) => _byNamespace.GetValueOrDefault(ruleNamespace, NamespaceRules.Empty);

    /// <summary>WorkloadEntries of a namespace, in no order.</summary>
    internal ImmutableArray<RuleDocument> WorkloadsOf(string ownNamespace) => Workloads.GetValueOrDefault(ownNamespace, []);

    /// <summary>Merged rules of every namespace and host.</summary>
    internal IEnumerable<ImmutableArray<EffectiveRule>> AllHosts() => _byNamespace.Values.SelectMany(static n => n.Hosts);
}

/// <summary>Merged destination rules of one namespace, the most specific host first.</summary>
internal sealed class NamespaceRules
{
    private readonly ImmutableDictionary<string, ImmutableArray<EffectiveRule>> _byHost;
    private readonly ImmutableArray<KeyValuePair<string, ImmutableArray<EffectiveRule>>> _wildcards;

    public NamespaceRules(string ruleNamespace, IEnumerable<RuleDocument> rules)
    {
        _byHost = rules
            .GroupBy(r => HostMatch.Expand(((DestinationRule)r.Spec).Host ?? "", ruleNamespace))
            .ToImmutableDictionary(static g => g.Key, g => DestinationRuleMerge.Merge(ruleNamespace, g.Key, g));
        _wildcards = [.. _byHost.Where(static h => h.Key.StartsWith('*')).OrderByDescending(static h => h.Key.Length).ThenBy(static h => h.Key, StringComparer.Ordinal)];
    }

    public static NamespaceRules Empty { get; } = new("", []);

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
