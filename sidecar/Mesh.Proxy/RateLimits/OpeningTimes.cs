using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.RateLimits;

/// <summary>
/// The allowed hours of a limit on the clock of timestamps. The clock on the wall is asked once a second at most, so that a request costs a comparison, and one that is set
/// is followed. Not thread-safe.
/// </summary>
internal sealed class OpeningTimes(AllowedHoursConfig hours, TimeProvider time)
{
    private static readonly TimeSpan Trust = TimeSpan.FromSeconds(1);

    private long _opensAt = long.MinValue;
    private long _askAgainAt = long.MinValue;

    /// <summary>The hours.</summary>
    public AllowedHoursConfig Hours => hours;

    /// <summary>When requests may go: <paramref name="now"/>, or the timestamp at which they next may.</summary>
    public long OpensAt(long now)
    {
        if (now >= _askAgainAt)
        {
            DateTimeOffset wall = time.GetUtcNow();
            TimeSpan left = hours.UntilChange(wall);
            _opensAt = hours.IsOpen(wall) ? long.MinValue : now + Timestamps(left);
            _askAgainAt = now + Timestamps(left < Trust ? left : Trust);
        }

        return Math.Max(now, _opensAt);
    }

    private long Timestamps(TimeSpan span) => (long)Math.Ceiling(span.TotalSeconds * time.TimestampFrequency);
}
