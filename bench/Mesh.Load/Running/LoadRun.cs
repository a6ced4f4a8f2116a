using Mesh.Load.Measuring;

namespace Mesh.Load.Running;

/// <summary>
/// One run, closed loop (each user waits for its answer) or open loop (calls are due at their time, answers or not). Latency counts from the
/// time a call was meant to be sent, so a stalled server shows in every call it held up. At the end, calls under way may finish.
/// </summary>
public sealed class LoadRun
{
    private readonly LoadOptions _options;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly Func<ILoadClient> _client;
    private readonly LoadRecorder _recorder = new();
    private long _started;
    private long _taken;
    private long _notSent;

    /// <summary>Prepares a run.</summary>
    /// <param name="options">What to do; without any limit it ends after ten seconds.</param>
    /// <param name="time">Clock.</param>
    /// <param name="random">Chooses the pauses of <see cref="LoadOptions.Delay"/>.</param>
    public LoadRun(LoadOptions options, TimeProvider time, Random random)
        : this(options, time, random, () => new LoadClient(options))
    {
    }

    internal LoadRun(LoadOptions options, TimeProvider time, Random random, Func<ILoadClient> client)
    {
        bool isBounded = options.Duration is not null || options.Total is not null || options.Repetitions is not null;
        _options = isBounded ? options : options with { Duration = TimeSpan.FromSeconds(10) };
        _time = time;
        _random = random;
        _client = client;
    }

    /// <summary>Called for each finished call, from any thread, several at a time.</summary>
    public Action<LoadSample>? OnSample { get; init; }

    /// <summary>Runs to the end, or to <paramref name="stop"/>, which lets calls under way finish. Call once.</summary>
    public async Task<LoadReport> RunAsync(CancellationToken stop)
    {
        using ILoadClient client = _client();
        _started = _time.GetTimestamp();
        if (_options.Rate is { } rate)
        {
            await RunOpenAsync(client, rate, stop);
        }
        else
        {
            // A synchronous answer must not keep the next user from starting.
            await Task.WhenAll(Enumerable.Range(0, _options.Users).Select(_ => Task.Run(() => RunUserAsync(client, stop), CancellationToken.None)));
        }

        return _recorder.Report(_time.GetElapsedTime(_started), _notSent);
    }

    private async Task RunUserAsync(ILoadClient client, CancellationToken stop)
    {
        for (int done = 0; done != _options.Repetitions && MayGoOn(stop); done++)
        {
            await CallAsync(client, _time.GetTimestamp());
            if (_options.Delay > TimeSpan.Zero)
            {
                await PauseAsync(Pause(), stop);
            }
        }
    }

    private bool MayGoOn(CancellationToken stop) =>
        !stop.IsCancellationRequested
        && (_options.Duration is not { } duration || _time.GetElapsedTime(_started) < duration)
        && (_options.Total is not { } total || Interlocked.Increment(ref _taken) <= total);

    private TimeSpan Pause()
    {
        lock (_random)
        {
            return _options.Delay * _random.NextDouble();
        }
    }

    private async Task RunOpenAsync(ILoadClient client, double rate, CancellationToken stop)
    {
        ArrivalSchedule schedule = new(rate, _options.Duration, _options.Total ?? (long?)_options.Repetitions * _options.Users);
        using SemaphoreSlim slots = new(_options.Users);
        List<Task> calls = [];
        long index = 0;
        for (; schedule.Has(index) && !stop.IsCancellationRequested; index++)
        {
            TimeSpan due = schedule.DueAt(index);
            TimeSpan left = due - _time.GetElapsedTime(_started);
            if (left > TimeSpan.Zero && !await PauseAsync(left, stop))
            {
                break;
            }

            if (!await TakeSlotAsync(slots, stop))
            {
                break;
            }

            calls.RemoveAll(static call => call.IsCompletedSuccessfully);
            calls.Add(CallInSlotAsync(client, _started + ToTimestamp(due), slots));
        }

        await Task.WhenAll(calls);
        for (; schedule.Has(index) && schedule.DueAt(index) <= _time.GetElapsedTime(_started); index++)
        {
            _notSent++;
        }
    }

    // Waits no longer than the run lasts: what is due but cannot be sent by then is reported as not sent.
    private async Task<bool> TakeSlotAsync(SemaphoreSlim slots, CancellationToken stop)
    {
        if (slots.Wait(0, CancellationToken.None))
        {
            return true;
        }

        TimeSpan left = (_options.Duration ?? _options.Timeout) - (_options.Duration is null ? TimeSpan.Zero : _time.GetElapsedTime(_started));
        using CancellationTokenSource end = new(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time);
        using CancellationTokenSource any = CancellationTokenSource.CreateLinkedTokenSource(end.Token, stop);
        try
        {
            await slots.WaitAsync(any.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task CallInSlotAsync(ILoadClient client, long intended, SemaphoreSlim slots)
    {
        try
        {
            await CallAsync(client, intended);
        }
        finally
        {
            slots.Release();
        }
    }

    private async Task CallAsync(ILoadClient client, long intended)
    {
        using CancellationTokenSource timeout = new(_options.Timeout, _time);
        LoadSample answer = await client.SendAsync(timeout.Token);
        // A timer may fire a moment early; nothing can take less than no time.
        TimeSpan latency = _time.GetElapsedTime(intended);
        LoadSample sample = answer with { Latency = latency < TimeSpan.Zero ? TimeSpan.Zero : latency };
        _recorder.Add(sample);
        OnSample?.Invoke(sample);
    }

    private async Task<bool> PauseAsync(TimeSpan time, CancellationToken stop)
    {
        try
        {
            await Task.Delay(time, _time, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private long ToTimestamp(TimeSpan time) => (long)(time.TotalSeconds * _time.TimestampFrequency);
}
