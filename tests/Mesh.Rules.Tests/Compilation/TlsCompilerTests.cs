using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Tests;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Compilation;

/// <summary>From the YAML of a rule to what its cluster says of the wire.</summary>
public sealed class TlsCompilerTests
{
    private static readonly ProxyIdentity Me = new("default", "me", 80, "", ImmutableSortedDictionary<string, string>.Empty);

    [Theory]
    [InlineData("tls: {mode: DISABLE}")]
    [InlineData("tls: {mode: ISTIO_MUTUAL}")]
    [InlineData("connectionPool: {tcp: {maxConnections: 1}}")]
    public void Tls_ThatIsNone_IsPlainText(string policy) => Assert.Null(Compile(policy).Tls);

    [Fact]
    public void Simple_WithoutMore_ExpectsTheHostAndTheSystemsRoots() => Assert.Equal(
        new UpstreamTlsConfig { Sni = "partner.test", SubjectAltNames = "partner.test", Source = "default/x#spec.trafficPolicy.tls" },
        Compile("tls: {mode: SIMPLE}").Tls);

    [Fact]
    public void Simple_ClientCertificate_IsNotUsed() => Assert.Equal(
        new TlsFilesConfig("/ca.pem", RevocationList: "/list.crl"),
        Compile("tls: {mode: SIMPLE, caCertificates: /ca.pem, caCrl: /list.crl, clientCertificate: /c.pem, privateKey: /k.pem}").Tls!.Files);

    [Fact]
    public void Mutual_EverythingWritten_IsThere() => Assert.Equal(
        new UpstreamTlsConfig
        {
            Sni = "sni.test",
            SubjectAltNames = "a.test\nspiffe://b",
            Files = new TlsFilesConfig("/ca.pem", "/c.pem", "/k.pem"),
            Source = "default/x#spec.trafficPolicy.tls",
        },
        Compile("tls: {mode: MUTUAL, sni: sni.test, subjectAltNames: [a.test, 'spiffe://b'], caCertificates: /ca.pem, clientCertificate: /c.pem, privateKey: /k.pem}").Tls);

    [Fact]
    public void Sni_WithoutNames_IsTheNameThatIsExpected() => Assert.Equal("sni.test", Compile("tls: {mode: SIMPLE, sni: sni.test}").Tls!.SubjectAltNames);

    [Theory]
    [InlineData("tls: {mode: SIMPLE}", "a.test\nb.test")]
    [InlineData("tls: {mode: SIMPLE, sni: sni.test}", "a.test\nb.test")]
    [InlineData("tls: {mode: SIMPLE, subjectAltNames: [c.test]}", "c.test")]
    [InlineData("tls: {mode: SIMPLE, insecureSkipVerify: true}", "")]
    public void NamesOfTheEntry_CountWhereTheRuleHasNone(string policy, string names) => Assert.Equal(
        names,
        CompileAll(policy, "HTTP", "partner.test", "\nsubjectAltNames: [a.test, b.test]").Snapshot.Clusters[ClusterCompiler.OutboundName("partner.test", 80)].Tls!.SubjectAltNames);

    [Fact]
    public void SkippedVerification_ExpectsNoName() => Assert.Equal(
        (true, "", "partner.test"), Compile("tls: {mode: SIMPLE, insecureSkipVerify: true}").Tls is { } tls ? (tls.SkipsVerification, tls.SubjectAltNames, tls.Sni) : default);

    [Fact]
    public void HostOfManyNames_SendsNoneAndExpectsOneOfThem() => Assert.Equal(
        ("", "*.test"), Compile("tls: {mode: SIMPLE}", host: "*.test").Tls is { } tls ? (tls.Sni, tls.SubjectAltNames) : default);

    [Fact]
    public void PortEntry_OfTls_IsForThatPortAlone()
    {
        const string Policy = "portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]";

        Assert.Equal("default/x#spec.trafficPolicy.portLevelSettings[0].tls", Compile(Policy).Tls!.Source);
        Assert.Null(Compile(Policy, "TCP").Tls);
    }

    [Theory]
    [InlineData("proxyProtocol: {}", ProxyProtocolVersion.V1)]
    [InlineData("proxyProtocol: {version: V1}", ProxyProtocolVersion.V1)]
    [InlineData("proxyProtocol: {version: V2}", ProxyProtocolVersion.V2)]
    [InlineData("tls: {mode: SIMPLE}", ProxyProtocolVersion.None)]
    public void ProxyProtocol_HasItsVersion(string policy, ProxyProtocolVersion version) => Assert.Equal(version, Compile(policy).ProxyProtocol);

    [Theory]
    [InlineData("{targetHost: b.test, targetPort: 443}", "b.test:443", false)]
    [InlineData("{protocol: POST, targetHost: 'fd00::1', targetPort: 1}", "[fd00::1]:1", true)]
    public void Tunnel_OfTcp_HasItsTarget(string tunnel, string target, bool usesPost) =>
        Assert.Equal(new TunnelConfig(target, usesPost), Compile("tunnel: " + tunnel, "TCP").Tunnel);

    // With a connect timeout, so that nothing else is worth a word.
    private const string QuietTunnel = "{tunnel: {targetHost: b.test, targetPort: 443}, connectionPool: {tcp: {connectTimeout: 3s}}}";

    [Fact]
    public void Tunnel_OfHttp_IsNoneAndWarnedAbout()
    {
        CompileResult result = CompileAll(QuietTunnel, "HTTP", "partner.test");

        Assert.Null(result.Snapshot.Clusters[ClusterCompiler.OutboundName("partner.test", 80)].Tunnel);
        Diagnostic finding = Assert.Single(result.Diagnostics, static d => d.Rule.Kind == "DestinationRule").Finding;
        Assert.Equal("spec.trafficPolicy.tunnel", finding.Path);
        Assert.Contains("only TCP is tunnelled", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tunnel_OfTcp_IsNotWarnedAbout() => Assert.Empty(CompileAll(QuietTunnel, "TCP", "partner.test").Diagnostics);

    private static ClusterConfig Compile(string policy, string protocol = "HTTP", string host = "partner.test") =>
        CompileAll(policy, protocol, host).Snapshot.Clusters[ClusterCompiler.OutboundName(host, protocol == "HTTP" ? 80 : 81)];

    private static CompileResult CompileAll(string policy, string protocol, string host, string more = "")
    {
        int port = protocol == "HTTP" ? 80 : 81;
        RuleDocument entry = RuleText.Entry(
            $"hosts: ['{host}']\nresolution: STATIC\nports: [{{number: {port}, name: p, protocol: {protocol}}}]\nendpoints: [{{address: 10.0.0.1}}]{more}").Document!;
        RuleDocument rule = RuleText.Destination($"host: '{host}'\ntrafficPolicy:\n  {policy}").Document!;
        MeshView view = new() { Rules = ((RuleDocument[])[entry, rule]).ToImmutableDictionary(static r => r.Key) };
        return new SnapshotCompiler().Compile(Me, view, "1");
    }
}
