using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

public sealed class MeshCoordinatorTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Part _part = new();
    private readonly MeshCoordinator _coordinator;

    public MeshCoordinatorTests() => _coordinator = new MeshCoordinator(_time, [_part]);

    [Fact]
    public void Report_SharesNothing_HasNoOrdersAndNobodyHearsOfIt()
    {
        Assert.Null(_coordinator.Report(Caller("a"), new SidecarReport()));
        Assert.Empty(_part.Heard);
        Assert.Null(_coordinator.OrdersFor("a"));
    }

    [Fact]
    public void Report_SharesSomething_GetsItsOrders()
    {
        SidecarOrders orders = _coordinator.Report(Caller("a"), Shared())!;

        Assert.Equal("a", Assert.Single(orders.Limits).Rule);
        Assert.Equal("a", Assert.Single(_coordinator.OrdersFor("a")!.Limits).Rule);
    }

    [Fact]
    public void Report_OrdersOfOthersChange_WakesOnlyThen()
    {
        Task before = _coordinator.Watch();
        _coordinator.Report(Caller("a"), Shared());
        Assert.False(before.IsCompleted);

        _part.IsChanging = true;
        _coordinator.Report(Caller("a"), Shared());

        Assert.True(before.IsCompleted);
        Assert.False(_coordinator.Watch().IsCompleted);
    }

    [Fact]
    public void Silence_OfOneForALease_ForgetsIt()
    {
        _coordinator.Report(Caller("a"), Shared());
        _coordinator.Report(Caller("b"), Shared());
        for (int second = 0; second < 3; second++)
        {
            Assert.NotNull(_coordinator.OrdersFor("b"));
            _time.Advance(TimeSpan.FromSeconds(1));
            _coordinator.Report(Caller("a"), Shared());
        }

        Assert.Null(_coordinator.OrdersFor("b"));
        Assert.Equal("forget b", _part.Heard[^2]);
    }

    [Fact]
    public void Silence_OfAll_WasOurOwn()
    {
        _coordinator.Report(Caller("a"), Shared());
        _coordinator.Report(Caller("b"), Shared());
        _time.Advance(TimeSpan.FromMinutes(1)); // suspended

        _coordinator.Report(Caller("a"), Shared());

        Assert.NotNull(_coordinator.OrdersFor("b"));
    }

    [Fact]
    public void Report_NextProcessOfTheSameId_IsAnother()
    {
        _coordinator.Report(Caller("a"), Shared());
        _coordinator.Report(Caller("a", "2030-01-02T00:00:00Z"), Shared());
        _coordinator.Report(Caller("a", "2030-01-02T00:00:00Z"), new SidecarReport());

        Assert.Equal(["report a", "forget a", "report a", "forget a"], _part.Heard);
    }

    [Fact]
    public async Task Run_NobodyReports_TimePassesAllTheSame()
    {
        using CancellationTokenSource stop = new();
        _part.IsChanging = true;
        Task changed = _coordinator.Watch();
        Task loop = _coordinator.RunAsync(stop.Token);
        await Eventually.HoldsAsync(() => _time.ArmedTimers == 1, "the loop waits");

        _time.Advance(MeshCoordinator.AdvanceInterval);

        await changed.WaitAsync(TimeSpan.FromSeconds(10));
        await stop.CancelAsync();
        await loop.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Run_TheOnlyCallerIsSilentForALease_ForgetsIt()
    {
        using CancellationTokenSource stop = new();
        _coordinator.Report(Caller("a"), Shared());
        Task loop = _coordinator.RunAsync(stop.Token);
        for (int second = 0; second < 4; second++)
        {
            await Eventually.HoldsAsync(() => _time.ArmedTimers == 1, "the loop waits");
            _time.Advance(MeshCoordinator.AdvanceInterval);
        }

        await Eventually.HoldsAsync(() => _coordinator.OrdersFor("a") is null, "it is forgotten");
        await stop.CancelAsync();
        await loop.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void Compare_IsTheOrderOfDeployment()
    {
        Reporter[] sorted = [Caller("x", ""), Caller("b", "2030-01-02T00:00:00Z"), Caller("c", "2030-01-01T23:00:00-02:00"), Caller("a", "2030-01-02T00:00:00Z")];
        Array.Sort(sorted, Reporter.Compare);

        Assert.Equal(["a", "b", "c", "x"], sorted.Select(static r => r.Id));
    }

    private static Reporter Caller(string id, string startedAt = "2030-01-01T00:00:00Z") => new(id, "", startedAt, "127.0.0.1:1");

    private static SidecarReport Shared() => new() { Limits = [new LimitReport { Rule = "r", Cluster = "c", Limit = "l" }] };

    private sealed class Part : ICoordinated
    {
        public List<string> Heard { get; } = [];

        public bool IsChanging { get; set; }

        public bool Report(Reporter reporter, SidecarReport report, long now) => Note($"report {reporter.Id}");

        public bool Forget(Reporter reporter, long now) => Note($"forget {reporter.Id}");

        public bool Advance(long now) => IsChanging;

        public void AddOrders(Reporter reporter, SidecarOrders orders, long now) => orders.Limits = orders.Limits.Add(new LimitOrder(reporter.Id, "c", "l", 1, 2, 1));

        private bool Note(string what)
        {
            Heard.Add(what);
            return IsChanging;
        }
    }
}
