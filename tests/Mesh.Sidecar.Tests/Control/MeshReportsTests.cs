using System.Collections.Immutable;
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
    public void Fit_MoreKeysThanAReportHasRoomFor_AllWholeLimitsAreInIt_AndTheKeysDivideTheRest()
    {
        LimitReport[] all = [.. Enumerable.Range(0, 8).SelectMany(static n => Enumerable.Range(0, 65).Select(k => Of($"outbound|80||p{n}.test", k == 0 ? "" : $"{k}", 100 * k)))];

        (ImmutableArray<LimitReport> reports, int mostKeys) = MeshReports.Fit(all);

        Assert.Equal((MeshReports.Most, 8), (reports.Length, reports.Count(static l => l.Key.Length == 0)));
        Assert.All(reports.Skip(8), static l => Assert.InRange(l.Wanted, 1600, 6400)); // those that want most
        Assert.Equal((MeshReports.Most - 8) / 8, mostKeys);
    }

    [Theory]
    [InlineData(0, MeshReports.Most)]
    [InlineData(1, MeshReports.Most - 1)]
    [InlineData(600, 0)]
    public void Fit_NoKeys_LeavesThemWhatIsLeft(int whole, int mostKeys)
    {
        (ImmutableArray<LimitReport> reports, int most) = MeshReports.Fit([.. Enumerable.Range(0, whole).Select(static n => Of($"{n}", "", 1))]);

        Assert.Equal((Math.Min(whole, MeshReports.Most), mostKeys), (reports.Length, most));
    }

    [Fact]
    public void Report_OfAnOlderSidecar_SaysNothingOfLoadAndRefusals()
    {
        SidecarReport report = JsonSerializer.Deserialize("""{"circuits":[{"rule":"r","cluster":"c"}]}""", WireJson.Default.SidecarReport)!;

        Assert.Equal((null, 0, 0), (report.ActiveRequests, report.Circuits[0].Refused, report.Circuits[0].TrialsUnderWay));
    }

    private static LimitReport Of(string cluster, string key, int wanted) => new() { Rule = "RateLimit/default/users", Cluster = cluster, Limit = "tokens", Key = key, Wanted = wanted };

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
