using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>Bound rules without YAML, for tests of what happens after reading.</summary>
internal static class RuleBuilder
{
    private static readonly DateTimeOffset Epoch = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static RuleDocument Rule(string name, DestinationRule spec, string ns = "default", int age = 0) =>
        Document(name, ns, age, RuleKinds.DestinationRule, spec);

    public static RuleDocument Entry(string name, ServiceEntry spec, string ns = "default", int age = 0) =>
        Document(name, ns, age, RuleKinds.ServiceEntry, spec);

    public static RuleDocument Routes(string name, VirtualService spec, string ns = "default", int age = 0) =>
        Document(name, ns, age, RuleKinds.VirtualService, spec);

    /// <summary>A virtual service whose spec is the given lines.</summary>
    public static RuleDocument Routes(string name, string spec, string ns = "default", int age = 0) =>
        Routes(name, (VirtualService)Mesh.Rules.Tests.RuleText.Virtual(spec).Document!.Spec, ns, age);

    public static RuleDocument Policy(string name, ResiliencePolicy spec, string ns = "default", int age = 0) =>
        Document(name, ns, age, RuleKinds.ResiliencePolicy, spec);

    public static RuleDocument RateLimit(string name, RateLimit spec, string ns = "default", int age = 0) =>
        Document(name, ns, age, RuleKinds.RateLimit, spec);

    public static TrafficPolicy Limit(int maxConnections) => new() { ConnectionPool = Pool(maxConnections) };

    public static ConnectionPoolSettings Pool(int maxConnections) => new() { Tcp = new TcpSettings { MaxConnections = maxConnections } };

    public static ImmutableSortedDictionary<string, string> Labels(params string[] pairs) =>
        pairs.Select(p => p.Split('=')).ToImmutableSortedDictionary(p => p[0], p => p[1]);

    private static RuleDocument Document(string name, string ns, int age, RuleKind kind, object spec) => new()
    {
        Key = new RuleKey(kind.Kind, ns, name),
        ApiVersion = "networking.istio.io/v1",
        RuleKind = kind,
        Spec = spec,
        CreationTimestamp = Epoch.AddSeconds(-age),
    };
}
