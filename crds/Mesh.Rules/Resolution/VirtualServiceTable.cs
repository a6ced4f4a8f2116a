using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>
/// Which virtual service the sidecars of one namespace obey for a host (semantics 6.1): of those they can see, the oldest has the host, whole; an exact host beats a
/// wildcard, the longest wildcard wins. Nothing is merged. Immutable.
/// </summary>
public sealed class VirtualServiceTable
{
    /// <summary>The gateway name that stands for every sidecar.</summary>
    public const string Mesh = "mesh";

    private readonly ImmutableArray<RuleDocument> _all;
    private readonly string _clientNamespace;
    private readonly Func<RuleDocument, bool>? _isImported;
    private readonly Dictionary<string, RuleDocument> _byHost = new(StringComparer.Ordinal);
    private readonly ImmutableArray<string> _wildcards;

    /// <summary>
    /// Picks from <paramref name="rules"/> what <paramref name="clientNamespace"/> sees, and of that what <paramref name="isImported"/> lets in; null lets everything in.
    /// </summary>
    public VirtualServiceTable(RuleSet rules, string clientNamespace, Func<RuleDocument, bool>? isImported = null)
    {
        _all = rules.VirtualServices;
        _clientNamespace = clientNamespace;
        _isImported = isImported;
        foreach (RuleDocument rule in _all.Where(IsObeyed))
        {
            foreach (string host in HostsOf(rule))
            {
                _byHost.TryAdd(host, rule);
            }
        }

        _wildcards = [.. _byHost.Keys.Where(static h => h.StartsWith('*')).OrderByDescending(static h => h.Length).ThenBy(static h => h, StringComparer.Ordinal)];
    }

    /// <summary>Every host, full and in lower case, with the virtual service that has it, in order of name.</summary>
    public IEnumerable<KeyValuePair<string, RuleDocument>> Hosts => _byHost.OrderBy(static h => h.Key, StringComparer.Ordinal);

    /// <summary>The virtual service for the full host of a service, or null.</summary>
    public RuleDocument? Find(string host)
    {
        if (_byHost.TryGetValue(host, out RuleDocument? exact))
        {
            return exact;
        }

        string? pattern = _wildcards.FirstOrDefault(w => HostMatch.Matches(w, host));
        return pattern is null ? null : _byHost[pattern];
    }

    /// <summary>The delegate of that name, if <paramref name="rootNamespace"/> may refer to it; else null.</summary>
    public RuleDocument? FindDelegate(string delegateNamespace, string name, string rootNamespace) => _all.FirstOrDefault(r =>
        r.Key.Name == name && r.Key.Namespace == delegateNamespace && r.Spec is VirtualService { IsDelegate: true } spec
        && RuleSet.IsVisible(spec.ExportTo, delegateNamespace, rootNamespace));

    /// <summary>Full hosts to which the virtual services in force and their delegates lead.</summary>
    internal IEnumerable<string> AllDestinations() =>
        from rule in _byHost.Values.Distinct()
        from document in (RuleDocument[])[rule, .. Delegates(rule)]
        from destination in VirtualServiceReferences.DestinationsOf((VirtualService)document.Spec)
        where destination.Destination?.Host is not null
        select HostMatch.Expand(destination.Destination!.Host!, document.Key.Namespace);

    /// <summary>Virtual services that have lost a host to an older one: the host, the loser, the winner.</summary>
    internal IEnumerable<(string Host, RuleDocument Loser, RuleDocument Winner)> Conflicts() =>
        from rule in _all.Where(IsObeyed)
        from host in HostsOf(rule)
        where _byHost[host] != rule
        select (host, rule, _byHost[host]);

    /// <summary>The oldest first; of two of one age the one with the lesser name, then namespace.</summary>
    internal static IEnumerable<RuleDocument> InOrder(IEnumerable<RuleDocument> rules) => rules
        .OrderBy(static r => r.CreationTimestamp ?? DateTimeOffset.MaxValue)
        .ThenBy(static r => r.Key.Name, StringComparer.Ordinal)
        .ThenBy(static r => r.Key.Namespace, StringComparer.Ordinal);

    /// <summary>Hosts of a rule, full and in lower case, each once.</summary>
    internal static IEnumerable<string> HostsOf(RuleDocument rule) =>
        ((VirtualService)rule.Spec).Hosts.Select(h => HostMatch.Expand(h, rule.Key.Namespace)).Distinct();

    /// <summary>Whether sidecars obey a rule with these gateways.</summary>
    internal static bool IsForSidecars(ImmutableArray<string> gateways) => gateways.IsEmpty || gateways.Contains(Mesh);

    private IEnumerable<RuleDocument> Delegates(RuleDocument root) => ((VirtualService)root.Spec).Http
        .Select(static r => r.Delegate)
        .Where(static d => d?.Name is not null)
        .Select(d => FindDelegate(string.IsNullOrEmpty(d!.Namespace) ? root.Key.Namespace : d.Namespace, d.Name!, root.Key.Namespace))
        .OfType<RuleDocument>();

    private bool IsObeyed(RuleDocument rule)
    {
        VirtualService spec = (VirtualService)rule.Spec;
        return !spec.IsDelegate && IsForSidecars(spec.Gateways) && RuleSet.IsVisible(spec.ExportTo, rule.Key.Namespace, _clientNamespace)
            && (_isImported is null || _isImported(rule));
    }
}
