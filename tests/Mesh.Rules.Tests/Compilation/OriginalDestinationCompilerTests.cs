using System.Collections.Immutable;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Rules.Tests.Compilation;

/// <summary>Which clusters go where the caller was going, and by what addresses a redirected connection is told to be a service's.</summary>
public sealed class OriginalDestinationCompilerTests
{
    private static readonly ProxyIdentity Me = new("default", "me", 80, "", ImmutableSortedDictionary<string, string>.Empty);

    [Theory]
    [InlineData("", "", true)] // NONE is the default
    [InlineData("resolution: NONE", "", true)]
    [InlineData("resolution: NONE", "loadBalancer: {simple: ROUND_ROBIN}", true)]
    [InlineData("resolution: STATIC\nendpoints: [{address: 10.0.0.1}]", "loadBalancer: {simple: PASSTHROUGH}", true)]
    [InlineData("resolution: DNS", "loadBalancer: {simple: PASSTHROUGH}", true)]
    [InlineData("resolution: STATIC\nendpoints: [{address: 10.0.0.1}]", "loadBalancer: {simple: RANDOM}", false)]
    public void Cluster_OfUnresolvedEntryOrPassthrough_HasNoEndpointsOfItsOwn(string resolution, string policy, bool expected)
    {
        string rule = policy.Length == 0 ? "host: a.test" : "host: a.test\ntrafficPolicy:\n  " + policy;
        ProxySnapshot snapshot = Compile(Entry(resolution, "HTTP"), RuleText.Destination(rule).Document!);
        ClusterConfig cluster = snapshot.Clusters["outbound|80||a.test"];
        Assert.Equal(expected, cluster.UsesOriginalDestination);
        Assert.Equal(expected ? 0 : 1, snapshot.Endpoints[cluster.Name].Length);
        Assert.Equal(DnsDiscovery.None, cluster.Dns);
    }

    [Fact]
    public void Cluster_WhoseEntryIsResolvedFromNowOn_IsCompiledAnew()
    {
        SnapshotCompiler compiler = new();
        Assert.True(Compile(compiler, Entry("resolution: NONE", "HTTP")).Clusters["outbound|80||a.test"].UsesOriginalDestination);
        Assert.False(Compile(compiler, Entry("resolution: STATIC", "HTTP")).Clusters["outbound|80||a.test"].UsesOriginalDestination);
    }

    [Theory]
    [InlineData("addresses: [10.1.0.1, 10.1.2.3/8, 'fd00::5/64']", "a.test 10.1.0.1 10.0.0.0/8 fd00::/64")]
    [InlineData("addresses: []", "a.test")]
    public void Http_BlocksAreAmongItsDomains(string addresses, string domains) =>
        Assert.Equal(domains, string.Join(' ', Compile(Entry(addresses, "HTTP")).Routes.VirtualHosts.Single(static h => h.Port == 80).Domains));

    [Theory]
    [InlineData("addresses: [10.1.0.1, 10.0.0.0/8]", "10.1.0.1 False, 10.0.0.0/8 False")]
    [InlineData("addresses: [10.0.0.0/8]", "10.0.0.0/8 False")] // no listener on loopback: nobody gave that address
    [InlineData("addresses: []", "127.0.0.1 True")]
    public void Tcp_AddressesAndBlocksAreListeners_WithoutThemThePortIsItsName(string addresses, string listeners) =>
        Assert.Equal(listeners, string.Join(", ", Compile(Entry(addresses, "TCP")).Listeners.Select(static l => $"{l.Address} {l.IsForAnyAddress}")));

    [Fact]
    public void Tcp_RouteForASubnet_MeetsABlock()
    {
        RuleDocument route = RuleText.Virtual("hosts: [a.test]\ntcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: a.test}}]}]").Document!;
        ProxySnapshot snapshot = Compile(Entry("addresses: [10.1.0.0/16]", "TCP"), route);
        Assert.Single(snapshot.Listeners.Single().Routes);
        Assert.Single(snapshot.Routes.VirtualHosts.Single().Routes); // tunnels too
    }

    private static RuleDocument Entry(string lines, string protocol) =>
        RuleText.Entry($"hosts: [a.test]\n{lines}\nports: [{{number: 80, name: p, protocol: {protocol}}}]".Replace("\n\n", "\n", StringComparison.Ordinal)).Document!;

    private static ProxySnapshot Compile(params RuleDocument[] rules) => Compile(new SnapshotCompiler(), rules);

    private static ProxySnapshot Compile(SnapshotCompiler compiler, params RuleDocument[] rules) =>
        compiler.Compile(Me, new MeshView { Rules = rules.ToImmutableDictionary(static r => r.Key) }, "1").Snapshot;
}
