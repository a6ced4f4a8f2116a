using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

/// <summary>What a compile depends on, what it takes over from the one before, and what it has to say.</summary>
public sealed class SnapshotCompilerInputsTests
{
    private const string First = "a.default.svc.cluster.local";
    private const string Second = "b.default.svc.cluster.local";
    private static readonly ProxyIdentity Client = new("default", "a", 80, "127.0.0.1:9000", Labels("app=page"));
    private static readonly RuleDocument FirstRule = Rule("a", new DestinationRule { Host = "a", TrafficPolicy = Limit(1) });
    private static readonly RuleDocument SecondRule = Rule("b", new DestinationRule { Host = "b", TrafficPolicy = Limit(2) });
    private readonly SnapshotCompiler _compiler = new();

    [Fact]
    public void Compile_OtherProxyWithTheSameRules_IsLookedUpAnew()
    {
        MeshView view = View(Rule("batch", new DestinationRule
        {
            Host = "b",
            TrafficPolicy = Limit(7),
            WorkloadSelector = new WorkloadSelector { MatchLabels = Labels("app=batch") },
        }));

        uint page = Compile(view).Clusters[Name(Second)].Limits.MaxConnections;
        uint batch = Compile(view, Client with { Labels = Labels("app=batch") }).Clusters[Name(Second)].Limits.MaxConnections;
        uint foreign = Compile(view, Client with { Labels = Labels("app=batch"), Namespace = "web" }).Clusters[Name(Second)].Limits.MaxConnections;

        Assert.Equal((uint.MaxValue, 7u, uint.MaxValue), (page, batch, foreign));
    }

    [Fact]
    public void Compile_InboundCluster_PaysNoHeedToRulesWithASelector()
    {
        RuleDocument selecting = Rule("mine", new DestinationRule
        {
            Host = "a",
            TrafficPolicy = Limit(7),
            WorkloadSelector = new WorkloadSelector { MatchLabels = Labels("app=page") },
        });

        ProxySnapshot snapshot = Compile(View(FirstRule, selecting));

        Assert.Equal(7u, snapshot.Clusters[Name(First)].Limits.MaxConnections);
        Assert.Equal(1u, snapshot.Clusters["inbound|80||"].Limits.MaxConnections);
    }

    [Fact]
    public void Compile_EndpointsChange_MergesNoPolicyAgain()
    {
        MeshView view = View(FirstRule, SecondRule);
        ProxySnapshot before = Compile(view);
        long compiled = _compiler.CompiledClusters;

        ProxySnapshot after = Compile(view with { Endpoints = view.Endpoints.SetItem(Second, [Endpoint("127.0.0.1:9")]) });

        Assert.Equal(3, compiled);
        Assert.Equal(compiled, _compiler.CompiledClusters);
        Assert.All(before.Clusters, c => Assert.Same(c.Value, after.Clusters[c.Key]));
        Assert.True(before.Endpoints[Name(First)] == after.Endpoints[Name(First)]); // the same array
        Assert.Equal(["127.0.0.1:9"], after.Endpoints[Name(Second)].Select(e => e.Address));
    }

    [Fact]
    public void Compile_OneRuleChanges_TheOtherClustersAreTheSameObjects()
    {
        ProxySnapshot before = Compile(View(FirstRule, SecondRule));

        ProxySnapshot after = Compile(View(FirstRule, SecondRule with { Spec = new DestinationRule { Host = "b", TrafficPolicy = Limit(3) } }));

        Assert.Same(before.Clusters[Name(First)], after.Clusters[Name(First)]);
        Assert.Equal(3u, after.Clusters[Name(Second)].Limits.MaxConnections);
    }

    [Fact]
    public void Compile_ByAnotherCompiler_GivesEqualContents()
    {
        MeshView view = View(FirstRule, SecondRule);

        ProxySnapshot one = Compile(view);
        ProxySnapshot other = new SnapshotCompiler().Compile(Client, view, "1").Snapshot;

        Assert.Equal(one.Clusters.OrderBy(c => c.Key), other.Clusters.OrderBy(c => c.Key));
        Assert.Equal(one.Routes.VirtualHosts.Select(Text), other.Routes.VirtualHosts.Select(Text));
        Assert.All(one.Endpoints, e => Assert.Equal(e.Value.AsEnumerable(), other.Endpoints[e.Key]));

        static string Text(VirtualHostConfig host) => $"{host.Name} {host.Cluster} {string.Join(',', host.Domains)}";
    }

    [Fact]
    public void Compile_NeverEjectingSubset_NamesTheRuleAndFieldThatSaysSo()
    {
        RuleDocument rule = Rule("r", new DestinationRule
        {
            Host = "b",
            Subsets =
            [
                new Subset { Name = "v1" },
                new Subset { Name = "v2", TrafficPolicy = new TrafficPolicy { OutlierDetection = new OutlierDetection { MaxEjectionPercent = 40 } } },
            ],
        });

        (RuleKey key, Validation.Diagnostic finding) = Assert.Single(_compiler.Compile(Client, View(rule), "1").Diagnostics);

        Assert.Equal(rule.Key, key);
        Assert.Equal("spec.subsets[1].trafficPolicy.outlierDetection.maxEjectionPercent", finding.Path);
        Assert.Equal(
            $"outlier detection can never eject: 40 % of 2 endpoint(s) of '{Second}' port 80 subset 'v2' is less than one; write 50 or more", finding.Message);
    }

    [Fact]
    public void Compile_TwoEntriesClaimOneAddress_TheOlderHasItAndTheOtherIsWarned()
    {
        ServiceEntry entry = new() { Location = "MESH_INTERNAL", Addresses = ["127.0.0.9"], Ports = [new ServicePort { Number = 8080, Name = "web", Protocol = "HTTP" }] };
        RuleDocument older = Entry("older", entry with { Hosts = ["one.example"] }, age: 10);
        RuleDocument newer = Entry("newer", entry with { Hosts = ["two.example"] });

        CompileResult result = _compiler.Compile(Client, View(newer, older), "1");

        Assert.Equal("outbound|8080||one.example", result.Snapshot.Routes.VirtualHosts.Single(h => h.Domains.Contains("127.0.0.9")).Cluster);
        (RuleKey key, Validation.Diagnostic finding) = Assert.Single(result.Diagnostics);
        Assert.Equal(newer.Key, key);
        Assert.Equal("'127.0.0.9' port 8080 leads to 'one.example' already; give 'two.example' a name or address of its own", finding.Message);
    }

    [Fact]
    public void Compile_ManyFindings_ComeInOrder()
    {
        MeshView view = View([.. Enumerable.Range(0, 20).Select(i => Rule($"r{i:00}", new DestinationRule { Host = $"nobody{i}" }))]);

        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"r{i:00}"), _compiler.Compile(Client, view, "1").Diagnostics.Select(d => d.Rule.Name));
    }

    [Fact]
    public void Compile_RulesForOneHost_WarnOnlyTheProxiesThatSeeThem()
    {
        MeshView view = View(
            Rule("x", new DestinationRule { Host = "b", TrafficPolicy = Limit(1), ExportTo = ["."] }, age: 10),
            Rule("y", new DestinationRule { Host = "b", ExportTo = ["."] }));

        Assert.Equal(["x", "y"], _compiler.Compile(Client, view, "1").Diagnostics.Select(d => d.Rule.Name));
        Assert.Empty(_compiler.Compile(Client with { Namespace = "web" }, view, "1").Diagnostics);
    }

    private ProxySnapshot Compile(MeshView view, ProxyIdentity? proxy = null) => _compiler.Compile(proxy ?? Client, view, "1").Snapshot;

    private static string Name(string host) => $"outbound|80||{host}";

    private static MeshEndpoint Endpoint(string address) => new(address, 80, Labels(), "", "w", "v1");

    private static MeshView View(params RuleDocument[] rules) => new()
    {
        Services = new[] { First, Second }.ToImmutableDictionary(h => h, h => new MeshService(h, "default", [new MeshServicePort(80, "HTTP")])),
        Endpoints = new[] { First, Second }.ToImmutableDictionary(h => h, _ => ImmutableArray.Create(Endpoint("127.0.0.1:1"), Endpoint("127.0.0.1:2"))),
        Rules = rules.ToImmutableDictionary(r => r.Key),
    };
}
