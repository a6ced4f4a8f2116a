using Mesh.Proxy.Concurrency;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Concurrency;

/// <summary>The adaptive limit before a server that can work on eight calls at one time, 100 ms each: 80 a second.</summary>
public sealed class AdaptiveLimitTests
{
    private const int Capacity = 8;

    [Theory]
    [InlineData(25)]
    [InlineData(8)]
    [InlineData(3)]
    public void StepLoad_SettlesAtWhatTheServerCanDo(int first)
    {
        SimulatedServer server = new SimulatedServer(Capacity, first).Run(10, 60, 100).Run(300, 300, 100);

        Assert.All(server.Limits.Skip(40), static l => Assert.InRange(l, 7, 10));
        Assert.InRange(server.Limits.Skip(40).Average(), 7.5, 9);
    }

    [Fact]
    public void OverloadFromTheFirstCallOn_SettlesToo()
    {
        SimulatedServer server = new SimulatedServer(Capacity, 40).Run(300, 300, 100);

        Assert.All(server.Limits.Skip(60), static l => Assert.InRange(l, 7, 10));
    }

    [Fact]
    public void LightLoad_ChangesNothing_HoweverSlowTheServerBecomes()
    {
        SimulatedServer server = new SimulatedServer(Capacity, 25).Run(120, 20, 100).Run(120, 20, 300).Run(120, 1, 2000);

        Assert.Empty(server.Changes);
        Assert.Equal((25, 0), (server.Bulkhead.Limit, server.Refused));
    }

    [Theory]
    [InlineData(300)]
    [InlineData(30)]
    public void StepOfTheServersOwnTime_IsLearned(int milliseconds)
    {
        SimulatedServer server = new SimulatedServer(Capacity, 25).Run(100, 300, 100);
        int before = server.Changes.Count;

        server.Run(200, 900, milliseconds);

        Assert.All(server.Limits.Skip(120), static l => Assert.InRange(l, 7, 10));
        Assert.All(server.Changes.Skip(before), static c => Assert.True(c.To >= Capacity / 2, $"{c}")); // it never chokes the traffic to find out
        Assert.InRange(server.Changes[^1].Usual.TotalMilliseconds, milliseconds * 0.85, milliseconds * 1.15);
    }

    [Fact]
    public void ServerThatCanDoMore_GetsMore()
    {
        SimulatedServer server = new(16, 8);
        server.Run(200, 600, 100);

        Assert.All(server.Limits.Skip(60), static l => Assert.InRange(l, 14, 20));
    }

    [Fact]
    public void Bounds_AlwaysHold()
    {
        SimulatedServer tight = new SimulatedServer(Capacity, 25, new AdaptiveConcurrencyConfig { MinCalls = 12, MaxCalls = 14 }).Run(100, 300, 100);
        SimulatedServer wide = new SimulatedServer(Capacity, 1, new AdaptiveConcurrencyConfig { MinCalls = 2, MaxCalls = 5 }).Run(100, 300, 100);

        Assert.All(tight.Limits, static l => Assert.InRange(l, 12, 14));
        Assert.All(wide.Limits, static l => Assert.InRange(l, 2, 5));
        Assert.Contains(5, wide.Limits);
    }

    [Fact]
    public void RequestCountAndInterval_AreTheLeastBetweenTwoChanges()
    {
        SimulatedServer often = new SimulatedServer(Capacity, 3, new AdaptiveConcurrencyConfig { RequestCount = 5, UpdateInterval = TimeSpan.FromMilliseconds(100) }).Run(20, 300, 100);
        SimulatedServer seldom = new SimulatedServer(Capacity, 3, new AdaptiveConcurrencyConfig { RequestCount = 200 }).Run(20, 300, 100);
        SimulatedServer slow = new SimulatedServer(Capacity, 3, new AdaptiveConcurrencyConfig { UpdateInterval = TimeSpan.FromSeconds(6) }).Run(20, 300, 100);

        Assert.All(seldom.Changes, static c => Assert.True(c.Answers >= 200, $"{c}"));
        Assert.Equal(3, slow.Changes.Count);
        Assert.True(often.Changes.Count > seldom.Changes.Count, $"{often.Changes.Count} and {seldom.Changes.Count}");
    }

    [Fact]
    public void WideBuffer_LetsAnswersBecomeSlower()
    {
        SimulatedServer server = new SimulatedServer(Capacity, 8, new AdaptiveConcurrencyConfig { BufferPercent = 100 }).Run(100, 300, 100);

        Assert.Contains(server.Limits, static l => l >= 15);
    }

    [Fact]
    public void Change_SaysWhyInNumbers()
    {
        SimulatedServer server = new SimulatedServer(Capacity, 25).Run(10, 60, 100).Run(60, 300, 100);

        LimitChange slower = Assert.Single(server.Changes, static c => c.From >= 25 && c.Reason == "slower");
        Assert.True(slower.To < slower.From, $"{slower}");
        Assert.InRange(slower.Usual.TotalMilliseconds, 95, 110);
        Assert.InRange(slower.Latency.TotalMilliseconds, 250, 350);
        Assert.Equal((slower.From, true), (slower.Active, slower.Answers >= 50));
        Assert.Equal(["faster", "no_faster", "room", "slower"], server.Changes.Select(static c => c.Reason).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(server.Changes.TakeLast(16), server.Bulkhead.Changes);
    }
}
