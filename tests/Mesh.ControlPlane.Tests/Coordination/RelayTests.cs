using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>Two replicas of which one decides; what the other hands on goes by hand here.</summary>
public sealed class RelayTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly FakeRuleStore _store = new();
    private readonly Replica _leader;
    private readonly Replica _other;

    public RelayTests()
    {
        _store.Add(SharedCircuitsTests.Yaml());
        (_leader, _other) = (new Replica(_store, _time) { Leads = true }, new Replica(_store, _time));
    }

    [Fact]
    public void Callers_OfBothReplicas_AreDecidedOnTogether()
    {
        Settle();
        _leader.Report("a", 5, 5);
        _other.Report("b", 5, 5);
        Task woken = _other.Coordinator.Watch();
        HandOn();

        Assert.True(woken.IsCompleted);
        Assert.Equal((CircuitState.Open, CircuitState.Open), (_leader.Order("a")!.State, _other.Order("b")!.State));
        Assert.Equal(_leader.Order("a")!.Epoch, _other.Report("b").Circuits.Single().Epoch);
        woken = _other.Coordinator.Watch();
        HandOn();
        Assert.False(woken.IsCompleted); // the same again
    }

    [Fact]
    public void Leader_IsAway_OrdersEndAfterALease()
    {
        Settle();
        Assert.NotNull(_other.Order("b"));
        for (int second = 0; second < 3; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            _other.Report("b");
        }

        Assert.Null(_other.Order("b"));
    }

    [Fact]
    public void Leader_IsAway_ItsLastWordIsPassedOnForAsLongAsItHolds()
    {
        Settle();
        int ttl = _other.Order("b")!.TtlMilliseconds;
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal((10_000, 9_000), (ttl, _other.Report("b").Circuits.Single().TtlMilliseconds));
        Assert.Equal(0, CircuitOrders.Aged(_other.Order("b")!, TimeSpan.FromSeconds(11)).TtlMilliseconds);
    }

    [Fact]
    public void Leader_IsAway_WhatIsOverIsNotPassedOn()
    {
        Settle();
        SidecarOrders shortLived = new() { Circuits = [_other.Order("b")! with { TtlMilliseconds = 900 }] };
        _other.Coordinator.Run(now => (true, _other.Relay.Take(new ReplicaOrders { Orders = System.Collections.Immutable.ImmutableDictionary<string, SidecarOrders>.Empty.Add("b", shortLived) }, now)));
        Assert.NotNull(_other.Order("b"));

        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Null(_other.Order("b"));
    }

    [Fact]
    public void Caller_LeavesTheOther_IsForgottenAtOnce()
    {
        Settle();
        _other.Coordinator.Forget("b");
        HandOn();

        Assert.Null(_leader.Coordinator.OrdersFor("b"));
    }

    [Fact]
    public void Caller_GoesFromTheOtherToTheLeader_IsTheSame()
    {
        Settle();
        _other.Report("b", 4, 4);
        HandOn();
        for (int second = 0; second < 4; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            _other.Report("z");
            _leader.Report("b", _other, 1, 1);
            HandOn(); // and the other forgets it meanwhile
        }

        Assert.NotNull(_leader.Order("b"));
        Assert.Equal(8, _leader.Circuits.All.Single().Circuit.Calls.Calls);
    }

    [Fact]
    public void Other_BeginsToLead_WaitsUntilTheFormersOrdersHaveEnded()
    {
        Settle();
        _other.Report("b"); // it has an order of the former in force
        (_leader.Leads, _other.Leads) = (false, true);
        for (int second = 0; second < 9; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            _other.Report("n", epoch: 0); // has none
            Assert.Empty(_other.Report("b", epoch: 7).Circuits);
            Assert.Null(_other.Order("n"));
        }

        _other.Report("b", epoch: 0);

        Assert.Equal(CircuitState.Closed, _other.Order("n")!.State);
        Assert.Null(_leader.Coordinator.Relay(new ReplicaReport())); // it says that it decides no more
    }

    [Fact]
    public void Other_BeginsToLead_SaysNothingUntilAllReplicasCallersAreKnown()
    {
        (_leader.Leads, _other.Leads) = (false, true);
        for (int second = 0; second < 8; second++)
        {
            _other.Report("n");
            Assert.Null(_other.Order("n"));
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        _other.Report("n");

        Assert.NotNull(_other.Order("n"));
    }

    [Fact]
    public void Relay_NotLeading_SaysSo() => Assert.Null(_other.Coordinator.Relay(new ReplicaReport()));

    [Fact]
    public void Relay_OneCallerIsBad_TheOthersAreServed()
    {
        CircuitReport good = new() { Rule = SharedCircuitsTests.Rule, Cluster = CircuitBench.Cluster };
        ReplicaReport report = new()
        {
            Gone = [null!],
            Callers =
            [
                null!,
                new ReplicaCaller { Id = "null", Report = new SidecarReport { Circuits = [null!] } },
                new ReplicaCaller { Id = "many", Report = new SidecarReport { Circuits = [.. Enumerable.Repeat(good, ReportCheck.Most + 1)] } },
                new ReplicaCaller { Id = "good", Report = new SidecarReport { Circuits = [good] } },
                new ReplicaCaller { Id = "keys", Report = new SidecarReport { Circuits = [good], Limits = [.. Enumerable.Range(0, ReportCheck.Most + 1).Select(static n => new LimitReport { Rule = "r", Cluster = "c", Limit = "tokens", Key = n.ToString("x32") })] } },
            ],
        };

        Assert.Equal(["good", "keys"], _leader.Coordinator.Relay(report)!.Orders.Keys.Order(StringComparer.Ordinal));
        Assert.NotNull(_leader.Coordinator.OrdersFor("good"));
        _other.Report("b");
        Assert.False(_other.Coordinator.Run(now => (_other.Relay.Take(new ReplicaOrders { Orders = System.Collections.Immutable.ImmutableDictionary<string, SidecarOrders>.Empty.Add("b", null!) }, now), false)));
    }

    private void Settle()
    {
        for (int second = 0; second < 9; second++)
        {
            _leader.Report("a");
            _other.Report("b");
            HandOn();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        _leader.Report("a");
        _other.Report("b");
        HandOn();
    }

    private void HandOn()
    {
        if (_other.Coordinator.Run(_ => (_other.Relay.Collect(), false)) is { } report)
        {
            ReplicaOrders orders = _leader.Coordinator.Relay(report)!;
            _other.Coordinator.Run(now => (true, _other.Relay.Take(orders, now)));
        }
    }

    private sealed class Replica
    {
        private readonly Dictionary<string, CircuitReport> _reports = [];

        public Replica(FakeRuleStore store, TimeProvider time)
        {
            Relay = new RelayedReports(time);
            Circuits = new SharedCircuits(store, time, new Random(1), NullLogger<SharedCircuits>.Instance, ReplicaLink.Settling);
            Coordinator = new MeshCoordinator(time, [Circuits], (() => Leads, Relay));
        }

        public bool Leads { get; set; }

        public RelayedReports Relay { get; }

        public SharedCircuits Circuits { get; }

        public MeshCoordinator Coordinator { get; }

        public CircuitOrder? Order(string id) => Coordinator.OrdersFor(id)?.Circuits.SingleOrDefault();

        public void Report(string id, Replica from, int calls, int failures)
        {
            _reports.TryAdd(id, from._reports[id]);
            Report(id, calls, failures);
        }

        public SidecarOrders Report(string id, int calls = 0, int failures = 0, long? epoch = null)
        {
            CircuitReport report = _reports.TryGetValue(id, out CircuitReport? known) ? known
                : _reports[id] = new CircuitReport { Rule = SharedCircuitsTests.Rule, Cluster = CircuitBench.Cluster };
            report.Calls += calls;
            report.Failures += failures;
            report.Epoch = epoch ?? report.Epoch;
            SidecarOrders orders = Coordinator.Report(new Reporter(id, "", "2030-01-01T00:00:00Z", "127.0.0.1:1"), new SidecarReport { Circuits = [report with { }] })!;
            report.Epoch = orders.Circuits.FirstOrDefault()?.Epoch ?? report.Epoch;
            return orders;
        }
    }
}
