namespace Mesh.Sidecar.Control;

/// <summary>When to report: each interval, and <see cref="Soon"/> after news. Waited for by one caller, hurried by any thread.</summary>
internal sealed class ReportBeat : IDisposable
{
    /// <summary>How long news waits for more of its kind; reports come no faster.</summary>
    public static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly PeriodicTimer _timer;
    private readonly TimeSpan _interval;
    private bool _isHurried;
    private bool _isOver;

    /// <summary>Starts the beat.</summary>
    /// <param name="interval">Time between reports without news; at least <see cref="Soon"/>.</param>
    /// <param name="time">Clock.</param>
    public ReportBeat(TimeSpan interval, TimeProvider time)
    {
        _interval = interval > Soon ? interval : Soon;
        _timer = new PeriodicTimer(_interval, time);
    }

    /// <summary>There is something that should not wait for the next beat.</summary>
    public void Hurry()
    {
        lock (_gate)
        {
            if (!_isHurried && !_isOver)
            {
                _isHurried = true;
                _timer.Period = Soon;
            }
        }
    }

    /// <summary>Waits for the next beat.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/>.</exception>
    public async Task NextAsync(CancellationToken stop)
    {
        await _timer.WaitForNextTickAsync(stop);
        lock (_gate)
        {
            if (_isHurried)
            {
                _isHurried = false;
                _timer.Period = _interval;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _isOver = true;
            _timer.Dispose();
        }
    }
}
