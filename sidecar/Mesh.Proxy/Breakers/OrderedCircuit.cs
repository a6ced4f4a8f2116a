using Mesh.Rules.Wire;

namespace Mesh.Proxy.Breakers;

/// <summary>The word of the control plane on a circuit that all callers share, as it holds here now.</summary>
/// <param name="Order">What it said last.</param>
/// <param name="Left">How long that still holds; time as this process measures it, so clocks need not agree.</param>
/// <param name="Taken">Calls on trial that went out in its epoch.</param>
public readonly record struct OrderInForce(CircuitOrder Order, TimeSpan Left, int Taken);

/// <summary>
/// This sidecar's end of a circuit that all callers share: the order in force, the calls on trial it has taken of it, and what it reports (semantics 11.5). An order holds for its
/// time from its arrival on; none of an earlier epoch than one seen before is ever taken. Not thread-safe: it lives under its breaker's lock.
/// </summary>
/// <param name="frequency">Timestamps a second.</param>
internal sealed class OrderedCircuit(long frequency)
{
    private const int ComplaintSeconds = 3;
    private const int QuietSeconds = 2; // after so long without a refused call the next one is news

    private CircuitOrder? _order;
    private long _arrivedAt;
    private long _expiresAt;
    private long _epoch; // the highest ever seen
    private long _complainsUntil; // after a stale order while none was in force: whoever gave it must learn from where to count on
    private int _taken; // calls on trial of that epoch that went out, and count or will
    private (int Calls, int Failures, int Slow) _trials; // of these, ended
    private (long Calls, long Failures, long Slow) _calls; // the others, since the beginning
    private long _refused; // calls, since the beginning
    private long? _refusedAt; // the last of them

    /// <summary>Whether an order was in force when somebody last looked at the time.</summary>
    public bool IsInForce => _order is not null;

    /// <summary>Highest epoch seen; 0 before the first order.</summary>
    public long Epoch => _epoch;

    /// <summary>Timestamp at which the order ends.</summary>
    public long ExpiresAt => _expiresAt;

    /// <summary>Takes an order; false for a stale one.</summary>
    public bool TryTake(CircuitOrder order, long now)
    {
        if (order.Epoch < _epoch)
        {
            _complainsUntil = _order is null ? now + (ComplaintSeconds * frequency) : 0;
            return false;
        }

        if (order.Epoch > _epoch)
        {
            (_epoch, _taken, _trials) = (order.Epoch, 0, default);
        }

        (_order, _arrivedAt, _expiresAt) = (order, now, now + (long)(order.TtlMilliseconds / 1000.0 * frequency));
        return true;
    }

    /// <summary>Ends an order whose time is over; true when there was one.</summary>
    public bool TryExpire(long now)
    {
        if (_order is null || now < _expiresAt)
        {
            return false;
        }

        Drop();
        return true;
    }

    /// <summary>Ends the order in force, if there is one. Trials under way are void: should the epoch come back, others take their places, or those that hang would hold them for ever.</summary>
    public void Drop() => (_order, _taken) = (null, _trials.Calls);

    /// <summary>What holds now; null when nothing does.</summary>
    public OrderInForce? Show(long now) => _order is { } order && now < _expiresAt ? new(order, Between(now, _expiresAt), _taken) : null;

    /// <summary>Whether a call would be refused now.</summary>
    public bool IsShut(long now) => now < _expiresAt && _order is { } order && (order.State == CircuitState.Open || (order.State == CircuitState.HalfOpen && _taken >= order.Trials));

    /// <summary>Lets a call on trial out, or says why not; for a circuit that is not closed.</summary>
    /// <param name="now">Timestamp.</param>
    /// <param name="isNews">While others try, a call comes here after a time without any: this sidecar could try.</param>
    public BreakerRefusal TryEnter(long now, out bool isNews)
    {
        CircuitOrder order = _order!;
        isNews = false;
        if (order.State == CircuitState.HalfOpen && _taken < order.Trials)
        {
            _taken++;
            return default;
        }

        isNews = order is { State: CircuitState.HalfOpen, Trials: 0 } && (_refusedAt is not { } last || now - last > QuietSeconds * frequency);
        (_refused, _refusedAt) = (_refused + 1, now);
        TimeSpan left = TimeSpan.FromMilliseconds(order.RetryAfterMilliseconds) - Between(_arrivedAt, now);
        TimeSpan retryAfter = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        BreakerRefusal refusal = order switch
        {
            { State: CircuitState.HalfOpen, Trials: 0 } => new(BreakerState.HalfOpen, BreakerRefusal.ProbersField, -1, -1, retryAfter), // others try
            { State: CircuitState.HalfOpen } => new(BreakerState.HalfOpen, "permittedNumberOfCallsInHalfOpenState", order.Trials, _taken, retryAfter),
            { Field.Length: > 0 } => new(BreakerState.Open, order.Field, order.Limit, order.Now, retryAfter),
            _ => new(BreakerState.Open, "", -1, -1, retryAfter), // by hand: no field was passed
        };
        return refusal with { IsMesh = true };
    }

    /// <summary>A call on trial came to nothing: another may take its place.</summary>
    public void GiveBack() => _taken--;

    /// <summary>Counts a call that has ended.</summary>
    public void Count(bool isTrial, bool isFailure, bool isSlow)
    {
        (int failed, int slow) = (isFailure ? 1 : 0, isSlow ? 1 : 0);
        if (isTrial)
        {
            _trials = (_trials.Calls + 1, _trials.Failures + failed, _trials.Slow + slow);
        }
        else
        {
            _calls = (_calls.Calls + 1, _calls.Failures + failed, _calls.Slow + slow);
        }
    }

    /// <summary>What the control plane hears.</summary>
    public CircuitReport Report(string rule, string cluster, long now) => new()
    {
        Rule = rule,
        Cluster = cluster,
        Calls = _calls.Calls,
        Failures = _calls.Failures,
        Slow = _calls.Slow,
        Epoch = now < (_order is null ? _complainsUntil : _expiresAt) ? _epoch : 0,
        Trials = _trials.Calls,
        FailedTrials = _trials.Failures,
        SlowTrials = _trials.Slow,
        TrialsUnderWay = _taken - _trials.Calls,
        Refused = _refused,
    };

    private TimeSpan Between(long from, long to) => TimeSpan.FromSeconds((to - from) / (double)frequency);
}
