using System.Collections.Concurrent;

namespace Mesh.Streams.World;

/// <summary>A number that many add to.</summary>
internal sealed class Count
{
    private long _value;

    public long Value => Interlocked.Read(ref _value);

    public void Add(long more = 1) => Interlocked.Add(ref _value, more);
}

/// <summary>All simulated sidecars, and what they saw together. Thread-safe.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    private readonly SimulatedSidecar[] _sidecars;
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeProvider _time;
    private Task _running = Task.CompletedTask;

    /// <summary>A fleet that does not run yet.</summary>
    public Fleet(Uri root, int count, TimeProvider time, Random random)
    {
        (Root, _time) = (root, time);
        _sidecars = [.. Enumerable.Range(0, count).Select(i => new SimulatedSidecar(i, this, time, random))];
    }

    /// <summary>Address of the control plane.</summary>
    public Uri Root { get; }

    /// <summary>Registrations that were taken.</summary>
    public Count Registrations { get; } = new();

    /// <summary>Reports that were taken.</summary>
    public Count Reports { get; } = new();

    /// <summary>Sessions and calls that failed, refused connections too.</summary>
    public Count Failures { get; } = new();

    /// <summary>Why they failed, and how often.</summary>
    public ConcurrentDictionary<string, int> Reasons { get; } = new(StringComparer.Ordinal);

    /// <summary>Pushes that came.</summary>
    public Count Pushes { get; } = new();

    /// <summary>Pushes whose answer was taken.</summary>
    public Count Answers { get; } = new();

    /// <summary>Of those, whole sets.</summary>
    public Count FullPushes { get; } = new();

    /// <summary>Bytes of the pushes' text.</summary>
    public Count Bytes { get; } = new();

    /// <summary>Bytes of the streams as they came, compressed.</summary>
    public Count WireBytes { get; } = new();

    /// <summary>Circuits that each sidecar reports from now on.</summary>
    public int Circuits { get; set; }

    /// <summary>Whether all their calls fail from now on.</summary>
    public bool IsFailing { get; set; }

    /// <summary>Circuits that sidecars were told are open.</summary>
    public Count Opened { get; } = new();

    /// <summary>Bytes of the reports.</summary>
    public Count ReportBytes { get; } = new();

    /// <summary>Bytes of the answers to them.</summary>
    public Count OrderBytes { get; } = new();

    /// <summary>Streams open now.</summary>
    public int Following => _sidecars.Count(static s => s.IsFollowing);

    /// <summary>Starts all, one after the other over that time: no cluster starts a thousand pods in one instant.</summary>
    public async Task StartAsync(TimeSpan duration)
    {
        List<Task> running = [];
        foreach (SimulatedSidecar[] some in _sidecars.Chunk(Math.Max(1, _sidecars.Length / 100)))
        {
            running.AddRange(some.Select(s => Task.Run(() => s.RunAsync(_stop.Token))));
            await Task.Delay(duration / 100, _time, CancellationToken.None);
        }

        _running = Task.WhenAll(running);
    }

    /// <summary>Cuts all connections at once.</summary>
    public Task CutAsync() => Task.WhenAll(_sidecars.Select(static s => s.CutAsync()));

    /// <summary>A push came.</summary>
    public void Took(bool isFull, long bytes)
    {
        Bytes.Add(bytes);
        FullPushes.Add(isFull ? 1 : 0);
        Pushes.Add();
    }

    /// <summary>A session or call failed.</summary>
    public void Failed(string reason)
    {
        Failures.Add();
        Reasons.AddOrUpdate(reason, 1, static (_, n) => n + 1);
    }

    /// <summary>Waits until all follow and hold the content with that hash. Returns the time it took.</summary>
    /// <exception cref="TimeoutException">It took too long; the message says how many do.</exception>
    public Task<TimeSpan> InStepAsync(string hash, TimeSpan limit) => UntilAsync(
        s => s.IsFollowing && s.Version.EndsWith(hash, StringComparison.Ordinal), limit, $"of {_sidecars.Length} sidecars hold {hash}");

    /// <summary>Waits until so many more pushes were answered. Returns the time it took.</summary>
    /// <exception cref="TimeoutException">It took too long.</exception>
    public async Task<TimeSpan> AnsweredAsync(long pushes, TimeSpan limit)
    {
        long start = _time.GetTimestamp();
        while (Answers.Value < pushes)
        {
            await PauseAsync(start, limit, () => $"{Answers.Value} of {pushes} pushes are answered");
        }

        return _time.GetElapsedTime(start);
    }

    /// <summary>Waits until sidecars were told so often that a circuit is open. Returns the time it took.</summary>
    /// <exception cref="TimeoutException">It took too long.</exception>
    public async Task<TimeSpan> OpenAsync(long circuits, TimeSpan limit)
    {
        long start = _time.GetTimestamp();
        while (Opened.Value < circuits)
        {
            await PauseAsync(start, limit, () => $"{Opened.Value} of {circuits} circuits are open");
        }

        return _time.GetElapsedTime(start);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
        foreach (SimulatedSidecar sidecar in _sidecars)
        {
            sidecar.Dispose();
        }
    }

    private async Task<TimeSpan> UntilAsync(Func<SimulatedSidecar, bool> holds, TimeSpan limit, string what)
    {
        long start = _time.GetTimestamp();
        while (!_sidecars.All(holds))
        {
            await PauseAsync(start, limit, () => $"{_sidecars.Count(holds)} {what}");
        }

        return _time.GetElapsedTime(start);
    }

    private async Task PauseAsync(long start, TimeSpan limit, Func<string> found)
    {
        if (_time.GetElapsedTime(start) > limit)
        {
            throw new TimeoutException($"after {limit.TotalSeconds:0} s {found()}");
        }

        await Task.Delay(TimeSpan.FromMilliseconds(2), _time, CancellationToken.None);
    }
}
