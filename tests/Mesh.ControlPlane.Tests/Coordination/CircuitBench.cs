using System.Globalization;
using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>One shared circuit and its callers, which report when the test says so.</summary>
internal sealed class CircuitBench(BreakerConfig config, DateTimeOffset? speaksFrom = null)
{
    public const string Cluster = "outbound|80||partner.example.com";
    public static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly Dictionary<string, (Reporter Who, CircuitReport Report)> _callers = [];

    /// <summary>Half of at least ten calls of the last ten seconds; open for five seconds; four calls on trial.</summary>
    public static BreakerConfig Config { get; } = new()
    {
        IsMesh = true,
        IsTimeBased = true,
        WindowSize = 10,
        MinimumCalls = 10,
        FailureRate = 50,
        OpenTime = TimeSpan.FromSeconds(5),
        TrialCalls = 4,
        Rule = "CircuitBreaker/default/partner",
    };

    public SharedCircuit Circuit { get; } = new(config, speaksFrom ?? Start, new Random(1));

    public DateTimeOffset Now { get; private set; } = Start;

    /// <summary>Requests in progress, as each caller reports.</summary>
    public Dictionary<string, int?> Loads { get; } = [];

    public List<CircuitChange> Changes { get; } = [];

    public IEnumerable<string> Probers => Circuit.Callers.Where(static c => c.IsProber).Select(static c => c.Reporter.Id).Order(StringComparer.Ordinal);

    /// <summary>Callers <c>a</c>, <c>b</c>, … that have reported once and then a second has passed, so that the circuit speaks.</summary>
    public static CircuitBench With(int callers, BreakerConfig? config = null)
    {
        CircuitBench bench = new(config ?? Config);
        for (int i = 0; i < callers; i++)
        {
            bench.Report(((char)('a' + i)).ToString());
        }

        bench.Wait(1);
        return bench;
    }

    public CircuitBench Wait(double seconds)
    {
        Now += TimeSpan.FromSeconds(seconds);
        return this;
    }

    /// <summary>A caller reports so many calls, and refused ones, more than before; its first report begins at nothing.</summary>
    public CircuitChange? Report(string id, int calls = 0, int failures = 0, int slow = 0, long epoch = -1, int refused = 0)
    {
        (Reporter who, CircuitReport report) = Of(id);
        report.Refused += refused;
        report.Calls += calls;
        report.Failures += failures;
        report.Slow += slow;
        report.Epoch = epoch >= 0 ? epoch : report.Epoch;
        return Take(who, report);
    }

    /// <summary>A caller reports calls on trial that have ended, and how many are under way, under the order it was given last.</summary>
    public CircuitChange? Try(string id, int trials, int failed = 0, int slow = 0, int underWay = 0)
    {
        (Reporter who, CircuitReport report) = Of(id);
        if (Circuit.OrderFor(who, Cluster, Now) is { } order && report.Epoch != order.Epoch)
        {
            (report.Epoch, report.Trials, report.FailedTrials, report.SlowTrials) = (order.Epoch, 0, 0, 0);
        }

        report.Trials += trials;
        report.FailedTrials += failed;
        report.SlowTrials += slow;
        report.TrialsUnderWay = underWay;
        return Take(who, report);
    }

    /// <summary>A caller says from now on that so many requests are in progress at its sidecar, and reports.</summary>
    public CircuitChange? Load(string id, int? requests)
    {
        Loads[id] = requests;
        return Report(id);
    }

    public CircuitChange? Leave(string id)
    {
        Assert.True(_callers.Remove(id, out var caller));
        return Note(Circuit.Forget(caller.Who, Now));
    }

    /// <summary>A caller is not heard of for a lease; it goes on.</summary>
    public CircuitChange? Silence(string id) => Note(Circuit.Forget(Of(id).Who, Now));

    public CircuitChange? Advance() => Note(Circuit.Advance(Now));

    /// <summary>All callers report nothing new.</summary>
    public void ReportAll()
    {
        foreach (string id in _callers.Keys.ToArray())
        {
            Report(id);
        }
    }

    public CircuitOrder? Order(string id) => Circuit.OrderFor(Of(id).Who, Cluster, Now);

    /// <summary>Opens it by calls of all and waits until the trial begins.</summary>
    public CircuitBench HalfOpen()
    {
        Assert.Equal(CircuitState.Closed, Circuit.State);
        foreach (string id in _callers.Keys.ToArray())
        {
            Report(id, 10, 10);
        }

        Assert.Equal(CircuitState.Open, Circuit.State);
        Wait(5).ReportAll();
        Assert.Equal(CircuitState.HalfOpen, Circuit.State);
        return Wait(1);
    }

    private (Reporter Who, CircuitReport Report) Of(string id)
    {
        if (!_callers.TryGetValue(id, out var caller))
        {
            string startedAt = Start.AddSeconds(_callers.Count).ToString("O", CultureInfo.InvariantCulture);
            caller = _callers[id] = (new Reporter(id, $"zone-{id[0]}", startedAt, "127.0.0.1:1"), new CircuitReport { Rule = Config.Rule, Cluster = Cluster });
        }

        return caller;
    }

    private CircuitChange? Take(Reporter who, CircuitReport report)
    {
        Circuit.Report(who, report with { }, Now, Loads.GetValueOrDefault(who.Id));
        return Advance();
    }

    private CircuitChange? Note(CircuitChange? change)
    {
        if (change is not null)
        {
            Changes.Add(change);
        }

        return change;
    }
}
