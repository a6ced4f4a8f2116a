using Mesh.Rules.Snapshots;

namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// The trial of one half-open state: who may make how many of its calls. A caller that leaves hands on what it has not used; what has been used stays used. Probers that do not call
/// hand on too: to callers that have traffic, as soon as there are any, and where nobody is known to have some, to one group after the other. Calls that are under way meanwhile may come on top: at most as many as were handed on. Not thread-safe.
/// </summary>
internal sealed class SharedTrial
{
    /// <summary>When so long nobody has called, others get their turn.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>The same, where a prober has made its calls and the rest could be its own.</summary>
    public static readonly TimeSpan ShortPatience = TimeSpan.FromSeconds(3);

    /// <summary>The same, where calls are under way: a destination that hangs must not be sent new ones every few seconds.</summary>
    public static readonly TimeSpan LongPatience = TimeSpan.FromSeconds(30);

    private readonly BreakerConfig _config;
    private readonly IReadOnlyCollection<CircuitCaller> _callers;
    private readonly Random _random;
    private CallCounts _gone; // of callers that left
    private long _progress; // calls when we looked last
    private DateTimeOffset _progressAt;
    private int _round; // of the election

    /// <summary>A trial that begins.</summary>
    /// <param name="config">The rule.</param>
    /// <param name="callers">The callers, always those of the moment.</param>
    /// <param name="random">Chance, for elections.</param>
    /// <param name="now">Time.</param>
    public SharedTrial(BreakerConfig config, IReadOnlyCollection<CircuitCaller> callers, Random random, DateTimeOffset now)
    {
        (_config, _callers, _random, _progressAt) = (config, callers, random, now);
        foreach (CircuitCaller caller in callers)
        {
            caller.ClearTrials();
        }

        Grant(now);
    }

    /// <summary>Calls that have ended.</summary>
    public CallCounts Sum => _callers.Aggregate(_gone, static (sum, caller) => sum + caller.Trials);

    private int Left => _config.TrialCalls - (int)Sum.Calls - _callers.Sum(static c => c.IsProber ? c.Unused : 0);

    /// <summary>A caller has left; it is no longer among the callers.</summary>
    /// <returns>True when another may call in its place.</returns>
    public bool Forget(CircuitCaller caller, DateTimeOffset now)
    {
        _gone += caller.Trials;
        _progressAt = caller.IsProber ? now : _progressAt;
        return caller.IsProber && Grant(now);
    }

    /// <summary>Sees to it that somebody calls.</summary>
    /// <returns>True when others may call than before.</returns>
    public bool Advance(DateTimeOffset now)
    {
        long progress = Sum.Calls;
        if (progress != _progress)
        {
            (_progress, _progressAt) = (progress, now);
        }

        if (Relieve(now))
        {
            return true;
        }

        CircuitCaller[] eager = [.. _callers.Where(static c => c.Trials.Calls > 0 && c.Unused == 0)];
        TimeSpan patience = _callers.Any(static c => c.UnderWay > 0) ? LongPatience : eager.Length > 0 ? ShortPatience : Patience;
        bool isStalled = now - _progressAt >= patience;
        if (isStalled)
        {
            _progressAt = now;
            _round += eager.Length > 0 ? 0 : 1;
            foreach (CircuitCaller caller in _callers)
            {
                caller.Revoke();
            }

            if (eager.Length > 0)
            {
                return Share(eager, now);
            }
        }

        return _callers.All(static c => !c.IsProber) && Grant(now);
    }

    // Who was asked to try and has no call gives way to those who have: one of their next calls is the trial. Not so fast to who is doubted: others' calls may be rare, and say more.
    private bool Relieve(DateTimeOffset now)
    {
        CircuitCaller[] idle = [.. _callers.Where(static c => c.IsIdle)];
        CircuitCaller[] waiting = idle.Length == 0 ? [] : [.. _callers.Where(c => c is { Unused: 0, IsDoubted: false } && c.CallsNow(now))];
        if (waiting.Length == 0)
        {
            return false;
        }

        foreach (CircuitCaller caller in idle)
        {
            caller.Revoke();
        }

        return Share([.. ProberElection.Elect(waiting, _config, 0, now, _random).Take(idle.Length)], now);
    }

    // To who is elected and no prober yet, as many as are missing; if there is nobody, to one who is.
    private bool Grant(DateTimeOffset now)
    {
        CircuitCaller[] elected = ProberElection.Elect(_callers, _config, _round, now, _random);
        CircuitCaller[] probers = [.. _callers.Where(static c => c.IsProber)];
        CircuitCaller[] heirs = [.. elected.Where(static c => !c.IsProber).Take(Math.Max(0, elected.Length - probers.Length))];
        return Share(heirs.Length > 0 ? heirs : probers[..Math.Min(1, probers.Length)], now);
    }

    private bool Share(CircuitCaller[] heirs, DateTimeOffset now)
    {
        int left = Left;
        int count = Math.Min(left, heirs.Length);
        for (int i = 0; i < count; i++)
        {
            heirs[i].Grant((left / count) + (i < left % count ? 1 : 0), now);
        }

        return count > 0;
    }
}
