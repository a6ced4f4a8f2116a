using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Tests;
using Xunit;

namespace Mesh.Rules.Compilation;

/// <summary>What a ServiceEntry's resolution makes of its cluster.</summary>
public sealed class ResolutionCompilerTests
{
    private static readonly ProxyIdentity Me = new("default", "me", 80, "", ImmutableSortedDictionary<string, string>.Empty);

    [Theory]
    [InlineData("a.test", "NONE", DnsDiscovery.None, 0)]
    [InlineData("a.test", "DNS", DnsDiscovery.Strict, 1)]
    [InlineData("a.test", "DNS_ROUND_ROBIN", DnsDiscovery.Logical, 1)]
    [InlineData("*.a.test", "DYNAMIC_DNS", DnsDiscovery.Dynamic, 0)]
    public void Resolution_WithoutEndpoints_NamesTheHostOrNobody(string host, string resolution, DnsDiscovery expected, int endpoints)
    {
        (ClusterConfig cluster, ImmutableArray<EndpointConfig> listed) = Compile(host, resolution, "");

        Assert.Equal((expected, endpoints, 0), (cluster.Dns, listed.Length, cluster.OnDemandPort));
    }

    [Theory]
    [InlineData("targetPort: 8080", 8080)]
    [InlineData("targetPort: 80", 0)]
    public void DynamicDns_TargetPort_IsThePortOfEveryHost(string target, int expected) =>
        Assert.Equal(expected, Compile("*.a.test", "DYNAMIC_DNS", ", " + target).Cluster.OnDemandPort);

    private static (ClusterConfig Cluster, ImmutableArray<EndpointConfig> Endpoints) Compile(string host, string resolution, string port)
    {
        RuleDocument entry = RuleText.Entry(
            $"hosts: ['{host}']\nresolution: {resolution}\nports: [{{number: 80, name: web, protocol: HTTP{port}}}]").Document!;
        MeshView view = new() { Rules = ((RuleDocument[])[entry]).ToImmutableDictionary(static r => r.Key) };
        ProxySnapshot snapshot = new SnapshotCompiler().Compile(Me, view, "1").Snapshot;
        string name = ClusterCompiler.OutboundName(host, 80);
        return (snapshot.Clusters[name], snapshot.Endpoints.GetValueOrDefault(name, []));
    }
}
