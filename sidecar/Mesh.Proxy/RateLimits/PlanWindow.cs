using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.RateLimits;

/// <summary>
/// What is left of a plan in its window, and the rate that follows: evenly over the time that is left, but no faster than the limit lets what was missed be made up. Windows are those of the
/// clock on the wall, so that all sidecars have the same; who starts within one takes it that what was due until then is done. Not thread-safe.
/// </summary>
internal sealed class PlanWindow
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    private readonly RateLimitConfig _config;
    private readonly PlanConfig _plan;
    private readonly TimeProvider _time;
    private readonly long _frequency;
    private long _worksUntil; // timestamp until which the rate is good enough

    /// <param name="config">A limit with a plan.</param>
    /// <param name="time">Clock on the wall.</param>
    /// <param name="frequency">Timestamps a second.</param>
    public PlanWindow(RateLimitConfig config, TimeProvider time, long frequency)
    {
        (_config, _plan, _time, _frequency) = (config, config.Plan!, time, frequency);
        long now = time.GetTimestamp();
        Begin(now, now);
        TimeSpan left = TimeSpan.FromTicks(Math.Min(Ticks(EndsAt - now), _plan.Window.Ticks));
        Left = (int)((Int128)_plan.Total * left.Ticks / _plan.Window.Ticks);
        Rate = Work(now);
    }

    /// <summary>Requests that are still to come in the window.</summary>
    public int Left { get; private set; }

    /// <summary>Timestamp of the end of the window.</summary>
    public long EndsAt { get; private set; }

    /// <summary>The rate now.</summary>
    public TokenRate Rate { get; private set; }

    /// <summary>What there is in all.</summary>
    public int Total => _plan.Total;

    /// <summary>Moves on in time; true when the rate is another one.</summary>
    /// <param name="at">Timestamp at which a request is to go.</param>
    /// <param name="now">Timestamp of this moment.</param>
    public bool Advance(long at, long now)
    {
        if (at >= EndsAt)
        {
            Begin(at, now);
        }
        else if (at < _worksUntil)
        {
            return false;
        }

        Rate = Work(at);
        return true;
    }

    /// <summary>A request goes.</summary>
    public void Take() => Left--;

    /// <summary>A request that was to go does not.</summary>
    public void GiveBack() => Left = Math.Min(Left + 1, Total);

    /// <summary>What is left at a time at which nobody asks.</summary>
    public int LeftAt(long now) => now >= EndsAt ? Total : Left;

    private void Begin(long at, long now)
    {
        DateTimeOffset wall = _time.GetUtcNow() + TimeSpan.FromTicks(Ticks(at - now));
        EndsAt = at + (long)Math.Ceiling(UntilEnd(wall).TotalSeconds * _frequency);
        Left = Total;
    }

    private TimeSpan UntilEnd(DateTimeOffset wall)
    {
        if (_config.AllowedHours is not { } hours)
        {
            return TimeSpan.FromTicks(_plan.Window.Ticks - ((wall.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) % _plan.Window.Ticks));
        }

        TimeSpan left = hours.UntilChange(wall);
        return hours.IsOpen(wall) ? left : left + hours.UntilChange(wall + left);
    }

    private TokenRate Work(long at)
    {
        _worksUntil = at + (long)(Pace.TotalSeconds * _frequency);
        return TokenRate.OfPlan(_config, Left, TimeSpan.FromTicks(Math.Max(1, Ticks(EndsAt - at))), _frequency);
    }

    private long Ticks(long timestamps) => (long)((Int128)timestamps * TimeSpan.TicksPerSecond / _frequency);
}
