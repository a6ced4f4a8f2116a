namespace Mesh.Proxy.Concurrency;

/// <summary>
/// Latencies of one window: their typical value, the geometric mean, as a logarithm, and how sure it is. A few answers that took very long move it little, and whatever makes all
/// of them slower by a fifth moves it by a fifth. Not thread-safe.
/// </summary>
internal struct LatencySample
{
    private double _sum;
    private double _squares;
    private long _active;

    /// <summary>Answers.</summary>
    public int Count { get; private set; }

    /// <summary>Most calls under way.</summary>
    public int MostActive { get; private set; }

    /// <summary>Calls under way, on average.</summary>
    public readonly double MeanActive => _active / (double)Count;

    /// <summary>Logarithm of the typical latency.</summary>
    public readonly double Typical => _sum / Count;

    /// <summary>Square of the standard error of <see cref="Typical"/>.</summary>
    public readonly double Error2 => Math.Max(0, (_squares / Count) - (Typical * Typical)) / Count;

    /// <summary>Adds an answer.</summary>
    /// <param name="latency">In timestamps; one that no time went by for counts as one.</param>
    /// <param name="active">Calls under way when it came.</param>
    public void Add(long latency, int active)
    {
        double log = Math.Log(Math.Max(1, latency));
        _sum += log;
        _squares += log * log;
        _active += active;
        MostActive = Math.Max(MostActive, active);
        Count++;
    }
}
