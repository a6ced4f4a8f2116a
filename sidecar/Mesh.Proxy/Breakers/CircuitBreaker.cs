using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Breakers;

/// <summary>
/// resilience4j's state machine (semantics 11.1) for one upstream: asks for a permit before a call, gives it back with the outcome. Time is an argument, so that a call
/// costs no question to the clock. What comes back after a change of state counts no more. Thread-safe; nothing is called out.
/// </summary>
internal sealed partial class CircuitBreaker
{
    private const int StateBits = 3;
    internal const int StateMask = (1 << StateBits) - 1;
    private const double FirstShare = 0.1; // of the calls, when a recovery begins

    private readonly Lock _gate = new();
    private readonly long _frequency;
    private BreakerConfig _config;
    private OutcomeWindow _window;
    private volatile int _mark; // number of the state, grown with each change, and the state itself: one word, so that a call sees both or neither
    private long _since;
    private long _recoveredAt; // while a recovery lasts, its end
    private TimeSpan _openTime;
    private int _openings; // since it was last closed
    private int _permits;
    private BreakerRefusal _opened; // what opened it

    /// <summary>A breaker at its beginning.</summary>
    /// <param name="config">Its rule.</param>
    /// <param name="frequency">Timestamps a second.</param>
    /// <param name="now">Timestamp.</param>
    public CircuitBreaker(BreakerConfig config, long frequency, long now)
    {
        (_config, _frequency) = (config, frequency);
        _window = NewWindow(config);
        _mesh = config.IsMesh ? new OrderedCircuit(frequency) : null;
        EnterLocked(Start(config), now);
    }

    /// <summary>Rule in force.</summary>
    public BreakerConfig Config => Volatile.Read(ref _config);

    /// <summary>State now. An open breaker whose wait is over stays open until somebody calls.</summary>
    public BreakerState State => (BreakerState)(_mark & StateMask);

    /// <summary>Calls and rates of the window.</summary>
    public BreakerFigures Figures(long now)
    {
        lock (_gate)
        {
            _window.Advance(now / _frequency);
            return _window.Figures;
        }
    }

    /// <summary>Puts another rule in force. The state stays, unless the rule forces one or no longer does; the window stays, unless its kind or size changed.</summary>
    public BreakerChange? Update(BreakerConfig next, long now)
    {
        lock (_gate)
        {
            BreakerConfig former = _config;
            Volatile.Write(ref _config, next);
            if (UpdateMeshLocked(former, next) || next.Mode != former.Mode)
            {
                return ChangeLocked(Start(next), "rule", now);
            }

            if (State == BreakerState.HalfOpen && !IsOrderedLocked && next.TrialCalls != former.TrialCalls)
            {
                return ChangeLocked(BreakerState.HalfOpen, "rule", now); // a trial of another size begins anew: the old one could never end
            }

            if (State is BreakerState.Closed or BreakerState.MetricsOnly && (next.IsTimeBased, next.WindowSize) != (former.IsTimeBased, former.WindowSize))
            {
                _window = NewWindow(next);
            }

            return null;
        }
    }

    /// <summary>Asks whether a call may go out.</summary>
    /// <param name="now">Timestamp.</param>
    /// <param name="chance">For a recovery: which calls pass; null for one that has been let through before.</param>
    /// <param name="permit">To be given back by <see cref="Leave"/>; none after a refusal.</param>
    /// <param name="change">A change of state that came of it.</param>
    public BreakerRefusal TryEnter(long now, Random? chance, out BreakerPermit permit, out BreakerChange? change)
    {
        change = null;
        permit = default;
        int mark = _mark;
        switch ((BreakerState)(mark & StateMask))
        {
            case BreakerState.Closed when Volatile.Read(ref _recoveredAt) == 0:
            case BreakerState.MetricsOnly:
                permit = new BreakerPermit(mark);
                return default;
            case BreakerState.Disabled:
                return default;
            case BreakerState.ForcedOpen:
                return new BreakerRefusal(BreakerState.ForcedOpen, "state", -1, -1, TimeSpan.Zero);
            default:
                lock (_gate)
                {
                    change = AgeLocked(now);
                    return EnterLocked(now, chance, out permit);
                }
        }
    }

    /// <summary>Whether a call would be refused now; takes nothing and changes nothing.</summary>
    public bool IsShut(long now)
    {
        if (State is BreakerState.Closed or BreakerState.MetricsOnly or BreakerState.Disabled)
        {
            return false;
        }

        lock (_gate)
        {
            return IsOrderedLocked ? _mesh!.IsShut(now) : State switch
            {
                BreakerState.Open => now < EndOf(_openTime),
                BreakerState.HalfOpen => _permits == 0 && !IsTrialOver(now),
                BreakerState.ForcedOpen => true,
                _ => false,
            };
        }
    }

    /// <summary>Whether the permit is still of this time: one that waited in a queue asks before it goes out.</summary>
    public bool IsCurrent(BreakerPermit permit) => permit.Mark == _mark;

    /// <summary>Gives a permit back. Returns the change of state that came of it.</summary>
    /// <param name="permit">From <see cref="TryEnter"/>; nothing happens for none, or for a late one.</param>
    /// <param name="outcome">What became of the call.</param>
    /// <param name="time">How long its answer took to begin.</param>
    /// <param name="now">Timestamp.</param>
    public BreakerChange? Leave(BreakerPermit permit, BreakerOutcome outcome, TimeSpan time, long now)
    {
        if (!permit.IsHeld)
        {
            return null;
        }

        lock (_gate)
        {
            if (ExpireLocked(now) is { } expired)
            {
                return expired;
            }

            if (permit.Mark != _mark)
            {
                return null;
            }

            if (outcome == BreakerOutcome.Ignored)
            {
                GiveBackLocked();
                return null;
            }

            (bool isFailure, bool isSlow) = (outcome == BreakerOutcome.Failure, time > _config.SlowCall);
            _window.Add(isFailure, isSlow, now / _frequency);
            CountForMeshLocked(isFailure, isSlow);
            return IsOrderedLocked ? null : State switch
            {
                BreakerState.Closed => JudgeLocked(MinimumOf(_config), now),
                BreakerState.HalfOpen => JudgeTrialLocked(now),
                _ => null,
            };
        }
    }

    private static BreakerState Start(BreakerConfig config) => config.Mode switch
    {
        BreakerMode.ForcedOpen => BreakerState.ForcedOpen,
        BreakerMode.Disabled => BreakerState.Disabled,
        BreakerMode.MetricsOnly => BreakerState.MetricsOnly,
        _ => BreakerState.Closed,
    };

    private static OutcomeWindow NewWindow(BreakerConfig config) => OutcomeWindow.Create(config.IsTimeBased, config.WindowSize);

    // A window of ten calls can never hold a minimum of a hundred.
    private static int MinimumOf(BreakerConfig config) => config.IsTimeBased ? config.MinimumCalls : Math.Min(config.MinimumCalls, config.WindowSize);

    private TimeSpan Elapsed(long since, long now) => TimeSpan.FromSeconds((now - since) / (double)_frequency);

    // To the nearest timestamp, so that who comes back at the end finds it over.
    private long EndOf(TimeSpan time) => _since + (long)Math.Min(Math.Round(time.TotalSeconds * _frequency), long.MaxValue / 2);

    private bool IsTrialOver(long now) => _config.LongestTrial > TimeSpan.Zero && now >= EndOf(_config.LongestTrial);

    /// <summary>Changes that time alone brings; they happen when somebody calls.</summary>
    private BreakerChange? AgeLocked(long now)
    {
        if (ExpireLocked(now) is { } expired)
        {
            return expired;
        }

        if (State == BreakerState.Open && !IsOrderedLocked && now >= EndOf(_openTime))
        {
            return ChangeLocked(BreakerState.HalfOpen, "wait_over", now);
        }

        if (State == BreakerState.HalfOpen && !IsOrderedLocked && IsTrialOver(now))
        {
            _opened = new BreakerRefusal(BreakerState.Open, "maxWaitDurationInHalfOpenState", (long)_config.LongestTrial.TotalMilliseconds, -1, default);
            return ChangeLocked(BreakerState.Open, "trial_timeout", now);
        }

        if (_recoveredAt != 0 && now >= _recoveredAt)
        {
            _recoveredAt = 0;
        }

        return null;
    }

    private BreakerRefusal EnterLocked(long now, Random? chance, out BreakerPermit permit)
    {
        permit = default;
        bool isOrdered = State is BreakerState.Open or BreakerState.HalfOpen && IsOrderedLocked;
        bool isNews = false;
        BreakerRefusal refusal = isOrdered ? _mesh!.TryEnter(now, out isNews) : RefusalLocked(now, _recoveredAt != 0 && chance is not null ? chance.NextDouble() : 0);
        _hasNews |= isNews;
        if (refusal.IsSet || State == BreakerState.Disabled)
        {
            return refusal;
        }

        _permits -= State == BreakerState.HalfOpen && !isOrdered ? 1 : 0;
        permit = new BreakerPermit(_mark);
        return default;
    }

    /// <summary>Why a call may not go out, as far as this sidecar decides.</summary>
    /// <param name="now">Timestamp.</param>
    /// <param name="luck">Of the call, for a recovery: from 0 on, below 1; the less the better.</param>
    /// <param name="waiting">Calls that may take a place of a trial before it.</param>
    private BreakerRefusal RefusalLocked(long now, double luck, int waiting = 0)
    {
        switch (State)
        {
            case BreakerState.Open:
                TimeSpan left = _openTime - Elapsed(_since, now);
                return _opened with { RetryAfter = left > TimeSpan.Zero ? left : TimeSpan.Zero };
            case BreakerState.HalfOpen when _permits <= waiting:
                return new BreakerRefusal(BreakerState.HalfOpen, "permittedNumberOfCallsInHalfOpenState", _config.TrialCalls, _config.TrialCalls, TimeSpan.FromSeconds(1));
            case BreakerState.Closed when _recoveredAt != 0 && luck >= Share(now):
                return new BreakerRefusal(BreakerState.Closed, "recoveryDuration", (long)_config.Recovery.TotalMilliseconds, (long)Elapsed(_since, now).TotalMilliseconds, TimeSpan.FromSeconds(1));
            case BreakerState.ForcedOpen:
                return new BreakerRefusal(BreakerState.ForcedOpen, "state", -1, -1, TimeSpan.Zero);
            default:
                return default;
        }
    }

    private void GiveBackLocked()
    {
        if (State == BreakerState.HalfOpen)
        {
            if (IsOrderedLocked)
            {
                _mesh!.GiveBack();
            }
            else
            {
                _permits++;
            }
        }
    }

    private double Share(long now) => FirstShare + ((1 - FirstShare) * (Elapsed(_since, now) / _config.Recovery));

    private BreakerChange? JudgeTrialLocked(long now)
    {
        int minimum = Math.Min(_config.MinimumCalls, _config.TrialCalls);
        return JudgeLocked(minimum, now) ?? (_window.Figures.Calls >= minimum ? ChangeLocked(BreakerState.Closed, "trial_good", now, isReturn: true) : null);
    }

    private BreakerChange? JudgeLocked(int minimum, long now)
    {
        BreakerFigures figures = _window.Figures;
        if (!IsBad(figures, minimum))
        {
            return null;
        }

        bool isFailing = figures.FailureRate >= _config.FailureRate;
        _opened = isFailing
            ? new BreakerRefusal(BreakerState.Open, "failureRateThreshold", (long)_config.FailureRate, (long)figures.FailureRate, default)
            : new BreakerRefusal(BreakerState.Open, "slowCallRateThreshold", (long)_config.SlowRate, (long)figures.SlowRate, default);
        return ChangeLocked(BreakerState.Open, isFailing ? "failure_rate" : "slow_call_rate", now);
    }

    private bool IsBad(in BreakerFigures figures, int minimum) =>
        figures.Calls >= minimum && (figures.FailureRate >= _config.FailureRate || figures.SlowRate >= _config.SlowRate);

    private BreakerChange ChangeLocked(BreakerState next, string reason, long now, bool isReturn = false)
    {
        BreakerChange change = new(State, next, reason, _window.Figures);
        EnterLocked(next, now);
        if (next == BreakerState.Closed)
        {
            _recoveredAt = isReturn && _config.Recovery > TimeSpan.Zero ? now + (long)(_config.Recovery.TotalSeconds * _frequency) : 0;
        }

        return change;
    }

    private void EnterLocked(BreakerState next, long now)
    {
        _since = now;
        _recoveredAt = 0;
        switch (next)
        {
            case BreakerState.Open:
                double length = _config.OpenTime.TotalSeconds * Math.Pow(_config.OpenTimeGrowth, _openings++);
                _openTime = TimeSpan.FromSeconds(Math.Min(length, Math.Max(_config.OpenTime.TotalSeconds, _config.LongestOpenTime.TotalSeconds)));
                break;
            case BreakerState.HalfOpen:
                _permits = _config.TrialCalls;
                _window = OutcomeWindow.Create(isTimeBased: false, _config.TrialCalls);
                break;
            default:
                _openings = 0;
                _window = NewWindow(_config);
                break;
        }

        _mark = (((_mark >> StateBits) + 1) << StateBits) | (int)next;
    }
}
