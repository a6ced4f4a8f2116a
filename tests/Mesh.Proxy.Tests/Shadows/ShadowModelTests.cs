using System.IO.Pipelines;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Shadows;

/// <summary>Whatever happens to real calls, connects and rules, the model beside them keeps its limits and gives every place back.</summary>
public sealed class ShadowModelTests
{
    private const int Steps = 2000;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(8)]
    public async Task AnyHistory_KeepsTheLimits_AndLeavesNothing(int seed)
    {
        Random dice = new(seed);
        ShadowConfig shadow = Limits(3, 4, 6);
        using UpstreamHarness harness = new(c => c.Limit(connections: 8) with { Shadow = shadow, LoadBalancer = LoadBalancerPolicy.RoundRobin }, endpoints: 3, new Random(seed));
        List<(Task<RentResult> Rent, CancellationTokenSource Client)> calls = [];
        uint most = 3;
        for (int step = 0; step < Steps; step++)
        {
            switch (dice.Next(12))
            {
                case < 5:
                    CancellationTokenSource client = new();
                    calls.Add((harness.Cluster.RentHttpAsync(client.Token, PipeScheduler.Inline).AsTask(), client));
                    break;
                case < 8 when calls.Count > 0:
                    await EndAsync(calls, dice.Next(calls.Count), dice.Next(3) > 0);
                    break;
                case < 10 when harness.Connector.Open is [var connect, ..]:
                    Finish(connect, dice.Next(4) > 0);
                    break;
                case 10 when dice.Next(10) == 0:
                    shadow = Limits((uint)dice.Next(1, 6), (uint)dice.Next(1, 6), (uint)dice.Next(1, 9));
                    most = Math.Max(most, shadow.Limits.MaxConnections);
                    harness.Configure(c => c with { Shadow = shadow });
                    break;
                case 11 when dice.Next(20) == 0:
                    harness.Manager.AddOrUpdate([(harness.Cluster.Config, UpstreamHarness.Addresses(dice.Next(1, 4)))]);
                    break;
            }

            harness.Time.Advance(TimeSpan.FromMilliseconds(dice.Next(5)));
            (int connections, int waiting, int active) = harness.Cluster.ShadowFigures;
            Assert.True(connections <= most + 2 && waiting >= 0 && active >= 0 && active <= connections, $"seed {seed}, step {step}: {connections} connections, {waiting} waiting, {active} active");
        }

        while (calls.Count > 0)
        {
            await EndAsync(calls, 0, isReusable: true);
        }

        harness.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal((0, 0), (harness.Cluster.ShadowFigures.Waiting, harness.Cluster.ShadowFigures.Active));
        Assert.True(harness.Stats.Shadow!.PendingOverflow.Value > 0);
    }

    private static ShadowConfig Limits(uint connections, uint pending, uint requests) => new()
    {
        PoolSource = "default/s#spec",
        Limits = new CircuitBreakerConfig(connections, pending, requests),
        MaxRequestsPerConnection = 3,
        HttpIdleTimeout = TimeSpan.FromSeconds(1),
    };

    private static void Finish(FakeConnect connect, bool succeeds)
    {
        if (succeeds)
        {
            connect.Succeed();
        }
        else
        {
            connect.Fail();
        }
    }

    // One that waits gives up; one that has a connection gives it back.
    private static async Task EndAsync(List<(Task<RentResult> Rent, CancellationTokenSource Client)> calls, int index, bool isReusable)
    {
        (Task<RentResult> rent, CancellationTokenSource client) = calls[index];
        calls.RemoveAt(index);
        if (!rent.IsCompleted)
        {
            await client.CancelAsync();
        }

        (await UpstreamHarness.Soon(rent)).Connection?.Release(isReusable);
    }
}
