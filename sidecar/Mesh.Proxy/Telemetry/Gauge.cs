namespace Mesh.Proxy.Telemetry;

/// <summary>A value that goes up and down. Thread-safe.</summary>
public sealed class Gauge
{
    private long _value;

    /// <summary>The value now.</summary>
    public long Value => Volatile.Read(ref _value);

    /// <summary>Adds and returns the new value.</summary>
    public long Add(long amount = 1) => Interlocked.Add(ref _value, amount);

    /// <summary>Sets the value.</summary>
    public void Set(long value) => Volatile.Write(ref _value, value);
}
