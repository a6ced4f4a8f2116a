using Mesh.Rules.Snapshots;
using Xunit;
using static Mesh.Rules.Compilation.MeshText;

namespace Mesh.Rules.Compilation;

/// <summary>Which Sidecar holds, and what it lets a proxy see (semantics 7).</summary>
public sealed class SidecarScopeTests
{
    private static readonly string Services = Service("a.example") + Service("b.example", "other") + Service("sub.c.example", "third");

    [Theory]
    [InlineData("['*/*']", "a.example:80,b.example:80,sub.c.example:80")]
    [InlineData("['./*']", "a.example:80")]
    [InlineData("['default/*', 'other/b.example']", "a.example:80,b.example:80")]
    [InlineData("['*/*.example']", "a.example:80,b.example:80,sub.c.example:80")]
    [InlineData("['*/*.c.example']", "sub.c.example:80")]
    [InlineData("['*/B.example']", "b.example:80")]
    [InlineData("['third/b.example']", "")]
    [InlineData("['~/*']", "")]
    [InlineData("['*/*', '~other/*']", "a.example:80,sub.c.example:80")]
    [InlineData("['*/*', '~./a.example']", "b.example:80,sub.c.example:80")]
    public void EgressHosts_LimitWhatIsSeen(string hosts, string seen) =>
        Assert.Equal(seen, string.Join(',', Compile(Services + Egress($"[{{hosts: {hosts}}}]")).Snapshot.Callable()));

    [Fact]
    public void SidecarWithoutEgress_SeesEverything() =>
        Assert.Equal(3, Compile(Services + Rule("Sidecar", "s", "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}")).Snapshot.Callable().Count());

    [Fact]
    public void PortWithAListener_IsItsAlone_TheOthersAreTheCatchAlls()
    {
        const string Two = "{number: 80, name: http, protocol: HTTP}, {number: 90, name: more, protocol: HTTP}";
        string services = Service("a.example", port: Two) + Service("b.example", "other", port: Two);

        CompileResult result = Compile(services + Egress("[{port: {number: 90, protocol: HTTP, name: x}, hosts: ['other/*']}, {hosts: ['./*']}]"));

        Assert.Equal(["a.example:80", "b.example:90"], result.Snapshot.Callable());
        Assert.Equal(["b.example:90"], Compile(services + Egress("[{port: {number: 90, protocol: HTTP, name: x}, hosts: ['other/*']}]")).Snapshot.Callable());
    }

    [Fact]
    public void Bind_IsWhereTcpOfThatPortListens()
    {
        string tcp = Service("db.example", port: "{number: 3306, name: sql, protocol: TCP}");

        Assert.Equal(
            ["127.0.0.7_3306"],
            Compile(tcp + Egress("[{port: {number: 3306, protocol: TCP, name: sql}, bind: 127.0.0.7, hosts: ['*/*']}]")).Snapshot.Listeners.Select(static l => l.Name));
    }

    [Fact]
    public void RouteThatIsSeen_ReachesADestinationThatIsNot()
    {
        string route = Rule("VirtualService", "r", "{hosts: [a.example], http: [{route: [{destination: {host: b.example}}]}]}");

        ProxySnapshot snapshot = Compile(Services + route + Egress("[{hosts: ['./*']}]")).Snapshot;

        Assert.Equal(["a.example:80"], snapshot.Callable());
        Assert.Equal(["inbound|8080||", "outbound|80||a.example", "outbound|80||b.example"], snapshot.Clusters.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void RouteOfANamespaceThatIsHidden_DoesNotCount()
    {
        string route = Rule("VirtualService", "r", "{hosts: [a.example], http: [{route: [{destination: {host: b.example}}]}]}", "other");

        ProxySnapshot snapshot = Compile(Services + route + Egress("[{hosts: ['./*']}]")).Snapshot;

        Assert.Empty(Assert.Single(snapshot.Routes.VirtualHosts).Routes);
        Assert.False(snapshot.Clusters.ContainsKey("outbound|80||b.example"));
    }

    [Theory]
    [InlineData("*.example", 1)]
    [InlineData("*.test", 0)]
    public void RouteOfAWildcard_CountsForAHostThatIsLetIn(string host, int routes)
    {
        string route = Rule("VirtualService", "r", $"{{hosts: ['{host}'], http: [{{route: [{{destination: {{host: b.example}}}}]}}]}}");

        Assert.Equal(routes, Compile(Services + route + Egress("[{hosts: ['./a.example']}]")).Snapshot.Routes.VirtualHosts.Single(static v => v.Name == "a.example:80").Routes.Length);
    }

    [Fact]
    public void HostThatOnlyAVisibleRouteHas_IsCalled_AlsoWhenItsServiceIsHidden()
    {
        string route = Rule("VirtualService", "r", "{hosts: [b.example], http: [{route: [{destination: {host: b.example}}]}]}");

        ProxySnapshot snapshot = Compile(Services + route + Egress("[{hosts: ['./*']}]")).Snapshot;

        Assert.Equal(["a.example:80", "b.example:80"], snapshot.Callable());
    }

    [Fact]
    public void RuleForAHiddenHost_IsNotSaidToHaveNone()
    {
        string rule = Rule("DestinationRule", "r", "{host: b.example, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s}}}}");

        Assert.DoesNotContain(Compile(Services + rule + Egress("[{hosts: ['./*']}]")).Diagnostics, static d => d.Rule.Name == "r");
    }

    [Theory]
    [InlineData("app=me", "default", 1)]
    [InlineData("app=x", "default", 2)]
    [InlineData("app=x", "web", 3)]
    public void Precedence_LabelsThenNamespaceThenRoot(string labels, string space, int seen)
    {
        string rules = Sidecar("mine", "default", "['./*']", ", workloadSelector: {labels: {app: me}}")
            + Sidecar("all", "default", "['./*', 'other/*']") + Sidecar("root", "istio-system", "['*/*']")
            + Sidecar("never", "istio-system", "['~/*']", ", workloadSelector: {labels: {app: x}}");

        Assert.Equal(seen, Compile(Services + rules, Me with { Labels = Labels(labels), Namespace = space }).Snapshot.Callable().Count());
    }

    [Fact]
    public void OwnNamespace_InARootSidecar_IsTheCallers() =>
        Assert.Equal(["b.example:80"], Compile(Services + Sidecar("root", "istio-system", "['./*']"), Me with { Namespace = "other" }).Snapshot.Callable());

    [Theory]
    [InlineData("{egress: [{hosts: ['*/*']}]}", OutboundTrafficPolicy.AllowAny)]
    [InlineData("{outboundTrafficPolicy: {mode: ALLOW_ANY}}", OutboundTrafficPolicy.AllowAny)]
    [InlineData("{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}", OutboundTrafficPolicy.RegistryOnly)]
    [InlineData("{outboundTrafficPolicy: {}}", OutboundTrafficPolicy.RegistryOnly)]
    public void OutboundPolicy_IsAllowAny_UnlessABlockSaysOtherwise(string spec, OutboundTrafficPolicy policy) =>
        Assert.Equal(policy, Compile(Rule("Sidecar", "s", spec)).Snapshot.OutboundPolicy);

    [Theory]
    [InlineData("127.0.0.1:7000", "127.0.0.1:7000")]
    [InlineData("'[::1]:7000'", "[::1]:7000")]
    [InlineData("0.0.0.0:7000", "127.0.0.1:7000")]
    [InlineData("unix:///run/app.sock", "127.0.0.1:9000")]
    [InlineData("", "127.0.0.1:9000")]
    public void DefaultEndpoint_IsWhereTheApplicationListens(string endpoint, string address) =>
        Assert.Equal(address, Assert.Single(Inbound($"ingress: [{{port: {{number: 8080, protocol: HTTP, name: h}}, defaultEndpoint: {endpoint}}}]").Endpoints["inbound|8080||"]).Address);

    [Fact]
    public void InboundPool_OfTheListenerThenOfTheSidecarThenOfTheRule()
    {
        const string Common = "inboundConnectionPool: {tcp: {maxConnections: 2}}";
        const string Listener = "ingress: [{port: {number: 8080, protocol: HTTP, name: h}, connectionPool: {tcp: {maxConnections: 3}}}]";

        Assert.Equal((1u, "default/r#spec.trafficPolicy.connectionPool"), Pool("egress: [{hosts: ['*/*']}]"));
        Assert.Equal((2u, "default/s#spec.inboundConnectionPool"), Pool(Common));
        Assert.Equal((3u, "default/s#spec.ingress[0].connectionPool"), Pool($"{Common}, {Listener}"));
        Assert.Equal((2u, "default/s#spec.inboundConnectionPool"), Pool($"{Common}, {Listener.Replace("8080", "8081", StringComparison.Ordinal)}"));

        (uint, string?) Pool(string spec) => Inbound(spec).Clusters["inbound|8080||"] is var c ? (c.Limits.MaxConnections, c.ConnectionPoolSource) : default;
    }

    [Fact]
    public void ChangedInboundPool_IsCompiledAnew()
    {
        SnapshotCompiler compiler = new();
        uint[] limits =
        [
            .. ((int[])[1, 2]).Select(limit => compiler.Compile(
                Me, new MeshView { Rules = Read(Rule("Sidecar", "s", $"{{inboundConnectionPool: {{tcp: {{maxConnections: {limit}}}}}}}")) }, "1").Snapshot.Clusters["inbound|8080||"].Limits.MaxConnections),
        ];

        Assert.Equal([1u, 2u], limits);
    }

    [Theory]
    [InlineData("['*/gone.example']", "is known; the sidecar waits for one")]
    [InlineData("['./a']", "write a.default.svc.cluster.local")]
    [InlineData("['./b.example']", "write other/b.example")]
    public void EgressHost_ThatNobodyHas_IsTold(string hosts, string message)
    {
        CompileResult result = Compile(Services + Egress($"[{{hosts: {hosts}}}]"));

        Assert.Equal(["s spec.egress[0].hosts[0]"], result.Diagnostics.Of("egress-host-unknown"));
        Assert.Contains(result.Diagnostics, d => d.Finding.Message.Contains(message, StringComparison.Ordinal));
    }

    [Fact]
    public void SeveralSidecarsForAWorkload_TheYoungerIsTold()
    {
        CompileResult result = Compile(
            Sidecar("a", "default", "['*/*']", ", workloadSelector: {labels: {app: me}}") + Sidecar("b", "default", "['~/*']", ", workloadSelector: {labels: {app: me}}") + Services);

        Assert.Equal(3, result.Snapshot.Callable().Count());
        Assert.Equal(["b spec.workloadSelector"], result.Diagnostics.Of("several-sidecars"));
    }

    [Fact]
    public void IngressOfAnotherPort_IsTold() => Assert.Contains(
        Compile(Rule("Sidecar", "s", "{ingress: [{port: {number: 8081, protocol: HTTP, name: h}}]}")).Diagnostics,
        static d => d.Finding.Path == "spec.ingress[0].port" && d.Finding.Message.Contains("nothing listens on 8081", StringComparison.Ordinal));

    private static string Egress(string listeners) => Rule("Sidecar", "s", $"{{egress: {listeners}}}");

    private static string Sidecar(string name, string space, string hosts, string more = "") => Rule("Sidecar", name, $"{{egress: [{{hosts: {hosts}}}]{more}}}", space);

    private static ProxySnapshot Inbound(string spec) => Compile(
        Rule("Sidecar", "s", $"{{{spec}}}") + Rule("DestinationRule", "r", "{host: me, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}")).Snapshot;
}
