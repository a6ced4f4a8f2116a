using System.Collections.Immutable;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Push;

/// <summary>
/// Makes pushes by comparing contents. Because a push is made when it is sent, from what was sent last to what is there now, any number of
/// changes in between are merged into it; no queue can grow. Pure.
/// </summary>
internal static class ContentDiff
{
    /// <summary>The whole set for a sidecar of that namespace.</summary>
    public static PushMessage Full(MeshContent content, string clientNamespace) => new()
    {
        Version = content.Version,
        IsFull = true,
        Rules = Sorted(content.Rules.Values.Where(r => r.IsVisibleTo(clientNamespace))),
        Services = [.. content.Registry.Services.Values],
        Endpoints = content.Registry.Endpoints,
    };

    /// <summary>What changed for a sidecar of that namespace, or null when nothing did.</summary>
    public static PushMessage? Between(MeshContent from, MeshContent to, string clientNamespace)
    {
        bool sameRules = ReferenceEquals(from.Rules, to.Rules);
        ImmutableArray<PushedRule> rules = sameRules ? [] : Sorted(to.Rules.Values.Where(r => r.IsVisibleTo(clientNamespace)
            && Visible(from, r.Pushed.Key, clientNamespace)?.Fingerprint != r.Fingerprint));
        ImmutableArray<RuleKey> removedRules = sameRules ? [] :
        [
            .. from.Rules.Values.Where(r => r.IsVisibleTo(clientNamespace) && Visible(to, r.Pushed.Key, clientNamespace) is null)
                .Select(static r => r.Pushed.Key).OrderBy(static k => k.ToString(), StringComparer.Ordinal),
        ];
        (RegistryState old, RegistryState now) = (from.Registry, to.Registry);
        ImmutableArray<MeshService> services =
            [.. now.Services.Values.Where(s => !old.Services.TryGetValue(s.Host, out MeshService? former) || !Same(former, s))];
        ImmutableArray<string> removedServices = [.. old.Services.Keys.Where(host => !now.Services.ContainsKey(host))];
        ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>> endpoints = now.Endpoints
            .Where(e => !old.Endpoints.TryGetValue(e.Key, out ImmutableArray<MeshEndpoint> former) || !Same(former, e.Value))
            .ToImmutableSortedDictionary(StringComparer.Ordinal);
        bool isNothing = rules.IsEmpty && removedRules.IsEmpty && services.IsEmpty && removedServices.IsEmpty && endpoints.IsEmpty;
        return isNothing ? null : new PushMessage
        {
            Version = to.Version,
            IsFull = false,
            Rules = rules,
            RemovedRules = removedRules,
            Services = services,
            RemovedServices = removedServices,
            Endpoints = endpoints,
        };
    }

    private static ContentRule? Visible(MeshContent content, RuleKey key, string clientNamespace) =>
        content.Rules.TryGetValue(key, out ContentRule? rule) && rule.IsVisibleTo(clientNamespace) ? rule : null;

    private static ImmutableArray<PushedRule> Sorted(IEnumerable<ContentRule> rules) =>
        [.. rules.Select(static r => r.Pushed).OrderBy(static r => r.Key.ToString(), StringComparer.Ordinal)];

    /// <summary>Whether a sidecar would see no difference.</summary>
    public static bool Same(MeshService left, MeshService right) =>
        ReferenceEquals(left, right) || (left.Namespace == right.Namespace && left.Ports.SequenceEqual(right.Ports) && left.Addresses.SequenceEqual(right.Addresses));

    /// <summary>Whether a sidecar would see no difference.</summary>
    public static bool Same(ImmutableArray<MeshEndpoint> left, ImmutableArray<MeshEndpoint> right) =>
        left == right || left.SequenceEqual(right, EndpointComparer.Instance);

    /// <summary>Compares labels by content; a record compares them by reference.</summary>
    private sealed class EndpointComparer : IEqualityComparer<MeshEndpoint>
    {
        public static readonly EndpointComparer Instance = new();

        public bool Equals(MeshEndpoint? x, MeshEndpoint? y) =>
            x is not null && y is not null && x with { Labels = y.Labels } == y && x.Labels.SequenceEqual(y.Labels);

        public int GetHashCode(MeshEndpoint obj) => HashCode.Combine(obj.Address, obj.ServicePort);
    }
}
