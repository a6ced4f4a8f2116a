using System.IO.Pipelines;
using System.Net;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Many threads on one cluster: the limits hold at every instant, and nobody is forgotten.</summary>
public sealed class ClusterStressTests
{
    private const int Workers = 8;
    private const int RoundsPerWorker = 400;
    private const int Seed = 42;

    [Fact]
    public async Task ManyThreads_RentReleaseCancelFailAndPushes_LimitsHoldAndAllEnds()
    {
        ProxyStats stats = new();
        CountingConnector connector = new();
        using ClusterManager manager = new(
            new ProxyRuntime(TimeProvider.System, new ScriptedRandom(), NullLoggerFactory.Instance), connector, static _ => { }, stats);
        ClusterConfig config = new()
        {
            Name = "c",
            ServiceHost = "a.test",
            Port = 80,
            LoadBalancer = LoadBalancerPolicy.RoundRobin,
            Limits = new CircuitBreakerConfig(MaxConnections: 3, MaxPendingRequests: 4, MaxRequests: 4),
        };
        manager.AddOrUpdate([(config, UpstreamHarness.Addresses(2))]);
        Cluster cluster = manager.Find("c")!;
        int active = 0;
        int highestActive = 0;
        long[] fates = new long[Enum.GetValues<RentStatus>().Length];

        Task pushes = Task.Run(async () =>
        {
            for (int i = 0; i < 200; i++)
            {
                // Same limits, other details; and one endpoint comes and goes.
                manager.AddOrUpdate([(config with { PanicThresholdPercent = i % 50 }, UpstreamHarness.Addresses(1 + (i % 2)))]);
                await Task.Yield();
            }

            manager.AddOrUpdate([(config, UpstreamHarness.Addresses(2))]);
        });
        Task[] workers = [.. Enumerable.Range(0, Workers).Select(worker => Task.Run(() => WorkAsync(new Random(Seed + worker))))];
        await Task.WhenAll([.. workers, pushes]).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.True(highestActive <= 4, $"{highestActive} active requests");
        Assert.True(connector.HighestAlive <= 3 + 1, $"{connector.HighestAlive} connections");
        Assert.True(fates[(int)RentStatus.Ok] > 0);
        Assert.Equal((long)Workers * RoundsPerWorker, fates.Sum());
        await Eventually.HoldsAsync(() => cluster.Stats.RqPendingActive.Value == 0, "no request waits");
        Assert.Equal(0, cluster.Stats.RqActive.Value);
        await Eventually.HoldsAsync(() => cluster.Stats.CxActive.Value == connector.Alive, "the count is what is open");
        Assert.Equal(
            cluster.Stats.RqTotal.Value + cluster.Stats.RqPendingOverflow.Value + cluster.Stats.RqCancelled.Value + cluster.Stats.RqPendingFailureEject.Value,
            fates.Sum() - fates[(int)RentStatus.NoHealthyUpstream]);
        Assert.Equal(0, stats.UnexpectedExceptions.Value);

        async Task WorkAsync(Random dice)
        {
            for (int i = 0; i < RoundsPerWorker; i++)
            {
                using CancellationTokenSource client = new();
                ValueTask<RentResult> renting = cluster.RentHttpAsync(client.Token);
                if (dice.Next(8) == 0)
                {
                    await client.CancelAsync();
                }

                RentResult result = await renting;
                Interlocked.Increment(ref fates[(int)result.Status]);
                if (result.Connection is { } connection)
                {
                    int now = Interlocked.Increment(ref active);
                    InterlockedMax(ref highestActive, now);
                    if (dice.Next(2) == 0)
                    {
                        await Task.Yield();
                    }

                    Interlocked.Decrement(ref active);
                    connection.Release(reusable: dice.Next(5) > 0);
                }
            }
        }
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen = Volatile.Read(ref target);
        while (value > seen)
        {
            int before = Interlocked.CompareExchange(ref target, value, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    /// <summary>Connects after a hop over the thread pool; every tenth fails.</summary>
    private sealed class CountingConnector : IUpstreamConnector
    {
        private int _alive;
        private int _highest;
        private int _connects;

        public int Alive => Volatile.Read(ref _alive);

        public int HighestAlive => Volatile.Read(ref _highest);

        public async ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken)
        {
            int now = Interlocked.Increment(ref _alive);
            InterlockedMax(ref _highest, now);
            await Task.Yield();
            if (cancellationToken.IsCancellationRequested || Interlocked.Increment(ref _connects) % 10 == 0)
            {
                Interlocked.Decrement(ref _alive);
                return new ConnectResult(null, "Connection refused");
            }

            return new ConnectResult(new CountedTransport(this), null);
        }

        private sealed class CountedTransport(CountingConnector owner) : FakeTransport
        {
            public override async ValueTask DisposeAsync()
            {
                await Task.Yield();
                Interlocked.Decrement(ref owner._alive);
                await base.DisposeAsync();
            }
        }
    }
}
