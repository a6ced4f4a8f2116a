using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// One circuit that all callers share: resilience4j's machine on the sum of what they report. The rule's machine in a sidecar is asked by each call; this one is told once a second,
/// by each caller, and acts then. Time is an argument that never goes back: the wall time of our start and what has passed since. Not thread-safe; nothing is called out.
/// </summary>
internal sealed class SharedCircuit
{
    /// <summary>Shortest time between two changes of state.</summary>
    public static readonly TimeSpan ShortestState = TimeSpan.FromSeconds(1);

    /// <summary>Longest time that a caller's word is waited for before one caller alone opens the circuit for all.</summary>
    public static readonly TimeSpan Confirmation = TimeSpan.FromSeconds(1.25);

    private const int FewCallers = 32;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100); // a thousand callers need not be judged a thousand times a second

    private const long MostAhead = 60_000; // milliseconds by which clocks that somebody keeps may differ
    private const long MostEpoch = long.MaxValue / 2; // what is above leaves no room to count on
    private static readonly long HighestClock = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private readonly Dictionary<string, CircuitCaller> _callers = new(StringComparer.Ordinal);
    private readonly DateTimeOffset _speaksFrom;
    private readonly Random _random;
    private RateThreshold[] _limits;
    private SharedWindow _window;
    private long _highestEpoch; // that anybody reported and that a clock can show
    private DateTimeOffset _judgedAt;
    private DateTimeOffset? _suspectedAt; // since when one caller alone makes the sum pass
    private int _openings; // since it was last closed
    private bool _hasNews; // calls that nobody has judged
    private SharedTrial? _trial; // while it is half-open

    /// <summary>A circuit that nobody has been told of. It is closed.</summary>
    /// <param name="config">Its rule.</param>
    /// <param name="speaksFrom">Before that it only listens: callers may hold orders of the process before us.</param>
    /// <param name="random">Chance, for elections.</param>
    public SharedCircuit(BreakerConfig config, DateTimeOffset speaksFrom, Random random)
    {
        (Config, _speaksFrom, _random) = (config, speaksFrom, random);
        _limits = RateThreshold.Of(config);
        _window = new SharedWindow(config.IsTimeBased, config.WindowSize);
    }

    /// <summary>The rule in force.</summary>
    public BreakerConfig Config { get; private set; }

    /// <summary>The state.</summary>
    public CircuitState State { get; private set; }

    /// <summary>Since when it is in this state.</summary>
    public DateTimeOffset Since { get; private set; }

    /// <summary>Number of the decision; 0 while nothing is decided.</summary>
    public long Epoch { get; private set; }

    /// <summary>How long it stays open.</summary>
    public TimeSpan OpenTime { get; private set; }

    /// <summary>What opened it; null while it is closed.</summary>
    public PassedLimit? Passed { get; private set; }

    /// <summary>What somebody said by hand; null when it goes by what happens.</summary>
    public ForcedState? Forced { get; private set; }

    /// <summary>The caller that fails alone; null when there is none.</summary>
    public Reporter? Sick { get; private set; }

    /// <summary>The caller that last said it follows an order that no control plane can have given; null when all say what can be.</summary>
    public Reporter? Unbelievable { get; private set; }

    /// <summary>Callers now.</summary>
    public IReadOnlyCollection<CircuitCaller> Callers => _callers.Values;

    /// <summary>Calls in the window; on trial, those of the trial.</summary>
    public CallCounts Calls => _trial?.Sum ?? _window.Sum;

    private int Minimum => Config.IsTimeBased ? Config.MinimumCalls : Math.Min(Config.MinimumCalls, Config.WindowSize);

    /// <summary>
    /// Whether an order of some control plane can have had that number. Any clock may have been wrong, by years too, and whoever comes after must count on from there, for all callers; but
    /// no further than a clock can show. Who follows a higher number, because somebody made up the highest one, gets its own numbers, so that a made-up one costs nobody else any.
    /// </summary>
    public static bool IsPossible(long epoch) => epoch is >= 0 and <= MostEpoch;

    /// <summary>By how much the number of the decision is ahead of our clock; zero where it is not, or by no more than clocks differ.</summary>
    public TimeSpan Ahead(DateTimeOffset now)
    {
        long ahead = Epoch - now.ToUnixTimeMilliseconds();
        return ahead > MostAhead ? TimeSpan.FromMilliseconds(ahead) : TimeSpan.Zero;
    }

    /// <summary>Puts another version of the rule in force. State and window stay as far as they can.</summary>
    public CircuitChange? Update(BreakerConfig next, DateTimeOffset now)
    {
        BreakerConfig former = Config;
        (Config, _limits, _hasNews) = (next, RateThreshold.Of(next), true); // what was well under the old one may not be under this
        if (!_window.Is(next.IsTimeBased, next.WindowSize))
        {
            _window.Clear();
            _window = new SharedWindow(next.IsTimeBased, next.WindowSize);
        }

        return State == CircuitState.HalfOpen && next.TrialCalls != former.TrialCalls ? Enter(CircuitState.HalfOpen, "rule", now) : null;
    }

    /// <summary>Takes a caller's report. <see cref="Advance"/> then says what comes of it.</summary>
    /// <param name="reporter">The caller.</param>
    /// <param name="report">What it has seen.</param>
    /// <param name="now">Time.</param>
    /// <param name="load">Requests in progress at its sidecar; null when it does not say.</param>
    public void Report(Reporter reporter, CircuitReport report, DateTimeOffset now, int? load = null)
    {
        bool isFirst = !_callers.TryGetValue(reporter.Id, out CircuitCaller? caller);
        if (caller is null)
        {
            _callers.Add(reporter.Id, caller = new CircuitCaller(reporter));
        }

        CallCounts news = caller.Take(report, load, now);
        if (State == CircuitState.Closed && Forced is not { IsCounting: false })
        {
            _window.Add(caller, news, now); // what ends after the circuit opened is late, and says nothing new
            _hasNews |= news.Calls > 0;
        }

        bool isPossible = IsPossible(report.Epoch);
        Unbelievable = !isPossible ? Unbelievable ?? reporter : Unbelievable == reporter ? null : Unbelievable;
        if (isPossible && report.Epoch > HighestClock)
        {
            caller.Catch(report.Epoch, Epoch != 0 ? Epoch : now.ToUnixTimeMilliseconds());
        }
        else if (isPossible)
        {
            _highestEpoch = Math.Max(_highestEpoch, report.Epoch);
        }

        if (_trial is not null && report.Epoch == caller.NumberOf(Epoch))
        {
            caller.TakeTrials(report, isFirst);
        }
    }

    /// <summary>A caller has left: its calls with it, and what it has not used of a trial goes to another.</summary>
    /// <returns>The change, when another has become a prober.</returns>
    public CircuitChange? Forget(Reporter reporter, DateTimeOffset now)
    {
        if (!_callers.TryGetValue(reporter.Id, out CircuitCaller? caller) || caller.Reporter != reporter)
        {
            return null;
        }

        _callers.Remove(reporter.Id);
        _window.Advance(now);
        _window.Remove(caller);
        Sick = Sick == reporter ? null : Sick;
        Unbelievable = Unbelievable == reporter ? null : Unbelievable;
        return _trial?.Forget(caller, now) == true ? new CircuitChange(State, State, CircuitChange.OtherProbers, Calls) : null;
    }

    /// <summary>Lets happen what the reports and the time bring.</summary>
    public CircuitChange? Advance(DateTimeOffset now)
    {
        _window.Advance(now);
        if (Forced is { } forced && now >= forced.Until)
        {
            return Lift("over", now); // also where nobody is left to be told: the rule's status speaks of it
        }

        if (_callers.Count == 0 || !Speaks(now))
        {
            return null;
        }

        if (_highestEpoch > Epoch)
        {
            return Renumber(now);
        }

        if (Forced is not null || (_callers.Count > FewCallers && now - _judgedAt < Pace))
        {
            return null;
        }

        _judgedAt = now;
        CircuitChange? change = now - Since < ShortestState ? null : State switch
        {
            CircuitState.Closed => JudgeCalls(now),
            CircuitState.Open => now - Since >= OpenTime ? Enter(CircuitState.HalfOpen, "wait_over", now) : null,
            _ => JudgeTrial(_trial!.Sum, now),
        };
        return change ?? (_trial?.Advance(now) == true ? new CircuitChange(State, State, CircuitChange.OtherProbers, Calls) : null);
    }

    /// <summary>Somebody decides by hand, whatever happens, until the end of the time given.</summary>
    public CircuitChange Force(ForcedState forced, DateTimeOffset now)
    {
        Forced = forced;
        return Enter(forced.State, "by_hand", now);
    }

    /// <summary>Whether <see cref="Lift"/> changes anything: somebody decided by hand, or the process before us decided something that callers still go by, which may have been by hand for hours.</summary>
    public bool IsHeld => Forced is not null || (Epoch == 0 && _callers.Values.Any(static c => c.Epoch != 0));

    /// <summary>It goes by what happens again. It begins closed.</summary>
    public CircuitChange? Lift(string reason, DateTimeOffset now)
    {
        if (!IsHeld)
        {
            return null;
        }

        Forced = null;
        return Enter(CircuitState.Closed, reason, now);
    }

    /// <summary>What is decided for a caller; null for one that does not share this circuit, and while nothing is decided.</summary>
    public CircuitOrder? OrderFor(Reporter reporter, string cluster, DateTimeOffset now) =>
        Epoch == 0 || !_callers.TryGetValue(reporter.Id, out CircuitCaller? caller) ? null
            : CircuitOrders.Of(this, caller, cluster, now);

    // Who holds an order that is not ours goes by it until it ends, since we do not know what it said; then we take over. What is impossible is no order.
    private bool Speaks(DateTimeOffset now)
    {
        if (Epoch == 0 && now >= _speaksFrom && _callers.Values.All(static c => c.Epoch == 0 || !IsPossible(c.Epoch)))
        {
            (Epoch, Since) = (NextEpoch(now), now);
        }

        return Epoch != 0;
    }

    private long NextEpoch(DateTimeOffset now) => Math.Max(Math.Max(Epoch, _highestEpoch) + 1, now.ToUnixTimeMilliseconds());

    private CircuitChange? JudgeCalls(DateTimeOffset now)
    {
        (bool hasNews, _hasNews) = (_hasNews, false);
        Blame blame = Blame.Of(_callers.Values, _window.Sum, _limits, Minimum);
        Sick = blame.Sick;
        if (!blame.IsDestinations)
        {
            _suspectedAt = null;
            return null;
        }

        // Calls open it, not their absence: as the window forgets those of the well, what is left of the sick would look like everybody.
        if (!hasNews && _suspectedAt is null)
        {
            return null;
        }

        _suspectedAt ??= now;
        if (blame.HingesOnOne && !IsConfirmed(now))
        {
            return null;
        }

        Passed = blame.Passed;
        return Enter(CircuitState.Open, Reason(blame.Passed!.Value), now);
    }

    // Where traffic has only begun, the one who reports first looks as if it were the only one who calls.
    private bool IsConfirmed(DateTimeOffset now) =>
        now - _suspectedAt >= Confirmation || _callers.Values.All(c => c.ReportedAt >= _suspectedAt);

    private CircuitChange? JudgeTrial(CallCounts trials, DateTimeOffset now)
    {
        int minimum = Math.Min(Config.MinimumCalls, Config.TrialCalls);
        if (trials.Calls >= minimum)
        {
            Passed = trials.Passed(_limits, minimum);
            return Passed is { } passed ? Enter(CircuitState.Open, Reason(passed), now) : Enter(CircuitState.Closed, "trial_good", now);
        }

        if (Config.LongestTrial > TimeSpan.Zero && now - Since >= Config.LongestTrial)
        {
            int limit = (int)Math.Min(int.MaxValue, Config.LongestTrial.TotalMilliseconds);
            Passed = new PassedLimit("maxWaitDurationInHalfOpenState", limit, limit);
            return Enter(CircuitState.Open, "trial_timeout", now);
        }

        return null;
    }

    // Who fails where others do not may be sick itself; were it elected again and again, the circuit would never close.
    private void Doubt()
    {
        if (_callers.Values.Any(static c => c.Trials is { Calls: > 0, Failures: 0 }))
        {
            foreach (CircuitCaller caller in _callers.Values.Where(static c => c.Trials is { Calls: > 0 } trials && trials.Failures == trials.Calls))
            {
                caller.IsDoubted = true;
            }
        }
    }

    private static string Reason(PassedLimit passed) => passed.Field == "slowCallRateThreshold" ? "slow_call_rate" : "failure_rate";

    private CircuitChange Enter(CircuitState next, string reason, DateTimeOffset now)
    {
        CircuitChange change = new(State, next, reason, Calls);
        if (_trial is not null && next == CircuitState.Open)
        {
            Doubt();
        }

        (State, Epoch, Since) = (next, NextEpoch(now), now);
        (Sick, _suspectedAt, _trial) = (null, null, null);
        if (reason is not ("over" or "lifted"))
        {
            _window.Clear(); // what was counted while somebody held it closed is not lost
        }

        switch (next)
        {
            case CircuitState.Open when Forced is null:
                double length = Config.OpenTime.TotalSeconds * Math.Pow(Config.OpenTimeGrowth, _openings++);
                OpenTime = TimeSpan.FromSeconds(Math.Min(length, Math.Max(Config.OpenTime.TotalSeconds, Config.LongestOpenTime.TotalSeconds)));
                break;
            case CircuitState.HalfOpen:
                _trial = new SharedTrial(Config, Callers, _random, now);
                break;
            default:
                (_openings, Passed) = (0, null);
                foreach (CircuitCaller caller in _callers.Values)
                {
                    caller.IsDoubted = false;
                }

                break;
        }

        return change;
    }

    // Somebody else decided meanwhile: what we say must not count as stale. A trial belongs to its number, so it begins anew.
    private CircuitChange Renumber(DateTimeOffset now)
    {
        Epoch = NextEpoch(now);
        _trial = _trial is null ? null : new SharedTrial(Config, Callers, _random, now);
        return new CircuitChange(State, State, "epoch", Calls);
    }
}
