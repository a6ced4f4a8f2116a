using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Tests;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.Rules.Compilation;

/// <summary>A compiler that has seen many views gives what a new one gives, and works only on what has changed.</summary>
public sealed class SnapshotCompilerIncrementalTests
{
    private const int Rounds = 150;
    private const int Names = 6;
    private static readonly ProxyIdentity Client = new("default", "page", 80, "127.0.0.1:9000", ImmutableSortedDictionary<string, string>.Empty, "eu/a");

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Compile_AfterAnyHistory_IsThatOfANewCompiler(int seed)
    {
        Random random = new(seed);
        SnapshotCompiler old = new();
        MeshView view = new();
        for (int round = 0; round < Rounds; round++)
        {
            view = Change(view, random);
            string version = round.ToString(CultureInfo.InvariantCulture);

            Assert.Equal(Text(new SnapshotCompiler().Compile(Client, view, version)), Text(old.Compile(Client, view, version)));
        }
    }

    [Fact]
    public void Compile_OneRuleChanged_TouchesItsClustersAndRoutesOnly()
    {
        SnapshotCompiler compiler = new();
        MeshView view = new();
        for (int i = 0; i < Names; i++)
        {
            view = With(With(With(view, Entry(i, 80)), Destination(i, 1)), Routes(i, 3));
        }

        ProxySnapshot before = compiler.Compile(Client, view, "1").Snapshot;
        long compiled = compiler.CompiledClusters;

        MeshView changed = With(view, Destination(2, 7));
        ProxySnapshot limits = compiler.Compile(Client, changed, "2").Snapshot;
        Assert.Equal(compiled + 2, compiler.CompiledClusters); // the whole service and its subset
        Assert.All(before.Clusters.Where(static c => !c.Key.EndsWith("s2.lab", StringComparison.Ordinal)), c => Assert.Same(c.Value, limits.Clusters[c.Key]));
        Assert.All(before.Endpoints, e => Assert.True(e.Value == limits.Endpoints[e.Key]));
        Assert.All(before.Routes.VirtualHosts.Zip(limits.Routes.VirtualHosts), static p => Assert.True(p.First.Routes == p.Second.Routes));

        ProxySnapshot routes = compiler.Compile(Client, With(changed, Routes(4, 9)), "3").Snapshot;
        Assert.Equal(compiled + 2, compiler.CompiledClusters);
        Assert.Equal(
            ["s4.lab:80", "s4.default.svc.cluster.local:80"], // the rule has both hosts
            limits.Routes.VirtualHosts.Zip(routes.Routes.VirtualHosts).Where(static p => p.First.Routes != p.Second.Routes).Select(static p => p.Second.Name));
    }

    private static string Text(CompileResult result) =>
        SnapshotText.Write(result) + string.Join('\n', result.Diagnostics.Select(static d => $"{d.Rule} {d.Finding.Path} {d.Finding.Message}"));

    private static MeshView Change(MeshView view, Random random)
    {
        int name = random.Next(Names);
        return random.Next(11) switch
        {
            0 => With(view, Entry(name, 80 + random.Next(2))),
            1 or 2 => With(view, Destination(name, random.Next(1, 4))),
            3 or 4 => With(view, Routes(name, random.Next(1, 4))),
            5 => With(view, RuleText.Read($"apiVersion: resilience.mesh.dev/v1alpha1\nkind: ResiliencePolicy\nmetadata: {{name: s{name}}}\nspec: {{host: s{name}.lab, pendingTimeout: {random.Next(1, 4)}s}}\n").Document!),
            6 => With(view, RuleText.Read($"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: part}}\nspec: {{http: [{{timeout: {random.Next(1, 4)}s, route: [{{destination: {{host: s{name}.lab}}}}]}}]}}\n").Document!),
            8 => With(view, Shadow(name, random.Next(1, 4))),
            9 => With(view, RuleText.Read($"apiVersion: resilience.mesh.dev/v1alpha1\nkind: ResiliencePolicy\nmetadata: {{name: t{name}}}\nspec: {{host: s{name}.lab, mode: shadow, pendingTimeout: {random.Next(1, 4)}s, retries: {{attempts: {random.Next(3)}}}}}\n").Document!),
            7 => view.Rules.IsEmpty ? view : view with { Rules = view.Rules.Remove(view.Rules.Keys.OrderBy(static k => k.ToString(), StringComparer.Ordinal).ElementAt(random.Next(view.Rules.Count))) },
            _ => WithService(view, name, random.Next(3)),
        };
    }

    private static MeshView WithService(MeshView view, int name, int endpoints)
    {
        string host = $"s{name}.default.svc.cluster.local";
        MeshService service = view.Services.GetValueOrDefault(host) ?? new MeshService(host, "default", [new MeshServicePort(80, "HTTP")]);
        ImmutableArray<MeshEndpoint> all =
        [
            .. Enumerable.Range(1, endpoints).Select(i => new MeshEndpoint(
                $"10.1.{name}.{i}:80", 80, ImmutableSortedDictionary<string, string>.Empty.Add("version", $"v{i}"), $"eu/{(char)('a' + i)}", $"s{name}", "latest")),
        ];
        return view with { Services = view.Services.SetItem(host, service), Endpoints = view.Endpoints.SetItem(host, all) };
    }

    private static MeshView With(MeshView view, RuleDocument rule) => view with { Rules = view.Rules.SetItem(rule.Key, rule) };

    private static RuleDocument Entry(int name, int port) => Read(
        "ServiceEntry", name,
        $"hosts: [s{name}.lab]\nresolution: STATIC\nports: [{{number: 80, name: http, protocol: HTTP}}]\n" +
        $"endpoints:\n- {{address: 10.0.0.{name + 1}, ports: {{http: {port}}}, locality: eu/a, labels: {{version: v1}}}}\n- {{address: 10.0.1.{name + 1}, locality: us/a}}");

    private static RuleDocument Destination(int name, int limit) => Read(
        "DestinationRule", name,
        $"host: s{(limit == 3 ? 0 : name)}.lab\ntrafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {limit}}}}}, outlierDetection: {{maxEjectionPercent: {limit * 10}}}}}\n" +
        $"subsets: [{{name: v{(limit == 2 ? 2 : 1)}, labels: {{version: v1}}}}]");

    private static RuleDocument Shadow(int name, int limit) =>
        RuleText.Read(RuleText.Document("DestinationRule", $"host: s{name}.lab\ntrafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {limit}}}}}}}")
            .Replace("name: x", $"name: t{name}\n  annotations: {{mesh.dev/mode: {(limit == 3 ? "enforce" : "shadow")}}}", StringComparison.Ordinal)).Document!;

    private static RuleDocument Routes(int name, int seconds) => Read(
        "VirtualService", name,
        $"hosts: [s{name}.lab, s{name}]\nhttp:\n- match: [{{uri: {{prefix: /part}}}}]\n  {(seconds == 1 ? "delegate: {name: part}" : $"timeout: {seconds}s\n  route: [{{destination: {{host: s{name}.lab, subset: v1}}}}]")}\n" +
        $"- timeout: {seconds}s\n  route: [{{destination: {{host: s{name}.lab}}}}]");

    private static RuleDocument Read(string kind, int name, string spec)
    {
        RuleReadResult read = RuleText.Read(RuleText.Document(kind, spec).Replace("name: x", $"name: s{name}", StringComparison.Ordinal));
        return read.Document ?? throw new Xunit.Sdk.XunitException(string.Join("\n", read.Diagnostics));
    }
}
