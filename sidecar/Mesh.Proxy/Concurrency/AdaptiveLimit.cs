using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Concurrency;

/// <summary>
/// A limit that finds how many calls an upstream can work on at one time (sidecar/adr/0041). It compares the median latency of a short window with that of a long time. Each
/// cut is an experiment: calls that wait for each other get faster by it in proportion, and calls that don't, do not; then the limit goes back at once and the new latency is
/// the usual one. So it learns what is usual under any load, and never has to choke the traffic to measure. Time is an argument. Not thread-safe.
/// </summary>
internal sealed class AdaptiveLimit
{
    private const int Samples = 256; // of a window, the latest
    private const int LongestRest = 32; // windows
    private const int MostChanges = 16;
    private const double FirstCut = 0.5; // at most, when answers became slower
    private const double NextCut = 0.875; // to look further
    private const double Growth = 0.1;

    private readonly long[] _samples = new long[Samples];
    private readonly long[] _sorted = new long[Samples];
    private readonly Queue<LimitChange> _changes = new(MostChanges);
    private readonly long _interval;
    private readonly double _frequency;
    private long _began; // of the window
    private long _changedAt; // calls that began before say nothing about the limit now
    private int _count;
    private int _most; // calls under way in the window
    private double _usual; // 0 until the first window
    private int _before; // limit before the cut that is on trial; 0 when none is
    private double _latencyBefore;
    private int _settled; // where the latest trial ended
    private int _rest = 1; // windows without growth after a trial that ended there
    private int _resting;

    /// <summary>A limit that has learnt nothing yet.</summary>
    /// <param name="config">Its bounds.</param>
    /// <param name="first">Where it begins.</param>
    /// <param name="frequency">Timestamps a second.</param>
    /// <param name="now">Timestamp.</param>
    public AdaptiveLimit(AdaptiveConcurrencyConfig config, int first, long frequency, long now)
    {
        (Config, _frequency, _began, _changedAt) = (config, frequency, now, now);
        _interval = (long)(config.UpdateInterval.TotalSeconds * frequency);
        Limit = Math.Clamp(first, config.MinCalls, config.MaxCalls);
    }

    /// <summary>Its bounds.</summary>
    public AdaptiveConcurrencyConfig Config { get; }

    /// <summary>Calls under way at one time.</summary>
    public int Limit { get; private set; }

    /// <summary>The latest changes, oldest first.</summary>
    public IReadOnlyCollection<LimitChange> Changes => _changes;

    /// <summary>An answer has begun, or was given up; at the end of a window this may change the limit.</summary>
    /// <param name="startedAt">When the upstream had its request, as a timestamp.</param>
    /// <param name="now">Timestamp.</param>
    /// <param name="active">Calls under way.</param>
    public LimitChange? Add(long startedAt, long now, int active)
    {
        if (startedAt < _changedAt)
        {
            return null;
        }

        _samples[_count++ % Samples] = now - startedAt;
        _most = Math.Max(_most, active);
        if (now - _began < _interval || _count < Config.RequestCount)
        {
            return null;
        }

        double latency = Math.Max(Median(), 1); // a clock may stand still
        LimitChange? change = Judge(latency, now);
        _changedAt = change is null ? _changedAt : now;
        (_began, _count, _most) = (now, 0, 0);
        return change;
    }

    private bool IsUsedUp => _most >= Limit;

    private LimitChange? Judge(double latency, long now)
    {
        _usual = _usual == 0 ? latency : _usual;
        if (_before != 0)
        {
            return JudgeTrial(latency, now);
        }

        if (latency > _usual * (1 + (Config.BufferPercent / 100.0)) && _most * 2 >= Limit && Cut("slower", Math.Max(FirstCut, _usual / latency), latency, now) is { } cut)
        {
            return cut;
        }

        Learn(latency);
        if (!IsUsedUp)
        {
            return null;
        }

        if (_resting > 0)
        {
            _resting--;
            return null;
        }

        int more = Math.Min(Config.MaxCalls, Limit + Math.Max(1, (int)(Limit * Growth)));
        return more > Limit ? Change(more, "room", latency, now) : Cut("trial", NextCut, latency, now);
    }

    // Calls that all wait for each other take less time in the same measure as there are fewer of them; calls that don't take as long as before. Half of the way decides.
    private LimitChange? JudgeTrial(double latency, long now)
    {
        (int before, double latencyBefore) = (_before, _latencyBefore);
        _before = 0;
        if (!IsUsedUp)
        {
            Learn(latency); // fewer calls came: nobody can tell what it was
            return null;
        }

        if (latency <= latencyBefore * (1 + (Limit / (double)before)) / 2)
        {
            _usual = Math.Min(_usual, latency);
            LimitChange? further = Cut("faster", NextCut, latency, now);
            if (further is null)
            {
                Rest(Limit);
            }

            return further;
        }

        LimitChange back = Change(before, "no_faster", latency, now);
        _usual = latency;
        Rest(before);
        return back;
    }

    // Where it ends again and again it looks for more less and less often.
    private void Rest(int at)
    {
        _rest = Math.Abs(at - _settled) <= Math.Max(1, at * Growth) ? Math.Min(_rest * 2, LongestRest) : 1;
        (_settled, _resting) = (at, _rest);
    }

    // Down at once by half; up slowly, unless there was so little to do that the limit can't be why.
    private void Learn(double latency) => _usual += (latency - _usual) / (latency < _usual ? 2 : _most * 2 < Limit ? 4 : 16);

    private LimitChange? Cut(string reason, double to, double latency, long now)
    {
        int less = Math.Max(Config.MinCalls, Math.Min(Limit - 1, (int)Math.Round(Limit * to)));
        if (less >= Limit)
        {
            return null;
        }

        (_before, _latencyBefore) = (Limit, latency);
        return Change(less, reason, latency, now);
    }

    private LimitChange Change(int to, string reason, double latency, long now)
    {
        LimitChange change = new(now, Limit, to, reason, TimeSpan.FromSeconds(latency / _frequency), TimeSpan.FromSeconds(_usual / _frequency), _count, _most);
        if (_changes.Count == MostChanges)
        {
            _changes.Dequeue();
        }

        _changes.Enqueue(change);
        Limit = to;
        return change;
    }

    private double Median()
    {
        int count = Math.Min(_count, Samples);
        _samples.AsSpan(0, count).CopyTo(_sorted);
        _sorted.AsSpan(0, count).Sort();
        return _sorted[count / 2];
    }
}
