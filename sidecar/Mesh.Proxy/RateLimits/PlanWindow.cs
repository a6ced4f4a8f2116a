using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.RateLimits;

/// <summary>
/// What is left of a plan in its window, and the rate that follows: evenly over the time that is left, but no faster than the limit lets what was missed be made up. Windows are those of the
/// clock on the wall, so that all sidecars have the same, and one that is set is followed; who starts within one takes it that what was due until then is done. Not thread-safe.
/// </summary>
internal sealed class PlanWindow
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    private readonly RateLimitConfig _config;
    private readonly PlanConfig _plan;
    private readonly TimeProvider _time;
    private readonly long _frequency;
    private readonly long _pace;
    private DateTimeOffset _end; // of the window
    private long _workedAt; // timestamp for which the rate was worked out

    /// <param name="config">A limit with a plan.</param>
    /// <param name="time">Clock on the wall.</param>
    /// <param name="frequency">Timestamps a second.</param>
    /// <param name="former">The one before, or null. What is left of the same plan is left of it at another pace too.</param>
    public PlanWindow(RateLimitConfig config, TimeProvider time, long frequency, PlanWindow? former)
    {
        (_config, _plan, _time, _frequency) = (config, config.Plan!, time, frequency);
        _pace = (long)(Pace.TotalSeconds * frequency);
        bool goesOn = former is not null && former._plan == _plan && former._config.AllowedHours == config.AllowedHours;
        (Left, _end) = goesOn ? (former!.Left, former._end) : (0, DateTimeOffset.MaxValue);
        long now = time.GetTimestamp();
        Rate = Work(now, now);
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
        if (at < EndsAt && Math.Abs(at - _workedAt) < _pace)
        {
            return false;
        }

        Rate = Work(at, now);
        return true;
    }

    /// <summary>A request goes.</summary>
    public void Take() => Left--;

    /// <summary>A request that was to go does not.</summary>
    public void GiveBack() => Left = Math.Min(Left + 1, Total);

    /// <summary>What is left at a time at which nobody asks.</summary>
    public int LeftAt(long now) => now >= EndsAt ? Total : Left;

    // A clock that is set back within a window, or into the one before, makes the window longer: what is done stays done. One that is set back further was wrong before.
    private TokenRate Work(long at, long now)
    {
        DateTimeOffset wall = _time.GetUtcNow() + TimeSpan.FromTicks(Ticks(at - now));
        TimeSpan left = _end - wall;
        if (left <= TimeSpan.Zero)
        {
            (left, Left) = (UntilEnd(wall), Total);
        }
        else if (left > 2 * (_config.AllowedHours is null ? _plan.Window : TimeSpan.FromDays(1)))
        {
            left = UntilEnd(wall);
            Left = (int)((Int128)Total * Math.Min(left.Ticks, _plan.Window.Ticks) / _plan.Window.Ticks);
        }

        (_end, _workedAt) = (wall + left, at);
        EndsAt = at + (long)Math.Ceiling(left.TotalSeconds * _frequency);
        return TokenRate.OfPlan(_config, Left, left, _frequency);
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

    private long Ticks(long timestamps) => (long)((Int128)timestamps * TimeSpan.TicksPerSecond / _frequency);
}
