namespace Mesh.Sidecar.Control;

/// <summary>Ends waiting for a peer from which nothing comes. Used by one reader.</summary>
internal sealed class SilenceWatch : IDisposable
{
    private readonly TimeSpan _longest;
    private readonly CancellationToken _stop;
    private readonly CancellationTokenSource _silence;
    private readonly CancellationTokenSource _either;

    /// <summary>A watch that starts now.</summary>
    /// <param name="longest">Silence that is borne.</param>
    /// <param name="time">Clock.</param>
    /// <param name="stop">Ends waiting for another reason.</param>
    public SilenceWatch(TimeSpan longest, TimeProvider time, CancellationToken stop)
    {
        _longest = longest;
        _stop = stop;
        _silence = new CancellationTokenSource(longest, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(stop, _silence.Token);
    }

    /// <summary>Waits for something of the peer; when it comes, the silence begins anew.</summary>
    /// <exception cref="HttpRequestException">It was silent for too long.</exception>
    public async Task<T> GuardAsync<T>(Func<CancellationToken, Task<T>> wait)
    {
        try
        {
            T came = await wait(_either.Token);
            _silence.CancelAfter(_longest);
            return came;
        }
        catch (Exception error) when (error is OperationCanceledException or IOException && _silence.IsCancellationRequested && !_stop.IsCancellationRequested)
        {
            throw new HttpRequestException($"nothing came for {_longest.TotalSeconds:0} s", error);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _either.Dispose();
        _silence.Dispose();
    }
}
