namespace Mesh.Proxy.Telemetry;

/// <summary>How often a rule in shadow mode would have done something, and when last. Thread-safe.</summary>
public sealed class ShadowCount
{
    private long _value;
    private long _before;
    private long _lastTicks;

    /// <summary>How often, since the process began: a metric.</summary>
    public long Value => Volatile.Read(ref _value);

    /// <summary>How often since the rules in shadow mode are those of now.</summary>
    public long Now => Value - Volatile.Read(ref _before);

    /// <summary>When last, of these; null before the first.</summary>
    public DateTimeOffset? LastAt => Volatile.Read(ref _lastTicks) is > 0 and long ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>It has happened once more.</summary>
    public void Add(DateTimeOffset at)
    {
        Interlocked.Increment(ref _value);
        Volatile.Write(ref _lastTicks, at.UtcTicks);
    }

    /// <summary>Other rules are in shadow mode: what was counted so far says nothing about them.</summary>
    internal void Restart()
    {
        Volatile.Write(ref _before, Value);
        Volatile.Write(ref _lastTicks, 0);
    }
}
