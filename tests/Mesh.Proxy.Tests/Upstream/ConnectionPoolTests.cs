using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Envoy's pool algorithm (semantics 2.3 to 2.6), step by step.</summary>
public sealed class ConnectionPoolTests
{
    [Fact]
    public async Task Rent_TwoEndpointsLimitOne_EachPoolMayAlwaysHaveOne()
    {
        using UpstreamHarness harness = new(
            static c => c.Limit(connections: 1) with { LoadBalancer = LoadBalancerPolicy.RoundRobin }, endpoints: 2);

        Task<RentResult>[] rents = [harness.Rent(), harness.Rent(), harness.Rent(), harness.Rent()];

        Assert.Equal(2, harness.Stats.CxActive.Value); // 1 + 2 endpoints - 1, never more
        Assert.Equal(["10.0.0.1:80", "10.0.0.2:80"], harness.Connector.Started.Select(static c => c.Address));
        foreach (FakeConnect connect in harness.Connector.Open)
        {
            connect.Succeed();
        }

        (await UpstreamHarness.Soon(rents[0])).Connection!.Release(reusable: true);
        Assert.Equal(RentStatus.Ok, (await UpstreamHarness.Soon(rents[2])).Status);
        Assert.Equal(2, harness.Connector.Started.Count);
    }

    [Fact]
    public async Task Rent_SeveralIdle_UsesTheWarmest()
    {
        using UpstreamHarness harness = new();
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection a = await harness.RentOk();
        UpstreamConnection b = await harness.RentOk();
        a.Release(reusable: true);
        b.Release(reusable: true);

        UpstreamConnection next = await harness.RentOk();

        Assert.Same(b, next);
    }

    [Fact]
    public async Task ConnectFailure_ManyWaiting_AllOfThemFailWithItsText()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1));
        Task<RentResult>[] rents = [harness.Rent(), harness.Rent(), harness.Rent()];

        harness.Connector.Open[0].Fail("Connection refused");

        IReadOnlyList<RentResult> results = await UpstreamHarness.All(rents);
        Assert.All(results, r => Assert.Equal((RentStatus.ConnectFailure, "Connection refused", harness.First), (r.Status, r.FailureText, r.Endpoint)));
        Assert.Equal(3, harness.Stats.RqPendingFailureEject.Value);
        Assert.Equal(1, harness.Stats.CxConnectFail.Value);
        Assert.Equal(0, harness.Stats.CxActive.Value);
        Assert.Equal(0, harness.Stats.RqPendingActive.Value);
    }

    [Fact]
    public async Task ConnectTimeout_Passed_FailsAfterExactlyThatTime()
    {
        using UpstreamHarness harness = new(static c => c.Life(static l => l with { ConnectTimeout = TimeSpan.FromSeconds(2) }));
        Task<RentResult> rent = harness.Rent();

        harness.Time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.Equal(1, harness.Stats.RqPendingActive.Value);
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));

        RentResult result = await UpstreamHarness.Soon(rent);
        Assert.Equal(RentStatus.ConnectTimeout, result.Status);
        Assert.Equal((DecisionReason.ConnectTimeout, 2000), (result.Decision.Reason, result.Decision.Limit));
        Assert.Equal(1, harness.Stats.CxConnectTimeout.Value);
        Assert.Equal(1, harness.Stats.CxConnectFail.Value);
        Assert.Equal(0, harness.Time.ArmedTimers);
    }

    [Fact]
    public async Task Cancel_WhileConnecting_ClosesTheConnectionNobodyNeeds()
    {
        using UpstreamHarness harness = new();
        using CancellationTokenSource client = new();
        Task<RentResult> stays = harness.Rent();
        Task<RentResult> leaves = harness.Rent(client.Token);
        Assert.Equal(2, harness.Connector.Open.Count);

        await client.CancelAsync();

        Assert.Equal(RentStatus.Cancelled, (await UpstreamHarness.Soon(leaves)).Status);
        Assert.Equal(1, harness.Stats.RqCancelled.Value);
        Assert.Single(harness.Connector.Open);
        Assert.Equal(1, harness.Stats.CxActive.Value);
        Assert.Equal(0, harness.Stats.CxConnectFail.Value);
        harness.Connector.Open[0].Succeed();
        Assert.Equal(RentStatus.Ok, (await UpstreamHarness.Soon(stays)).Status);
    }

    [Fact]
    public async Task Rent_CancelledBefore_TouchesNothing()
    {
        using UpstreamHarness harness = new();

        RentResult result = await harness.Rent(new CancellationToken(canceled: true));

        Assert.Equal(RentStatus.Cancelled, result.Status);
        Assert.Empty(harness.Connector.Started);
    }

    [Fact]
    public async Task Rent_BurstOfFive_OpensOneForEachWaiter()
    {
        using UpstreamHarness harness = new();
        Task<RentResult>[] rents = [.. Enumerable.Range(0, 5).Select(_ => harness.Rent())];

        Assert.Equal(5, harness.Connector.Open.Count);
        foreach (FakeConnect connect in harness.Connector.Open)
        {
            connect.Succeed();
        }

        Assert.All(await UpstreamHarness.All(rents), static r => Assert.Equal(RentStatus.Ok, r.Status));
    }

    [Fact]
    public async Task Limit_RaisedWhileManyWait_OpensThreeAtATime()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1));
        Task<RentResult>[] rents = [.. Enumerable.Range(0, 8).Select(_ => harness.Rent())];
        Assert.Single(harness.Connector.Open);

        harness.Configure(static c => c.Limit(connections: 100));

        Assert.Equal(4, harness.Connector.Open.Count);
        harness.Connector.Open[0].Succeed(); // and the next three when one is served
        Assert.Equal(6, harness.Connector.Open.Count);
        Assert.Equal(RentStatus.Ok, (await UpstreamHarness.Soon(rents[0])).Status);
    }

    [Fact]
    public async Task MaxRequests_MetAtReadyConnection_RefusesAndKeepsTheConnection()
    {
        using UpstreamHarness harness = new(static c => c.Limit(requests: 1));
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection a = await harness.RentOk();
        harness.Configure(static c => c.Limit(requests: 2));
        UpstreamConnection b = await harness.RentOk();
        harness.Configure(static c => c.Limit(requests: 1));
        b.Release(reusable: true);

        RentResult refused = await harness.Rent();

        Assert.Equal(DecisionReason.RequestOverflow, refused.Decision.Reason);
        a.Release(reusable: true);
        Assert.Equal(RentStatus.Ok, (await harness.Rent()).Status);
        Assert.Equal(2, harness.Connector.Started.Count);
    }

    [Fact]
    public async Task Tcp_ConcurrentConnectsAboveThePendingLimit_AreRefused()
    {
        using UpstreamHarness harness = new(static c => c.Tcp().Limit(pending: 1));
        Task<RentResult> connecting = harness.RentTcp();

        RentResult refused = await harness.RentTcp();

        Assert.Equal(DecisionReason.PendingOverflow, refused.Decision.Reason);
        Assert.Equal(1, harness.Stats.RqPendingOverflow.Value);
        Assert.Equal(1, harness.Stats.CxConnectAttemptsExceeded.Value);
        harness.Connector.Open[0].Succeed();
        Assert.Equal(RentStatus.Ok, (await UpstreamHarness.Soon(connecting)).Status);
    }

    [Fact]
    public async Task Tcp_RequestLimit_IsIgnored()
    {
        using UpstreamHarness harness = new(static c => c.Tcp().Limit(requests: 1));
        harness.Connector.ConnectsAtOnce = true;

        RentResult[] results = [await harness.RentTcp(), await harness.RentTcp(), await harness.RentTcp()];

        Assert.All(results, static r => Assert.Equal(RentStatus.Ok, r.Status));
    }

    [Fact]
    public async Task Rent_NoEndpoints_SaysSo()
    {
        using UpstreamHarness harness = new(endpoints: 0);

        RentResult result = await harness.Rent();

        Assert.Equal((RentStatus.NoHealthyUpstream, DecisionReason.NoEndpoints), (result.Status, result.Decision.Reason));
        Assert.Equal(1, harness.Stats.CxNoneHealthy.Value);
    }

    [Fact]
    public async Task Keepalive_Configured_ReachesTheConnector()
    {
        TcpKeepaliveConfig probes = new(3, 60, 10);
        using UpstreamHarness harness = new(c => c.Life(l => l with { TcpKeepalive = probes }));

        await harness.RentOk();

        Assert.Equal(probes, harness.Connector.Started[0].Keepalive);
    }

    [Fact]
    public async Task RentAndRelease_Warm_AllocatesNothing()
    {
        using UpstreamHarness harness = new();
        UpstreamConnection connection = await harness.RentOk();
        connection.Release(reusable: true);

        Assert.Equal(0, BytesOf(harness.Cluster, rounds: 200));

        static long BytesOf(Cluster cluster, int rounds)
        {
            RentAndRelease(cluster, rounds); // warm-up
            long before = GC.GetAllocatedBytesForCurrentThread();
            RentAndRelease(cluster, rounds);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        static void RentAndRelease(Cluster cluster, int rounds)
        {
            for (int i = 0; i < rounds; i++)
            {
                ValueTask<RentResult> rent = cluster.RentHttpAsync(CancellationToken.None);
                Assert.True(rent.IsCompletedSuccessfully);
                rent.Result.Connection!.Release(reusable: true);
            }
        }
    }
}
