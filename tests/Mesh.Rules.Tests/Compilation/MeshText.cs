using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;

namespace Mesh.Rules.Compilation;

/// <summary>A mesh written as YAML, and what one proxy makes of it.</summary>
internal static class MeshText
{
    public static readonly ProxyIdentity Me = new("default", "me", 8080, "127.0.0.1:9000", Labels("app=me"));

    /// <summary>An HTTP service of two lines.</summary>
    public static string Service(string host, string space = "default", string more = "endpoints: [{address: 10.0.0.1}]", string port = "{number: 80, name: http, protocol: HTTP}") =>
        Rule("ServiceEntry", host.Split('.')[0].Replace('*', 'x') + "-" + space, $"{{hosts: ['{host}'], location: MESH_EXTERNAL, resolution: STATIC, ports: [{port}], {more}}}", space);

    public static string Rule(string kind, string name, string spec, string space = "default", string metadata = "") =>
        $"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {space}{(metadata.Length > 0 ? ", " + metadata : "")}}}\nspec: {spec}\n---\n";

    public static ImmutableDictionary<RuleKey, RuleDocument> Read(string yaml) => RuleReader.ReadYaml(yaml, "test.yaml")
        .Select(static r => r.Document ?? throw new Xunit.Sdk.XunitException(string.Join("\n", r.Diagnostics)))
        .ToImmutableDictionary(static r => r.Key);

    public static CompileResult Compile(string yaml, ProxyIdentity? proxy = null) => new SnapshotCompiler().Compile(proxy ?? Me, new MeshView { Rules = Read(yaml) }, "1");

    public static IEnumerable<string> AddressesOf(this ProxySnapshot snapshot, string host, int port = 80, string subset = "") =>
        snapshot.Endpoints[ClusterCompiler.OutboundName(host, port, subset)].Select(static e => e.Address);

    /// <summary>Hosts that callers can name, by port.</summary>
    public static IEnumerable<string> Callable(this ProxySnapshot snapshot) => snapshot.Routes.VirtualHosts.Select(static v => v.Name).Order(StringComparer.Ordinal);

    /// <summary>Warnings of a check, as <c>rule path</c>.</summary>
    public static IEnumerable<string> Of(this IEnumerable<(RuleKey Rule, Diagnostic Finding)> findings, string check) =>
        findings.Where(f => f.Finding.Check == check).Select(static f => $"{f.Rule.Name} {f.Finding.Path}");

    public static ImmutableSortedDictionary<string, string> Labels(params string[] pairs) =>
        pairs.Select(static p => p.Split('=')).ToImmutableSortedDictionary(static p => p[0], static p => p[1]);

    public static MeshEndpoint Sidecar(string address, int port, params string[] labels) => new(address, port, Labels(labels), "a/b/c", "vm", "v2");
}
