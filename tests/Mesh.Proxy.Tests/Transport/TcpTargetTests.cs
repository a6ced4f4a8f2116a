using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Transport;

public sealed class TcpTargetTests
{
    private static readonly ListenerConfig Plain = new("l", "127.0.0.1", 1, "own", "");

    [Fact]
    [EffectOf("VirtualService", "tcp.route.weight")]
    [EffectOf("VirtualService", "tls.route.weight")]
    public void Pick_Weights_EachHasItsShareOfTheDraws()
    {
        TcpTarget target = new(RoutedTo(new("a", 3), new("b", 1), new("c", 6)));

        Assert.Equal(["a", "a", "a", "b", "c", "c", "c", "c", "c", "c"], Enumerable.Range(0, 10).Select(draw => target.Pick(new ScriptedRandom(draw), default)));
    }

    [Fact]
    public void Pick_OneCluster_DrawsNothing()
    {
        ScriptedRandom random = new();

        Assert.Equal("own", new TcpTarget(Plain).Pick(random, default));
        Assert.Equal("a", new TcpTarget(RoutedTo(new WeightedClusterConfig("a"))).Pick(random, default));
        Assert.Equal(0, random.Draws);
    }

    [Fact]
    public void Change_Routes_HoldsFromTheNextPickOn()
    {
        TcpTarget target = new(Plain);

        target.Change(RoutedTo(new WeightedClusterConfig("a")) with { IsTls = true });

        Assert.Equal("a", target.Pick(new ScriptedRandom(), default(ConnectionView)));
        Assert.True(target.IsTls);
    }

    private static ListenerConfig RoutedTo(params WeightedClusterConfig[] clusters) => Plain with { Routes = [new ConnectionRouteConfig { Clusters = [.. clusters] }] };
}
