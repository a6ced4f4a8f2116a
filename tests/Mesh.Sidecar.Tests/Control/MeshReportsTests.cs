using System.Net;
using System.Text.Json;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Control;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Sidecar.Tests.Control;

/// <summary>What a report says of the circuits that all callers share, and in how many bytes.</summary>
public sealed class MeshReportsTests
{
    [Fact]
    public async Task SharedCircuit_IsReportedWithTheRequestsInProgress()
    {
        ProxyStats stats = new();
        stats.Inbound.RqActive.Set(3);
        stats.Outbound.RqActive.Set(4);

        SidecarReport report = await ReportAsync(stats, isMesh: true);

        Assert.Equal(7, report.ActiveRequests);
        Assert.Equal(
            """{"version":"","ready":true,"activeRequests":7,"circuits":[{"rule":"CircuitBreaker/default/p","cluster":"outbound|80||p.test","calls":0,"failures":0,"slow":0,"epoch":0,"trials":0,"failedTrials":0,"slowTrials":0}],"limits":[]}""",
            JsonSerializer.Serialize(report, WireJson.Default.SidecarReport).Replace("\\u007C", "|", StringComparison.Ordinal));
    }

    [Fact]
    public async Task NoSharedCircuit_ReportIsNoLongerThanBefore()
    {
        ProxyStats stats = new();
        stats.Outbound.RqActive.Set(4);

        SidecarReport report = await ReportAsync(stats, isMesh: false);

        Assert.Equal("""{"version":"","ready":true,"circuits":[],"limits":[]}""", JsonSerializer.Serialize(report, WireJson.Default.SidecarReport));
    }

    [Fact]
    public void Report_OfAnOlderSidecar_SaysNothingOfLoadAndRefusals()
    {
        SidecarReport report = JsonSerializer.Deserialize("""{"circuits":[{"rule":"r","cluster":"c"}]}""", WireJson.Default.SidecarReport)!;

        Assert.Equal((null, 0, 0), (report.ActiveRequests, report.Circuits[0].Refused, report.Circuits[0].TrialsUnderWay));
    }

    private static async Task<SidecarReport> ReportAsync(ProxyStats stats, bool isMesh)
    {
        ClusterConfig config = new()
        {
            Name = "outbound|80||p.test",
            ServiceHost = "p.test",
            Port = 80,
            Breaker = new BreakerConfig { IsMesh = isMesh, Rule = "CircuitBreaker/default/p" },
        };
        ProxyRuntime runtime = new(new FakeTimeProvider(), new Random(1), NullLoggerFactory.Instance);
        using ClusterManager clusters = new(runtime, new NoConnector(), static _ => { }, stats);
        using SnapshotApplier applier = new(clusters, null, runtime, stats);
        await applier.ApplyAsync(ProxySnapshot.Empty with { Version = "1", Clusters = ProxySnapshot.Empty.Clusters.Add(config.Name, config) });
        return new MeshReports(clusters, stats).AddTo(new SidecarReport());
    }

    private sealed class NoConnector : IUpstreamConnector
    {
        public ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, System.IO.Pipelines.PipeScheduler? loop, CancellationToken cancellationToken) =>
            new(new ConnectResult(null, "nobody listens"));
    }
}
