using System.Globalization;

namespace Mesh.Rules.Snapshots;

/// <summary>Hours of the day in a time zone. Pure: time is an argument.</summary>
/// <param name="From">First minute.</param>
/// <param name="To">First minute that is too late; the next day's if it is not after <paramref name="From"/>.</param>
/// <param name="TimeZone">A name of the IANA database, or an offset such as <c>+09:00</c>.</param>
public sealed record AllowedHoursConfig(TimeOnly From, TimeOnly To, string TimeZone)
{
    private readonly TimeZoneInfo _zone = FindZone(TimeZone) ?? TimeZoneInfo.Utc; // rules with another are refused where they are read

    /// <summary>How long they are, on a day on which the clocks are not set.</summary>
    public TimeSpan Length => To - From;

    /// <inheritdoc/>
    public bool Equals(AllowedHoursConfig? other) => other is not null && (From, To, TimeZone) == (other.From, other.To, other.TimeZone);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(From, To, TimeZone);

    /// <summary>The zone of that name or offset, or null.</summary>
    public static TimeZoneInfo? FindZone(string name)
    {
        if (name.Length == 6 && name[0] is '+' or '-' && TimeOnly.TryParseExact(name[1..], "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly offset))
        {
            TimeSpan shift = name[0] == '-' ? -offset.ToTimeSpan() : offset.ToTimeSpan();
            return shift.Duration() <= TimeSpan.FromHours(14) ? TimeZoneInfo.CreateCustomTimeZone(name, shift, name, name) : null;
        }

        return name.Length > 0 && TimeZoneInfo.TryFindSystemTimeZoneById(name, out TimeZoneInfo? zone) ? zone : null;
    }

    /// <summary>Whether requests may go.</summary>
    public bool IsOpen(DateTimeOffset now)
    {
        TimeOnly time = TimeOnly.FromDateTime(Local(now));
        return From < To ? time >= From && time < To : time >= From || time < To;
    }

    /// <summary>Time until <see cref="IsOpen"/> changes, as the clocks of the zone go: a time that is left out when they go forward has come an hour later.</summary>
    public TimeSpan UntilChange(DateTimeOffset now)
    {
        DateTime local = Local(now);
        TimeOnly next = IsOpen(now) ? To : From;
        DateTime at = local.Date + next.ToTimeSpan();
        at = at > local ? at : at.AddDays(1);
        while (_zone.IsInvalidTime(at))
        {
            at = at.AddMinutes(15);
        }

        TimeSpan left = TimeZoneInfo.ConvertTimeToUtc(at, _zone) - now.UtcDateTime;
        return left > TimeSpan.Zero ? left : TimeSpan.FromMinutes(1); // the hour that comes twice: asked again soon
    }

    private DateTime Local(DateTimeOffset now) => DateTime.SpecifyKind(TimeZoneInfo.ConvertTime(now, _zone).DateTime, DateTimeKind.Unspecified);
}
