using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

public sealed class SharedCircuitsTests : IDisposable
{
    public const string Rule = "CircuitBreaker/default/partner";
    private static readonly RuleKey Key = new("CircuitBreaker", "default", "partner");
    private readonly FakeTimeProvider _time = new();
    private readonly FakeRuleStore _store = new();
    private readonly RecordingLoggerFactory _logs = new();
    private readonly SharedCircuits _circuits;
    private readonly MeshCoordinator _coordinator;
    private readonly Dictionary<string, CircuitReport> _reports = [];
    private readonly Dictionary<string, int> _loads = [];

    public SharedCircuitsTests()
    {
        _store.Add(Yaml());
        _circuits = new SharedCircuits(_store, _time, new Random(1), new Logger<SharedCircuits>(_logs));
        _coordinator = new MeshCoordinator(_time, [_circuits]);
    }

    public static string Yaml(string extra = "") => $$"""
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: CircuitBreaker
        metadata: {name: partner, namespace: default, uid: u-1}
        spec:
          host: partner.example.com
          scope: mesh
          slidingWindowType: TIME_BASED
          slidingWindowSize: 10
          minimumNumberOfCalls: 10
          waitDurationInOpenState: 5s
          permittedNumberOfCallsInHalfOpenState: 4
          {{extra}}
        """;

    public void Dispose() => _logs.Dispose();

    [Fact]
    public void Threshold_IsPassed_WakesTheStreamsOfAllAndIsLogged()
    {
        Settle("a", "b");
        Task changed = _coordinator.Watch();

        CircuitOrder own = Report("a", 20, 20).Circuits.Single();

        Assert.True(changed.IsCompleted);
        Assert.Equal((CircuitState.Open, own.Epoch), (Order("b")!.State, Order("b")!.Epoch));
        Assert.Contains((LogLevel.Information, $"Circuit {CircuitBench.Cluster} ({Rule}): closed -> open, failure_rate; 20 of 20 calls failed, 0 slow"), _logs.Entries);
    }

    [Fact]
    public void Nothing_IsDecidedAnew_WakesNobody()
    {
        Settle("a", "b");
        Task changed = _coordinator.Watch();

        Report("a", 5, 1);

        Assert.False(changed.IsCompleted);
    }

    [Fact]
    public void Prober_IsSilent_AnotherIsToldAtOnce()
    {
        Settle("a", "b", "c", "d");
        Report("a", 20, 20);
        Report("b", 20, 20);
        Tick(6, "a", "b", "c", "d");
        Assert.Equal((2, 0), (Order("a")!.Trials, Order("c")!.Trials)); // those that called: the first and the last of them
        Task changed = _coordinator.Watch();

        Tick(3, "b", "c", "d");

        Assert.True(changed.IsCompleted);
        Assert.Equal(4, Order("b")!.Trials);
        Assert.Null(_coordinator.OrdersFor("a"));
        Assert.DoesNotContain(_circuits.Events.Last, static e => e.Text.Contains("probers", StringComparison.Ordinal)); // it may go on all day
        Assert.All(_logs.Entries.Where(static e => e.Text.Contains("probers", StringComparison.Ordinal)), static e => Assert.Equal(LogLevel.Debug, e.Level));
        Assert.Contains(_logs.Entries, static e => e.Text.Contains("probers", StringComparison.Ordinal));
    }

    [Theory]
    [EffectOf("CircuitBreaker", "probers.mode")]
    [EffectOf("CircuitBreaker", "probers.count")]
    [InlineData("probers: {mode: lowest-load, count: 3}", "0 1 2 1 0")]
    [InlineData("probers: {mode: lowest-load}", "0 0 2 2 0")]
    [InlineData("probers: {mode: first-and-last}", "2 0 0 0 2")]
    [InlineData("", "2 0 0 0 2")]
    public void Rule_SaysWhoTries(string probers, string expected)
    {
        _store.Add(Yaml(probers));
        string[] ids = ["a", "b", "c", "d", "e"];
        int[] loads = [40, 12, 1, 5, 30];
        Settle(ids);
        for (int second = 0; second <= 5; second++)
        {
            for (int i = 0; i < ids.Length; i++)
            {
                (_loads[ids[i]], CircuitReport report) = (loads[i], _reports[ids[i]]);
                report.Refused++;
                Report(ids[i], 10, 10);
            }

            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(expected, string.Join(' ', ids.Select(id => Order(id)!.Trials)));
    }

    [Theory]
    [InlineData("state: forcedOpen")]
    [InlineData("state: metricsOnly")]
    public void Rule_SaysTheStateItself_HasNoOrders(string state)
    {
        _store.Add(Yaml(state));
        Settle("a");

        Assert.Empty(Report("a").Circuits);
    }

    [Fact]
    public void Rule_IsUnknownOrOfOneSidecar_HasNoOrders()
    {
        _store.Add(Yaml().Replace("scope: mesh", "scope: sidecar", StringComparison.Ordinal));
        _reports["a"] = new CircuitReport { Rule = Rule, Cluster = CircuitBench.Cluster };
        _reports["b"] = new CircuitReport { Rule = "CircuitBreaker/default/other", Cluster = CircuitBench.Cluster };
        _reports["c"] = new CircuitReport { Rule = "CircuitBreaker", Cluster = CircuitBench.Cluster };
        Settle("a", "b", "c");

        Assert.All("abc", id => Assert.Empty(Report(id.ToString()).Circuits));
        Assert.Empty(_circuits.All);
    }

    [Fact]
    public void Rule_IsDeleted_CircuitIsForgotten()
    {
        Settle("a");
        Report("a", 20, 20);
        _store.Delete(Key);

        Assert.Empty(Report("a").Circuits);
        Assert.Empty(_circuits.All);
    }

    [Fact]
    public void Rule_Changes_HoldsAtOnce()
    {
        Settle("a");
        Report("a", 20, 9);
        _store.Add(Yaml("failureRateThreshold: 40"));

        Assert.Equal((CircuitState.Open, 40), (Report("a").Circuits.Single().State, Order("a")!.Limit));
    }

    [Fact]
    public void Open_AllCallersLeave_IsRememberedForAWhile()
    {
        Settle("a");
        Report("a", 20, 20);
        _coordinator.Report(Who("a"), new SidecarReport());
        _time.Advance(TimeSpan.FromSeconds(60));
        Look();
        Assert.Equal(CircuitState.HalfOpen, Report("b").Circuits.Single().State); // its wait is over

        _coordinator.Report(Who("b"), new SidecarReport());
        _time.Advance(SharedCircuits.Memory);
        Look();
        Assert.Empty(_circuits.All);
    }

    [Fact]
    public void SickCaller_IsSaidInStatusLogAndEvents_AsLongAsItIs()
    {
        int told = 0;
        _circuits.WarningsChanged += () => told++;
        Settle("a", "b", "c");
        Report("a", 20);
        Report("b", 20);
        Report("c", 20, 20);

        string message = Assert.Single(_circuits.Warnings(Key)).Message;
        Assert.Equal($"c alone fails to call partner.example.com, the other callers do not: look at it and its network; the circuit of {CircuitBench.Cluster} does not open for that", message);
        Assert.Contains("c alone fails", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
        Assert.Equal(1, told);
        Tick(10, "a", "b", "c");
        Assert.Empty(_circuits.Warnings(Key));
        Assert.Contains(_circuits.Events.Last, static e => e.Text.EndsWith("c no longer fails alone", StringComparison.Ordinal));
    }

    [Fact]
    public void ByHand_HoldsForCallersThatComeLaterAndEndsByItself()
    {
        Settle("a");
        ForcedState forced = new("open", _circuits.At(_time.GetTimestamp()).AddSeconds(30), "maintenance", "ops");
        _coordinator.Run(now => (_circuits.Force("partner.example.com", forced, now), true));
        _reports["z"] = new CircuitReport { Rule = Rule, Cluster = "outbound|443|v2|partner.example.com" };

        Assert.Equal(CircuitState.Open, Report("z").Circuits.Single().State);
        Assert.Equal(2, _circuits.Warnings(Key).Length);
        Assert.Equal("by hand the circuit of outbound|443|v2|partner.example.com is open until 2030-01-01T00:00:35Z: maintenance (ops)", _circuits.Warnings(Key)[0].Message);
        Tick(30, "a", "z");
        Assert.Equal((CircuitState.Closed, CircuitState.Closed), (Order("a")!.State, Order("z")!.State));
        Assert.Empty(_circuits.Warnings(Key));
    }

    [Fact]
    public void ByHand_AllCallersLeave_EndsInTheStatusToo()
    {
        Settle("a");
        ForcedState forced = new("open", _circuits.At(_time.GetTimestamp()).AddSeconds(30), "maintenance", "ops");
        _coordinator.Run(now => (_circuits.Force("partner.example.com", forced, now), true));
        _coordinator.Report(Who("a"), new SidecarReport());
        Assert.Single(_circuits.Warnings(Key));

        _time.Advance(TimeSpan.FromSeconds(30));
        Look();

        Assert.Empty(_circuits.Warnings(Key));
        Assert.Empty(_circuits.All);
    }

    [Fact]
    public void ClockOfAControlPlane_WasWrong_IsSaidUntilTimeHasCaughtUp()
    {
        Settle("a");
        _reports["a"].Epoch = _time.GetUtcNow().AddHours(2).ToUnixTimeMilliseconds();
        Report("a");

        Assert.True(Order("a")!.Epoch > _time.GetUtcNow().AddHours(2).ToUnixTimeMilliseconds());
        Assert.Contains("have numbers of 2030-01-01T02:00:05Z, a time that has not come", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
        Assert.Contains("look at the clocks", Assert.Single(_circuits.Warnings(Key)).Message, StringComparison.Ordinal);
        Assert.True(_circuits.All.Single().Said.IsAhead);
        for (int minute = 0; minute < 120; minute++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            Report("a");
        }

        Assert.Empty(_circuits.Warnings(Key));
        Assert.Single(_logs.Warnings);
    }

    [Fact]
    public void Caller_NamesADecisionThatNobodyCanHaveMade_IsSaidUntilItLeaves()
    {
        Settle("a", "b");
        _reports["a"].Epoch = long.MaxValue;
        Report("a");

        Assert.Contains("a says that it follows a decision", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
        Assert.Contains("restart its sidecar", Assert.Single(_circuits.Warnings(Key)).Message, StringComparison.Ordinal);
        Assert.NotNull(Order("b")); // the others are served
        _coordinator.Report(Who("a"), new SidecarReport());
        Assert.Empty(_circuits.Warnings(Key));
    }

    [Fact]
    public void Status_OfARuleWithManyCircuits_SaysTheFirst()
    {
        SidecarReport many = new() { Circuits = [.. Enumerable.Range(100, 30).Select(static port => new CircuitReport { Rule = Rule, Cluster = $"outbound|{port}||partner.example.com" })] };
        _coordinator.Report(Who("a"), many);
        ForcedState forced = new("open", _circuits.At(_time.GetTimestamp()).AddSeconds(30), "maintenance", "ops");
        _coordinator.Run(now => (_circuits.Force("partner.example.com", forced, now), true));

        Assert.Equal(SharedCircuits.MostFindings, _circuits.Warnings(Key).Length);
        Assert.Contains("outbound|119||", _circuits.Warnings(Key)[^1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Circuits_WithNothingToSay_GoWithoutAWord()
    {
        int told = 0;
        _circuits.WarningsChanged += () => told++;
        Settle("a");

        _coordinator.Report(Who("a"), new SidecarReport());

        Assert.Empty(_circuits.All);
        Assert.Equal(0, told);
    }

    [Fact]
    public void Orders_OfACaller_AreOfWhatItReportsNow()
    {
        Settle("a");
        SidecarReport both = new() { Circuits = [_reports["a"], _reports["a"] with { Cluster = "outbound|81||partner.example.com", Epoch = 0 }] };
        Assert.Equal(2, _coordinator.Report(Who("a"), both)!.Circuits.Length);

        Assert.Single(Report("a").Circuits);
        Assert.Single(_circuits.All);
    }

    private static Reporter Who(string id) => new(id, "", $"2030-01-01T00:00:{id[0] - 'a':00}Z", "127.0.0.1:1");

    private void Look() => _coordinator.Run(static _ => (true, false));

    private void Settle(params string[] ids)
    {
        Tick(5, ids); // a lease of silence, and the shortest time of a state
    }

    private void Tick(int seconds, params string[] ids)
    {
        for (int second = 0; second < seconds; second++)
        {
            Array.ForEach(ids, id => Report(id));
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Array.ForEach(ids, id => Report(id));
    }

    private SidecarOrders Report(string id, int calls = 0, int failures = 0)
    {
        CircuitReport report = _reports.TryGetValue(id, out CircuitReport? known) ? known : _reports[id] = new CircuitReport { Rule = Rule, Cluster = CircuitBench.Cluster };
        report.Calls += calls;
        report.Failures += failures;
        SidecarOrders orders = _coordinator.Report(Who(id), new SidecarReport { Circuits = [report with { }], ActiveRequests = _loads.TryGetValue(id, out int load) ? load : null })!;
        report.Epoch = orders.Circuits.FirstOrDefault()?.Epoch ?? 0;
        return orders;
    }

    private CircuitOrder? Order(string id) => _coordinator.OrdersFor(id)?.Circuits.Single();
}
