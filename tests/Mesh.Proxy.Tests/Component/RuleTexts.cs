using System.Collections.Immutable;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Rules of a few lines, and the small world that they are about.</summary>
internal static class RuleTexts
{
    /// <summary>
    /// HTTP: <c>a.test</c> with two versions at 10.0.0.1 and 10.0.0.2, ports 80 and 8080, and <c>b.test</c> at 10.0.1.1. TCP: <c>db.test</c> on 127.0.0.1:3306
    /// with two versions at 10.0.2.1 and 10.0.2.2, and <c>cache.test</c> on 6379 at 10.0.3.1. TLS: <c>tls.test</c> on 8443 at 10.0.4.1.
    /// </summary>
    public static string Services { get; } = string.Join('\n',
        Entry("""
            hosts: [a.test]
            resolution: STATIC
            ports: [{number: 80, name: http, protocol: HTTP}, {number: 8080, name: alt, protocol: HTTP}]
            endpoints: [{address: 10.0.0.1, labels: {version: v1}}, {address: 10.0.0.2, labels: {version: v2}}]
            """, "a"),
        Entry("hosts: [b.test]\nresolution: STATIC\nports: [{number: 80, name: http, protocol: HTTP}]\nendpoints: [{address: 10.0.1.1}]", "b"),
        Entry("""
            hosts: [db.test]
            resolution: STATIC
            ports: [{number: 3306, name: tcp, protocol: TCP}]
            endpoints: [{address: 10.0.2.1, labels: {version: v1}}, {address: 10.0.2.2, labels: {version: v2}}]
            """, "db"),
        Entry("hosts: [cache.test]\nresolution: STATIC\nports: [{number: 6379, name: tcp, protocol: TCP}]\nendpoints: [{address: 10.0.3.1}]", "cache"),
        Entry("hosts: [tls.test]\nresolution: STATIC\nports: [{number: 8443, name: tls, protocol: TLS}]\nendpoints: [{address: 10.0.4.1}]", "tls"));

    /// <summary>Who calls.</summary>
    public static ProxyIdentity Caller { get; } = new(
        "default", "caller", 8080, "", ImmutableSortedDictionary<string, string>.Empty.Add("app", "caller").Add("version", "v1"), "r1/z1/s1");

    public static string Virtual(string spec, string name = "vs", string @namespace = "default") => Rule("VirtualService", spec, name, @namespace);

    /// <summary>A VirtualService for a.test with these routes, a list at the left margin.</summary>
    public static string Routes(string http) => Virtual($"hosts: [a.test]\nhttp:\n{http}");

    /// <summary>A VirtualService for a.test with one route that leads there, and these fields.</summary>
    public static string Route(string fields) => Routes($"- route: [{{destination: {{host: a.test}}}}]\n  {fields.Replace("\n", "\n  ", StringComparison.Ordinal)}");

    public static string Destination(string spec, string name = "dr", string @namespace = "default") => Rule("DestinationRule", spec, name, @namespace);

    /// <summary>A DestinationRule for a host with these lines under trafficPolicy.</summary>
    public static string Policy(string trafficPolicy, string host = "a.test") => Destination($"host: {host}\ntrafficPolicy:\n  {trafficPolicy.Replace("\n", "\n  ", StringComparison.Ordinal)}");

    /// <summary>A destination rule in shadow mode.</summary>
    public static string InShadow(string rule) => rule.Replace("namespace: default}", "namespace: default, annotations: {mesh.dev/mode: shadow}}", StringComparison.Ordinal)
        .Replace("name: dr,", "name: shadow,", StringComparison.Ordinal);

    public static string Entry(string spec, string name = "se", string @namespace = "default") => Rule("ServiceEntry", spec, name, @namespace);

    /// <summary>What no rule names is refused.</summary>
    public static string RegistryOnly { get; } = Rule("Sidecar", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}", "only", "default");

    public static string Breaker(string spec, string name = "cb") => Rule("CircuitBreaker", spec, name, "default", "resilience.mesh.dev/v1alpha1");

    public static string Limit(string spec, string name = "rl") => Rule("RateLimit", spec, name, "default", "resilience.mesh.dev/v1alpha1");

    public static string Fallback(string spec, string name = "fb") => Rule("Fallback", spec, name, "default", "resilience.mesh.dev/v1alpha1");

    public static string Resilience(string spec, string name = "rp") => Rule("ResiliencePolicy", spec, name, "default", "resilience.mesh.dev/v1alpha1");

    /// <summary>A mesh with these rules; fails on what the reader refuses.</summary>
    public static MeshView View(params string[] rules)
    {
        ImmutableArray<RuleReadResult> read = RuleReader.ReadYaml(string.Join('\n', rules), "test.yaml");
        Diagnostic[] errors = [.. read.SelectMany(static r => r.Diagnostics).Where(static d => d.Severity == Severity.Error)];
        Assert.True(errors.Length == 0, string.Join("; ", (object[])errors));
        return new MeshView { Rules = read.ToImmutableDictionary(static r => r.Document!.Key, static r => r.Document!) };
    }

    private static string Rule(string kind, string spec, string name, string @namespace, string apiVersion = "networking.istio.io/v1") =>
        $"---\napiVersion: {apiVersion}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {@namespace}}}\nspec:\n  {spec.Replace("\n", "\n  ", StringComparison.Ordinal)}";
}
