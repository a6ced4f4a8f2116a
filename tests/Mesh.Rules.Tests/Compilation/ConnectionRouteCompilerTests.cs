using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

/// <summary>Rows of TCP listeners: what virtual services say of connections, and services that share a listener.</summary>
public sealed class ConnectionRouteCompilerTests
{
    private const string A = "a.default.svc.cluster.local";
    private const string B = "b.default.svc.cluster.local";
    private const string OwnNames = "a.x to outbound|443||a.x 1 from the service|b.x to outbound|443||b.x 1 from the service";
    private static readonly ProxyIdentity Client = new("default", "client", 80, "127.0.0.1:9000", Labels("app=page"));

    [Theory]
    [InlineData("{route: [{destination: {host: db.x}, weight: 1}, {destination: {host: a}, weight: 2}]}", $"any to outbound|5432||db.x 1, outbound|80||{A} 2 from default/r#spec.tcp[0]")]
    [InlineData("{match: [{destinationSubnets: [127.0.0.1, 10.1.2.3/8]}], route: [{destination: {host: a}}]}", $"any at 127.0.0.1/32 to outbound|80||{A} 1 from default/r#spec.tcp[0]|any at 10.0.0.0/8 to outbound|80||{A} 1 from default/r#spec.tcp[0]")]
    [InlineData("{match: [{sourceSubnet: \"fd00::1/64\"}, {port: 5432}], route: [{destination: {host: a}}]}", $"any of fd00::/64 to outbound|80||{A} 1 from default/r#spec.tcp[0]|any to outbound|80||{A} 1 from default/r#spec.tcp[0]")]
    [InlineData("{match: [{sourceNamespace: x}], route: [{destination: {host: b}}]}, {match: [{sourceLabels: {app: page}}], route: [{destination: {host: a}}]}", $"any to outbound|80||{A} 1 from default/r#spec.tcp[1]")]
    [InlineData("{match: [{port: 1}, {sourceLabels: {app: x}}, {gateways: [x]}], route: [{destination: {host: a}}]}", "")]
    [InlineData("{match: [{port: 5432}], route: [{destination: {host: a}}]}, {match: [{destinationSubnets: [127.0.0.1]}], route: [{destination: {host: b}}]}", $"any to outbound|80||{A} 1 from default/r#spec.tcp[0]")]
    [InlineData("{route: [{destination: {host: nowhere}}]}", "any to outbound|5432||nowhere.default.svc.cluster.local 1 from default/r#spec.tcp[0]")]
    [EffectOf("VirtualService", "tcp.match.port")]
    [EffectOf("VirtualService", "tcp.match.sourceLabels")]
    [EffectOf("VirtualService", "tcp.match.sourceNamespace")]
    [EffectOf("VirtualService", "tcp.match.gateways")]
    [EffectOf("VirtualService", "tcp.route.destination.host")]
    public void Tcp_Route_IsARowForEachMatchOfThisProxy(string tcp, string expected)
    {
        ListenerConfig listener = Assert.Single(Compile("TCP", 5432, ["127.0.0.7"], ["db.x"], $"hosts: [db.x]\ntcp: [{tcp}]").Listeners);

        Assert.Equal(("outbound|5432||db.x", false, expected), (listener.Cluster, listener.IsTls, Text(listener)));
    }

    [Theory]
    [InlineData("TLS", $"*.x to outbound|80||{A} 1 from default/r#spec.tls[0]|other.x to outbound|80||{B} 1 from default/r#spec.tls[1]|db.x to outbound|443||db.x 1 from the service")]
    [InlineData("HTTPS", $"*.x to outbound|80||{A} 1 from default/r#spec.tls[0]|other.x to outbound|80||{B} 1 from default/r#spec.tls[1]|db.x to outbound|443||db.x 1 from the service")]
    [InlineData("TCP", $"any to outbound|80||{B} 1 from default/r#spec.tcp[0]")]
    public void Protocol_OfThePort_DecidesWhetherTlsOrTcpRoutesCount(string protocol, string expected)
    {
        const string Spec = "hosts: [\"*.x\"]\ntcp: [{route: [{destination: {host: b}}]}]\n"
            + "tls: [{match: [{sniHosts: [\"*.X\"]}], route: [{destination: {host: a}}]}, {match: [{sniHosts: [other.x]}], route: [{destination: {host: b}}]}]";
        ListenerConfig listener = Assert.Single(Compile(protocol, 443, ["240.0.0.7"], ["db.x"], Spec).Listeners);

        Assert.Equal(("outbound|443||db.x", protocol != "TCP", expected), (listener.Cluster, listener.IsTls, Text(listener)));
    }

    [Theory]
    [InlineData("sniHosts: [a.x], port: 443", true)]
    [InlineData("sniHosts: [a.x], port: 444", false)]
    [InlineData("sniHosts: [a.x], sourceLabels: {app: page}", true)]
    [InlineData("sniHosts: [a.x], sourceLabels: {app: other}", false)]
    [InlineData("sniHosts: [a.x], sourceNamespace: default", true)]
    [InlineData("sniHosts: [a.x], sourceNamespace: other", false)]
    [InlineData("sniHosts: [a.x], gateways: [mesh]", true)]
    [InlineData("sniHosts: [a.x], gateways: [edge]", false)]
    [EffectOf("VirtualService", "tls.match.port")]
    [EffectOf("VirtualService", "tls.match.sourceLabels")]
    [EffectOf("VirtualService", "tls.match.sourceNamespace")]
    [EffectOf("VirtualService", "tls.match.gateways")]
    public void Tls_MatchOfTheProxy_IsDecidedHere(string match, bool applies)
    {
        ListenerConfig listener = Assert.Single(Compile("TLS", 443, [], ["a.x"], $"hosts: [a.x]\ntls: [{{match: [{{{match}}}], route: [{{destination: {{host: b}}}}]}}]").Listeners);

        Assert.Equal((applies ? $"a.x to outbound|80||{B} 1 from default/r#spec.tls[0]|" : "") + "a.x to outbound|443||a.x 1 from the service|any of 127.0.0.0/8 to outbound|443||a.x 1 from the service", Text(listener));
        Assert.Equal("", listener.Cluster); // whoever was redirected to it from elsewhere has meant somebody else
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("127.0.0.7", "")]
    [InlineData("", "tls: [{match: [{sniHosts: [a.x], destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: b.x}}]}]")]
    public void TlsServices_OfOnePort_AreToldApartByName(string address, string tls)
    {
        ProxySnapshot snapshot = Compile("TLS", 443, address.Length > 0 ? [address] : [], ["a.x", "b.x"], tls.Length > 0 ? "hosts: [a.x]\n" + tls : null);

        ListenerConfig listener = Assert.Single(snapshot.Listeners);
        Assert.Equal((address.Length > 0 ? address : "127.0.0.1", "", true), (listener.Address, listener.Cluster, listener.IsTls));
        Assert.Equal(tls.Length > 0 ? "a.x at 10.0.0.0/8 to outbound|443||b.x 1 from default/r#spec.tls[0]|" + OwnNames : OwnNames, Text(listener));
    }

    [Theory]
    [InlineData("TLS", "tcp: [{route: [{destination: {host: a}}]}]", "spec.tcp", "port 443 of 'a.x' has TLS: write tls routes")]
    [InlineData("MYSQL", "tls: [{match: [{sniHosts: [a.x]}], route: [{destination: {host: a}}]}]", "spec.tls", "port 443 of 'a.x' has MYSQL: write tcp routes")]
    [InlineData("TLS", "tls: [{match: [{sniHosts: [a.x]}], route: [{destination: {host: a}}]}]\ntcp: [{route: [{destination: {host: a}}]}]", "", "")]
    public void Routes_ForAnotherProtocolThanThePorts_AreWarnedAbout(string protocol, string routes, string path, string text)
    {
        CompileResult result = Result(View(Service("se", protocol, 443, [], ["a.x"]), Routes("r", "hosts: [a.x]\n" + routes)));

        (RuleKey Rule, Validation.Diagnostic Finding)[] found = [.. result.Diagnostics.Where(static d => d.Rule.Name == "r" && d.Finding.Message.Contains("routes are for ports", StringComparison.Ordinal))];
        Assert.Equal(path.Length > 0 ? [path] : [], found.Select(static f => f.Finding.Path));
        Assert.All(found, f => Assert.Contains(text, f.Finding.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void RuleForSeveralServices_OfOneListener_IsThereOnce()
    {
        ListenerConfig listener = Assert.Single(Compile("TLS", 443, [], ["a.x", "b.x"], "hosts: [\"*.x\"]\ntls: [{match: [{sniHosts: [b.x]}], route: [{destination: {host: a.x}}]}]").Listeners);

        Assert.Equal("b.x to outbound|443||a.x 1 from default/r#spec.tls[0]|" + OwnNames, Text(listener));
    }

    [Fact]
    public void TcpService_BesideTlsServices_GetsWhatNamesNobody()
    {
        CompileResult result = Result(View(Service("t", "TLS", 443, [], ["a.x"]), Service("u", "TCP", 443, [], ["db.x"]), Service("v", "TCP", 443, [], ["late.x"])));

        ListenerConfig listener = Assert.Single(result.Snapshot.Listeners);
        Assert.Equal(("outbound|443||db.x", "a.x to outbound|443||a.x 1 from the service"), (listener.Cluster, Text(listener)));
        Assert.Contains(result.Diagnostics, static d => d.Rule.Name == "v" && d.Finding.Message.Contains("127.0.0.1 port 443 leads to another service already", StringComparison.Ordinal));
        Assert.DoesNotContain(result.Diagnostics, static d => d.Rule.Name != "v" && d.Finding.Message.Contains("leads to", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("TLS", "tls: [{match: [{sniHosts: [\"*.x\"]}], route: [{destination: {host: b}}]}, {match: [{sniHosts: [a.x]}], route: [{destination: {host: a}}]}]", $"outbound|80||{A}")]
    [InlineData("TLS", "tls: [{match: [{sniHosts: [b.x]}], route: [{destination: {host: b}}]}]", "")]
    [InlineData("TCP", "tcp: [{route: [{destination: {host: b}}]}]", $"outbound|80||{B}")]
    [InlineData("TCP", "tcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: b}}]}]", "")]
    [InlineData("TCP", "tcp: [{match: [{sourceSubnet: 10.0.0.0/8}], route: [{destination: {host: b}}]}]", "")]
    public void Tunnel_ToAServiceThatIsNotHttp_GoesWhereItsConnectionsDo(string protocol, string routes, string expected)
    {
        VirtualHostConfig host = Compile(protocol, 443, ["127.0.0.7"], ["a.x"], "hosts: [\"*.x\"]\n" + routes).Routes.VirtualHosts.Single(static h => h.Domains.Contains("a.x"));

        Assert.Equal((443, "outbound|443||a.x", true, null), (host.Port, host.Cluster, host.IsTunnelOnly, host.Retry));
        Assert.Equal(expected, string.Join('|', host.Routes.Select(static r => Assert.Single(r.Clusters).Cluster)));
    }

    [Fact]
    public void EndpointsChange_KeepsTheRowsAsObjects()
    {
        SnapshotCompiler compiler = new();
        MeshView view = View(Service("t", "TLS", 443, [], ["a.x", "b.x"]));
        ProxySnapshot before = compiler.Compile(Client, view, "1").Snapshot;

        ProxySnapshot after = compiler.Compile(Client, view with { Endpoints = view.Endpoints.SetItem(A, []) }, "2").Snapshot;

        Assert.Equal(Assert.Single(before.Listeners), Assert.Single(after.Listeners));
    }

    private static ProxySnapshot Compile(string protocol, int port, string[] addresses, string[] hosts, string? virtualService)
    {
        RuleDocument service = Service("se", protocol, port, addresses, hosts);
        return Result(virtualService is null ? View(service) : View(service, Routes("r", virtualService))).Snapshot;
    }

    private static RuleDocument Service(string name, string protocol, int port, string[] addresses, string[] hosts) => Entry(name, new ServiceEntry
    {
        Hosts = [.. hosts],
        Addresses = [.. addresses],
        Resolution = "STATIC",
        Ports = [new ServicePort { Number = port, Name = "p", Protocol = protocol }],
    });

    private static CompileResult Result(MeshView view) => new SnapshotCompiler().Compile(Client, view, "1");

    private static string Text(ListenerConfig listener) => string.Join('|', listener.Routes.Select(RouteText.Write));

    private static MeshView View(params RuleDocument[] rules)
    {
        MeshService[] services = [new(A, "default", [new MeshServicePort(80, "HTTP")]), new(B, "default", [new MeshServicePort(80, "HTTP")])];
        return new MeshView { Services = services.ToImmutableDictionary(static s => s.Host), Rules = rules.ToImmutableDictionary(static r => r.Key) };
    }
}
