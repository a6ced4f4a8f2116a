namespace Mesh.Proxy.Telemetry;

/// <summary>How often a rule in shadow mode would have done something, and when last. Thread-safe.</summary>
public sealed class ShadowCount
{
    private long _value;
    private long _lastTicks;

    /// <summary>How often.</summary>
    public long Value => Volatile.Read(ref _value);

    /// <summary>When last; null before the first.</summary>
    public DateTimeOffset? LastAt => Volatile.Read(ref _lastTicks) is > 0 and long ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>It has happened once more.</summary>
    public void Add(DateTimeOffset at)
    {
        Interlocked.Increment(ref _value);
        Volatile.Write(ref _lastTicks, at.UtcTicks);
    }
}
