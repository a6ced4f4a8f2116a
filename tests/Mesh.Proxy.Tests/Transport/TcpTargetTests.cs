using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Transport;

public sealed class TcpTargetTests
{
    private static readonly ListenerConfig Plain = new("l", "127.0.0.1", 1, "own", "");

    [Fact]
    public void Pick_Weights_EachHasItsShareOfTheDraws()
    {
        TcpTarget target = new(Plain with { Clusters = [new("a", 3), new("b", 1), new("c", 6)] });

        Assert.Equal(["a", "a", "a", "b", "c", "c", "c", "c", "c", "c"], Enumerable.Range(0, 10).Select(draw => target.Pick(new ScriptedRandom(draw))));
    }

    [Fact]
    public void Pick_OneCluster_DrawsNothing()
    {
        ScriptedRandom random = new();

        Assert.Equal("own", new TcpTarget(Plain).Pick(random));
        Assert.Equal(0, random.Draws);
    }

    [Fact]
    public void Change_Weights_HoldsFromTheNextPickOn()
    {
        TcpTarget target = new(Plain);

        target.Change(Plain with { Clusters = [new("a")] });

        Assert.Equal("a", target.Pick(new ScriptedRandom()));
    }
}
