using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using System.Text.Json;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Admin;
using Mesh.Sidecar.Control;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

/// <summary>Shares of limits: reported, ordered and shown.</summary>
public sealed class SharePageTests
{
    [Fact]
    public void WriteConfig_Limits_AreThere() => Assert.Equal(
        """{"mesh_limits":{"source":"default/p#spec","max_connections":80,"max_requests":0}}""", Written(new MeshLimitsConfig("ResiliencePolicy/default/p", "default/p#spec", 80)));

    [Fact]
    public void WriteConfig_WithoutLimits_SaysSo() => Assert.Equal("""{"mesh_limits":null}""", Written(null));

    [Fact]
    public async Task Orders_ReachTheirCluster_AndTheNextReportSaysSo()
    {
        ClusterConfig config = new()
        {
            Name = "outbound|80||p.test",
            ServiceHost = "p.test",
            Port = 80,
            MeshLimits = new MeshLimitsConfig("ResiliencePolicy/default/p", "default/p#spec", 80, 9),
            RateLimits = new RateLimitConfigs(new RateLimitConfig { IsMesh = true, Rule = "RateLimit/default/p", Tokens = 50, Burst = 50 }),
        };
        ProxyRuntime runtime = new(new FakeTimeProvider(), new Random(1), NullLoggerFactory.Instance);
        ProxyStats stats = new();
        using ClusterManager clusters = new(runtime, new NoConnector(), static _ => { }, stats);
        using SnapshotApplier applier = new(clusters, null, runtime, stats);
        await applier.ApplyAsync(ProxySnapshot.Empty with { Version = "1", Clusters = ProxySnapshot.Empty.Clusters.Add(config.Name, config) });
        int smaller = 0;
        clusters.OnSmallerShare = () => smaller++;
        MeshOrders orders = new(clusters);
        MeshReports reports = new(clusters, stats);
        Assert.Equal("0 0 0", string.Join(' ', reports.AddTo(new SidecarReport()).Limits.Select(static l => l.Share)));

        orders.Take(new SidecarOrders { Limits = [Order("ResiliencePolicy/default/p", "meshLimits.maxConnections", 7, 1), Order("RateLimit/default/p", "tokens", 12, 1)] });
        orders.Take(new SidecarOrders { Limits = [Order("ResiliencePolicy/default/p", "meshLimits.maxConnections", 5, 2), Order("ResiliencePolicy/default/q", "meshLimits.maxRequests", 5, 2)] });

        Assert.Equal(
            "tokens=12@1 meshLimits.maxConnections=5@2 meshLimits.maxRequests=0@0",
            string.Join(' ', reports.AddTo(new SidecarReport()).Limits.Select(static l => FormattableString.Invariant($"{l.Limit}={l.Share}@{l.Epoch}"))));
        Assert.Equal(1, smaller);
        Assert.Equal(
            """
            outbound|80||p.test::share::meshLimits.maxConnections::5 of 80, in use 0, rule ResiliencePolicy/default/p
            outbound|80||p.test::share::meshLimits.maxRequests::1 of 9, in use 0, rule ResiliencePolicy/default/p
            outbound|80||p.test::share::tokens::12 of 50, in use 0, rule RateLimit/default/p

            """,
            SharePage.Text(clusters.Find(config.Name)!));
    }

    private sealed class NoConnector : IUpstreamConnector
    {
        public ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken) =>
            new(new ConnectResult(null, "nobody listens"));
    }

    private static LimitOrder Order(string rule, string limit, int share, long epoch) => new(rule, "outbound|80||p.test", limit, share, 80, epoch);

    private static string Written(MeshLimitsConfig? config)
    {
        ArrayBufferWriter<byte> written = new();
        using (Utf8JsonWriter json = new(written))
        {
            json.WriteStartObject();
            SharePage.WriteConfig(json, config);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(written.WrittenSpan);
    }
}
