namespace Mesh.Sidecar.Hosting;

/// <summary>Envoy's states, with its numbers.</summary>
internal enum ServerState
{
    /// <summary>Takes traffic.</summary>
    Live = 0,

    /// <summary>Finishes what is in flight.</summary>
    Draining = 1,

    /// <summary>Waits for its first rules.</summary>
    Initializing = 3,
}

/// <summary>Where the process is in its life. Thread-safe.</summary>
/// <param name="time">Clock.</param>
/// <param name="hasRules">Whether a first snapshot is in force.</param>
internal sealed class SidecarState(TimeProvider time, Func<bool> hasRules) : IDisposable
{
    private readonly long _started = time.GetTimestamp();
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _quit = new();
    private volatile bool _isDraining;

    /// <summary>Wall-clock start.</summary>
    public DateTimeOffset StartedAt { get; } = time.GetUtcNow();

    /// <summary>Time since the start.</summary>
    public TimeSpan Uptime => time.GetElapsedTime(_started);

    /// <summary>The state now.</summary>
    public ServerState Current => _isDraining ? ServerState.Draining : hasRules() ? ServerState.Live : ServerState.Initializing;

    /// <summary>Envoy's word for the state.</summary>
    public string Text => Current.ToString().ToUpperInvariant();

    /// <summary>Fires when the process is to end.</summary>
    public CancellationToken Stopping => _stop.Token;

    /// <summary>Fires when the process is to end at once.</summary>
    public CancellationToken Quitting => _quit.Token;

    /// <summary>Whether it is on its way out.</summary>
    public bool IsDraining => _isDraining;

    /// <summary>From now on not ready.</summary>
    public void BeginDrain() => _isDraining = true;

    /// <summary>Asks the process to end; asked a second time, it ends without waiting for what is in flight.</summary>
    public void RequestStop()
    {
        if (_stop.IsCancellationRequested)
        {
            _quit.Cancel();
        }

        _stop.Cancel();
    }

    /// <summary>Asks the process to end without waiting for what is in flight.</summary>
    public void RequestQuit()
    {
        _quit.Cancel();
        _stop.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Dispose();
        _quit.Dispose();
    }
}
