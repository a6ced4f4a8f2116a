using System.IO.Pipelines;
using System.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Admin;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

/// <summary>What rules in shadow mode would have done, of every kind that has the mode.</summary>
public sealed class ShadowPageTests
{
    private static readonly ClusterConfig Plain = new() { Name = "c", ServiceHost = "c.test", Port = 80 };

    [Fact]
    public async Task Text_RetriesConnectsAndShares_HaveTheirLines()
    {
        string text = await TextAsync(
            Plain with
            {
                Shadow = new ShadowConfig
                {
                    PoolSource = "default/dr#spec.trafficPolicy.connectionPool",
                    Limits = new CircuitBreakerConfig(uint.MaxValue, uint.MaxValue, uint.MaxValue, 4),
                    ConnectTimeout = TimeSpan.FromSeconds(2),
                    MeshLimits = new MeshLimitsConfig("ResiliencePolicy/default/p", "default/p#spec", 80, 9),
                },
            },
            static cluster =>
            {
                cluster.Follow(new LimitOrder("ResiliencePolicy/default/p", "c", "meshLimits.maxConnections", 7, 80, 1));
                ShadowStats stats = cluster.Stats.Shadow!;
                stats.RetryOverflow.Add(DateTimeOffset.UnixEpoch);
                stats.ConnectTimeout.Add(DateTimeOffset.UnixEpoch);
                stats.ConnectTimeout.Add(DateTimeOffset.UnixEpoch);
                stats.MeshConnectionOverflow.Add(DateTimeOffset.UnixEpoch);
            });

        Assert.Equal(
            """
            c::shadow::tcp.connectTimeout::would_time_out::2
            c::shadow::http.maxRetries::would_refuse::1
            c::shadow::::would_delay::0
            c::shadow::meshLimits.maxConnections::would_hold_back::1
            c::shadow::meshLimits.maxRequests::would_refuse::0
            c::shadow::now::connections=0 waiting=0 active=0

            """, text);
    }

    [Fact]
    public async Task Text_Budget_TakesThePlaceOfMaxRetries() => Assert.Equal(
        "c::shadow::::would_refuse::0\n",
        await TextAsync(Plain with { Shadow = new ShadowConfig { Limits = new CircuitBreakerConfig(MaxRetries: 4), RetryBudget = new RetryBudgetConfig(Source: "default/dr#spec.trafficPolicy.retryBudget") } }, static _ => { }));

    [Fact]
    public async Task Text_KindsThatEvaluateThemselves_AreThere_InShadowAlone()
    {
        ClusterConfig config = Plain with
        {
            Concurrency = new ConcurrencyConfig { IsShadow = true },
            RateLimits = new RateLimitConfigs(new RateLimitConfig { IsShadow = true, Tokens = 50, Burst = 50 }),
            Breaker = new BreakerConfig { IsShadow = true },
            Fallback = new FallbackConfig { IsShadow = true },
        };

        string text = await TextAsync(
            config,
            static cluster =>
            {
                cluster.Stats.Concurrency!.ShadowRejected.Add(3);
                cluster.Stats.RateLimit!.ShadowLimited.Add(4);
                cluster.Stats.Breaker!.ShadowRejected.Add(5);
                cluster.Stats.Fallback!.Shadow.Add(6);
            });

        Assert.Equal(
            """
            c::shadow::concurrency.maxConcurrentCalls::would_refuse::3
            c::shadow::tokens::would_refuse::4
            c::shadow::::would_refuse::5
            c::shadow::::would_answer::6

            """, text);
        Assert.Equal("", await TextAsync(
            Plain with { Concurrency = new ConcurrencyConfig(), RateLimits = new RateLimitConfigs(new RateLimitConfig { Tokens = 50, Burst = 50 }), Breaker = new BreakerConfig(), Fallback = new FallbackConfig() }, static _ => { }));
    }

    [Fact]
    public async Task Text_BreakerForEachEndpoint_HasOneLineForAllOfThem() => Assert.Equal(
        "c::shadow::per::would_lead_elsewhere::5\n",
        await TextAsync(Plain with { Breaker = new BreakerConfig { IsShadow = true, IsPerEndpoint = true } }, static cluster => cluster.Stats.Breaker!.ShadowRejected.Add(5)));

    private static async Task<string> TextAsync(ClusterConfig config, Action<Cluster> happens)
    {
        ProxyRuntime runtime = new(new FakeTimeProvider(), new Random(1), NullLoggerFactory.Instance);
        ProxyStats stats = new();
        using ClusterManager clusters = new(runtime, new NoConnector(), static _ => { }, stats);
        using SnapshotApplier applier = new(clusters, null, runtime, stats);
        Assert.True((await applier.ApplyAsync(ProxySnapshot.Empty with { Version = "1", Clusters = ProxySnapshot.Empty.Clusters.Add(config.Name, config) })).IsAccepted);
        Cluster cluster = clusters.Find(config.Name)!;
        happens(cluster);
        return ShadowPage.Text(cluster);
    }

    private sealed class NoConnector : IUpstreamConnector
    {
        public ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken) => new(new ConnectResult(null, "none"));
    }
}
