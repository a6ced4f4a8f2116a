using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Concurrency;

/// <summary>
/// A limit that finds how many calls an upstream can work on at one time (sidecar/adr/0044). It compares the typical latency of a short window with that of a long time. Each
/// cut is an experiment: calls that wait for each other get faster by it in proportion, and calls that don't, do not; then the limit goes back at once, and the new latency is
/// the usual one. So it learns what is usual under any load, and never chokes the traffic to measure. Latencies are compared as logarithms, and a difference counts when it
/// is more than chance makes it. Time is an argument. Not thread-safe.
/// </summary>
internal sealed class AdaptiveLimit
{
    private const double Sure = 2; // standard errors
    private const int LongestTrial = 6; // windows
    private const int LongestSilence = 6; // windows
    private const int LongestRest = 32; // windows
    private const int MostChanges = 16;
    private const double DeepestCut = 0.5;
    private const double Growth = 0.1;
    private const double Knee = 0.85; // of the limit at which answers became slower: below it growth is free, above it rests

    private static readonly double[] Depths = [0.875, 0.75, 0.625];

    private readonly Queue<LimitChange> _changes = new(MostChanges);
    private readonly long _interval;
    private readonly double _frequency;
    private readonly double _buffer;
    private LatencySample _window;
    private long _began; // of the window
    private long _changedAt; // calls that began before say nothing about the limit now
    private long _heardAt; // latest answer that counted
    private double? _usual; // null until the first window
    private int _before; // limit before the cut that is on trial; 0 when none is
    private LatencySample _windowBefore; // the one that led to the cut
    private int _ceiling; // where answers last became slower; 0 until they do
    private int _rest = 1; // windows without growth after that; longer each time it happens at the same place
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
        _buffer = Math.Log(1 + (config.BufferPercent / 100.0));
        Limit = Math.Clamp(first, config.MinCalls, config.MaxCalls);
    }

    /// <summary>Its bounds.</summary>
    public AdaptiveConcurrencyConfig Config { get; }

    /// <summary>Calls under way at one time.</summary>
    public int Limit { get; private set; }

    /// <summary>The latest changes, oldest first.</summary>
    public IReadOnlyCollection<LimitChange> Changes => _changes;

    private bool IsUsedUp => _window.MostActive >= Limit;

    private bool IsHalfUsed => _window.MeanActive * 2 >= Limit;

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

        _heardAt = now;
        _window.Add(now - startedAt, active);
        if (now - _began < _interval || _window.Count < Config.RequestCount || (_before != 0 && IsUsedUp && !CanTell()))
        {
            return null;
        }

        _usual ??= _window.Typical;
        LimitChange? change = _before != 0 ? JudgeTrial(now) : Judge(now);
        _changedAt = change is null ? _changedAt : now;
        (_began, _window) = (now, default);
        return change;
    }

    /// <summary>
    /// A call finds no place. While a cut is on trial and nothing has answered for long, whoever holds the places may never do (streams that go on and on), and without answers
    /// the trial would never end: the limit goes back to what it was.
    /// </summary>
    /// <param name="now">Timestamp.</param>
    /// <param name="active">Calls under way.</param>
    public LimitChange? Crowded(long now, int active)
    {
        if (_before == 0 || now - _heardAt < _interval * LongestSilence)
        {
            return null;
        }

        int before = _before;
        _usual = Math.Max(_usual!.Value, _windowBefore.Typical); // else the same slow answers would cut it again at once
        (_before, _began, _changedAt, _heardAt, _window) = (0, now, now, now, default);
        return Note(new LimitChange(now, Limit, before, "no_answers", Time(_windowBefore.Typical), Time(_usual.Value), 0, active));
    }

    private LimitChange? Judge(long now)
    {
        double slower = _window.Typical - _usual!.Value;
        int at = Limit;
        if (slower > _buffer + (Sure * Math.Sqrt(_window.Error2)) && IsHalfUsed && Cut("slower", Math.Max(DeepestCut, Math.Min(Depth(), Math.Exp(-slower))), now) is { } cut)
        {
            RestBelow(at);
            return cut;
        }

        Learn(isProven: false);
        if (!IsUsedUp)
        {
            return null;
        }

        int more = Math.Min(Config.MaxCalls, Limit + Math.Max(1, (int)(Limit * Growth)));
        if (_resting > 0 && (more == Limit || more >= _ceiling * Knee))
        {
            _resting--;
            return null;
        }

        if (more > Limit)
        {
            return Change(more, "room", now);
        }

        LimitChange? trial = Cut("trial", Depth(), now);
        RestBelow(at);
        return trial;
    }

    // Calls that all wait for each other take less time in the same measure as there are fewer of them; calls that don't take as long as before. Half of the way decides.
    private LimitChange? JudgeTrial(long now)
    {
        int before = _before;
        _before = 0;
        double faster = _windowBefore.Typical - _window.Typical;
        if (!IsUsedUp)
        {
            Learn(isProven: false); // fewer calls came: nobody can tell what it was
            return null;
        }

        if (faster >= -Math.Log((1 + (Limit / (double)before)) / 2))
        {
            if (_window.Typical < _usual)
            {
                Learn(isProven: false);
            }

            return Cut("faster", Depth(), now);
        }

        LimitChange back = Change(before, "no_faster", now);
        Learn(isProven: true);
        return back;
    }

    /// <summary>Whether there are answers enough to tell what a cut has done, or as many as anybody will wait for.</summary>
    private bool CanTell() => _window.Count >= Config.RequestCount * LongestTrial || IsTold(Limit / (double)_before, _window.Error2 + _windowBefore.Error2);

    private static bool IsTold(double ratio, double error2) => Sure * Math.Sqrt(error2) <= -Math.Log(ratio) / 2;

    /// <summary>How much to cut: no more than it takes to see an effect in a few windows.</summary>
    private double Depth()
    {
        double error2 = 2 * _window.Error2 / 4;
        return Array.Find(Depths, d => IsTold(d, error2)) is > 0 and double enough ? enough : Depths[^1];
    }

    private void RestBelow(int ceiling)
    {
        bool isSame = Math.Abs(ceiling - _ceiling) <= Math.Max(2, ceiling / 4);
        _rest = isSame ? Math.Min(_rest * 2, LongestRest) : 2;
        (_ceiling, _resting) = (ceiling, _rest);
    }

    // Down soon; up only when it is proven that calls don't wait for each other, or when there is so little to do that they can't. Within chance hardly at all.
    private void Learn(bool isProven)
    {
        double change = _window.Typical - _usual!.Value;
        double share = Math.Abs(change) <= Sure * Math.Sqrt(_window.Error2) ? 1 / 32.0 : change < 0 ? 1 / 2.0 : isProven ? 1 : !IsHalfUsed ? 1 / 4.0 : 1 / 64.0;
        _usual += change * share;
    }

    private LimitChange? Cut(string reason, double to, long now)
    {
        int less = Math.Max(Config.MinCalls, Math.Min(Limit - 1, (int)Math.Round(Limit * to)));
        if (less >= Limit)
        {
            return null;
        }

        (_before, _windowBefore) = (Limit, _window);
        return Change(less, reason, now);
    }

    private LimitChange Change(int to, string reason, long now) =>
        Note(new LimitChange(now, Limit, to, reason, Time(_window.Typical), Time(_usual!.Value), _window.Count, _window.MostActive));

    private LimitChange Note(LimitChange change)
    {
        if (_changes.Count == MostChanges)
        {
            _changes.Dequeue();
        }

        _changes.Enqueue(change);
        Limit = change.To;
        return change;
    }

    private TimeSpan Time(double log) => TimeSpan.FromSeconds(Math.Exp(log) / _frequency);
}
