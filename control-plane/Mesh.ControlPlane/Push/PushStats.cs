namespace Mesh.ControlPlane.Push;

/// <summary>Counters of the push side. Thread-safe.</summary>
internal sealed class PushStats
{
    /// <summary>Upper bounds of <see cref="Latency"/>' buckets in seconds; one more bucket takes what is above.</summary>
    public static readonly double[] LatencyBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

    private readonly long[] _latency = new long[LatencyBounds.Length + 1];
    private readonly Lock _gate = new();
    private double _latencySum;
    private long _fullPushes;
    private long _deltaPushes;
    private long _acks;
    private long _nacks;
    private long _rejectedWrites;

    /// <summary>Whole sets sent.</summary>
    public long FullPushes => Interlocked.Read(ref _fullPushes);

    /// <summary>Deltas sent.</summary>
    public long DeltaPushes => Interlocked.Read(ref _deltaPushes);

    /// <summary>Versions accepted by sidecars.</summary>
    public long Acks => Interlocked.Read(ref _acks);

    /// <summary>Versions refused by sidecars.</summary>
    public long Nacks => Interlocked.Read(ref _nacks);

    /// <summary>Writes of rules that the API refused.</summary>
    public long RejectedWrites => Interlocked.Read(ref _rejectedWrites);

    /// <summary>Time from a push to its answer: counts by bucket, and the sum in seconds.</summary>
    public (long[] Counts, double Sum) Latency
    {
        get
        {
            lock (_gate)
            {
                return ([.. _latency], _latencySum);
            }
        }
    }

    /// <summary>A push was sent.</summary>
    public void CountPush(bool isFull) => Interlocked.Increment(ref isFull ? ref _fullPushes : ref _deltaPushes);

    /// <summary>A write of a rule was refused.</summary>
    public void CountRejectedWrite() => Interlocked.Increment(ref _rejectedWrites);

    /// <summary>A version was answered, <paramref name="after"/> it was sent.</summary>
    public void CountAnswer(bool isAccepted, TimeSpan after)
    {
        Interlocked.Increment(ref isAccepted ? ref _acks : ref _nacks);
        int bucket = Array.FindIndex(LatencyBounds, bound => after.TotalSeconds <= bound);
        lock (_gate)
        {
            _latency[bucket < 0 ? LatencyBounds.Length : bucket]++;
            _latencySum += after.TotalSeconds;
        }
    }
}
