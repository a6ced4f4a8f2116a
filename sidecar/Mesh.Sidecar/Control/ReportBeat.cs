namespace Mesh.Sidecar.Control;

/// <summary>When to report: each interval, and at once when there is news, but never faster than <see cref="Fastest"/>. Waited for by one caller, hurried by any thread.</summary>
internal sealed class ReportBeat : IDisposable
{
    /// <summary>Shortest time between two reports.</summary>
    public static readonly TimeSpan Fastest = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly PeriodicTimer _timer;
    private static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(1); // the shortest period of a timer

    private readonly TimeProvider _time;
    private readonly TimeSpan _interval;
    private long _last;
    private bool _isHurried;
    private bool _isOver;

    /// <summary>Starts the beat.</summary>
    /// <param name="interval">Time between reports without news; at least <see cref="Fastest"/>.</param>
    /// <param name="time">Clock.</param>
    public ReportBeat(TimeSpan interval, TimeProvider time)
    {
        _interval = interval > Fastest ? interval : Fastest;
        (_time, _last) = (time, time.GetTimestamp() - time.TimestampFrequency); // the first may come at once
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
                TimeSpan left = Fastest - _time.GetElapsedTime(_last);
                _timer.Period = left > AtOnce ? left : AtOnce;
            }
        }
    }

    /// <summary>Waits for the next beat.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/>.</exception>
    public async Task NextAsync(CancellationToken stop)
    {
        do
        {
            await _timer.WaitForNextTickAsync(stop);
        }
        while (!TryTake());
    }

    // A timer with a short period ticks again before it can be told otherwise.
    private bool TryTake()
    {
        lock (_gate)
        {
            if (_time.GetElapsedTime(_last) < Fastest)
            {
                return false;
            }

            _last = _time.GetTimestamp();
            if (_isHurried)
            {
                _isHurried = false;
                _timer.Period = _interval;
            }

            return true;
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
