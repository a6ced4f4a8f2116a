namespace Mesh.Load.Running;

/// <summary>When calls of an open loop are meant to be sent: evenly, and never later because an answer was late.</summary>
/// <param name="rate">Arrivals a second, above zero.</param>
/// <param name="duration">Arrivals at or after it are none of ours; null for no end.</param>
/// <param name="total">Most arrivals; null for no limit.</param>
internal sealed class ArrivalSchedule(double rate, TimeSpan? duration, long? total)
{
    /// <summary>Time after the start at which arrival <paramref name="index"/> (from 0) is due.</summary>
    public TimeSpan DueAt(long index) => TimeSpan.FromTicks((long)(index * (TimeSpan.TicksPerSecond / rate)));

    /// <summary>Whether the schedule has an arrival with this index.</summary>
    public bool Has(long index) => (total is null || index < total) && (duration is null || DueAt(index) < duration);
}
