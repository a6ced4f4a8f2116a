using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;

namespace Mesh.Rules.Advice;

/// <summary>What rules are advised by: service entries, and where routes lead. Immutable.</summary>
internal sealed class ExternalHosts
{
    private readonly ImmutableDictionary<string, ImmutableArray<ServiceEntry>> _byHost;
    private readonly ILookup<string, ServiceEntry> _selecting;
    private readonly Lazy<HashSet<string>> _routed;

    public ExternalHosts(IReadOnlyCollection<RuleDocument> rules)
    {
        All = rules;
        _routed = new(() => [.. rules.Where(static r => r.Spec is VirtualService).SelectMany(static r => VirtualServiceTable.HostsOf(r).Concat(DestinationsOf(r)))]);
        _selecting = rules.Where(static r => r.Spec is ServiceEntry { WorkloadSelector: not null })
            .ToLookup(static r => r.Key.Namespace, static r => (ServiceEntry)r.Spec, StringComparer.Ordinal);
        _byHost = rules.Select(static r => r.Spec).OfType<ServiceEntry>()
            .SelectMany(static e => e.Hosts.Select(h => (Host: h.ToLowerInvariant(), Entry: e)))
            .GroupBy(static p => p.Host, static p => p.Entry, StringComparer.Ordinal)
            .ToImmutableDictionary(static g => g.Key, static g => g.ToImmutableArray());
    }

    /// <summary>All rules.</summary>
    public IReadOnlyCollection<RuleDocument> All { get; }

    /// <summary>Whether a virtual service has that host, or leads to it: then that one is told what it lacks.</summary>
    public bool IsRouted(string host) => _routed.Value.Contains(host) || _routed.Value.Any(r => r.StartsWith('*') && HostMatch.Matches(r, host));

    /// <summary>Whether an entry has exactly that host.</summary>
    public bool Has(string host) => _byHost.ContainsKey(host);

    /// <summary>Whether that host, or one that the wildcard fits, lies outside the mesh.</summary>
    public bool IsExternal(string host) => Entries(host).Any(static e => e.Location is null or "MESH_EXTERNAL");

    /// <summary>Entries of that namespace that select workloads by labels.</summary>
    public IEnumerable<ServiceEntry> Selecting(string ownNamespace) => _selecting[ownNamespace];

    /// <summary>Entries of that host, or of those that the wildcard fits.</summary>
    public IEnumerable<ServiceEntry> Entries(string host) => host.StartsWith('*')
        ? _byHost.Where(p => HostMatch.Matches(host, p.Key)).SelectMany(static p => p.Value)
        : _byHost.GetValueOrDefault(host, []);

    private static IEnumerable<string> DestinationsOf(RuleDocument rule) =>
        from route in ((VirtualService)rule.Spec).Http
        from destination in route.Route
        select HostMatch.Expand(destination.Destination?.Host ?? "", rule.Key.Namespace);
}
