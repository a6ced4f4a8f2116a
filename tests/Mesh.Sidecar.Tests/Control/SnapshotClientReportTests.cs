using System.Collections.Immutable;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Sidecar.Tests.Control;

/// <summary>Reports of a sidecar, and the orders that come in return.</summary>
public sealed class SnapshotClientReportTests : IAsyncLifetime
{
    private readonly SnapshotBench _bench = new();

    public Task InitializeAsync() => _bench.InitializeAsync();

    public Task DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task Reports_ComeAtTheInterval_WithTheVersionInForce()
    {
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Full("v1"));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);

        _bench.Time.Advance(TimeSpan.FromMilliseconds(200));
        SidecarReport report = await FakeControlPlane.NextAsync(_bench.Control.Reports);

        Assert.Equal(("v1", true), (report.Version, report.Ready));
        await _bench.Client.LeaveAsync(CancellationToken.None);
        await Eventually.HoldsAsync(() => _bench.Control.Reports.Reader.TryRead(out SidecarReport? last) && !last.Ready, "the last report says that it leaves");
    }

    [Fact]
    public async Task Orders_AreTakenFromTheAnswerToAReport_AndFromTheStream()
    {
        _bench.Control.Orders = Closed("by answer", 1);
        _bench.Start();
        await FakeControlPlane.NextAsync(_bench.Control.LastEventIds);
        Assert.Equal(0, _bench.Ordered.Reader.Count);

        _bench.Time.Advance(TimeSpan.FromMilliseconds(200));
        CircuitOrder answered = Assert.Single((await FakeControlPlane.NextAsync(_bench.Ordered)).Circuits);
        _bench.Control.Push(Closed("by stream", 2));
        CircuitOrder streamed = Assert.Single((await FakeControlPlane.NextAsync(_bench.Ordered)).Circuits);

        Assert.Equal(("by answer", 1, "by stream", 2), (answered.Cluster, answered.Epoch, streamed.Cluster, streamed.Epoch));
    }

    [Fact]
    public async Task EmptyAnswer_OrdersNothing()
    {
        _bench.Start();
        await FakeControlPlane.NextAsync(_bench.Control.LastEventIds);
        _bench.Time.Advance(TimeSpan.FromMilliseconds(200));

        Assert.Empty((await FakeControlPlane.NextAsync(_bench.Ordered)).Circuits);
    }

    [Fact]
    public async Task Reports_HoldWhatAllCallersShare_AndDoNotWaitWhenThereIsNews()
    {
        _bench.Start();
        await Eventually.HoldsAsync(() => _bench.Time.DueIn.Contains(TimeSpan.FromMilliseconds(200)), "the beat has begun");

        _bench.Client.ReportSoon();
        _bench.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal("c", Assert.Single((await FakeControlPlane.NextAsync(_bench.Control.Reports)).Circuits).Cluster);
        await Eventually.HoldsAsync(() => _bench.Time.DueIn.Contains(TimeSpan.FromMilliseconds(200)), "the next is due at its time");

        _bench.Client.ReportSoon();
        _bench.Time.Advance(TimeSpan.FromMilliseconds(99));
        _bench.Client.ReportSoon(); // does not put it off
        Assert.False(_bench.Control.Reports.Reader.TryPeek(out _));
        _bench.Time.Advance(TimeSpan.FromMilliseconds(1));
        await FakeControlPlane.NextAsync(_bench.Control.Reports);
    }

    private static SidecarOrders Closed(string cluster, long epoch) =>
        new() { Circuits = [new CircuitOrder("CircuitBreaker/default/cb", cluster, CircuitState.Closed, epoch, 10_000, 0, 0, "", 0, 0)] };
}
