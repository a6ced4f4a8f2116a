namespace Mesh.Proxy.Infrastructure;

/// <summary>
/// The longest time in which a receiver may take none of the bytes that it is to get: it passes once, for ever. Used by the sender, on its thread; an update is a field write.
/// </summary>
internal sealed class WriteWatch : IDisposable
{
    private readonly Deadline _deadline;
    private readonly TimeSpan _limit;

    /// <param name="time">Clock.</param>
    /// <param name="limit">Longest time, above zero.</param>
    /// <param name="onPassed">Called once, on the timer's thread, with <paramref name="state"/>; must end the wait, and not block or throw.</param>
    /// <param name="state">For <paramref name="onPassed"/>.</param>
    public WriteWatch(TimeProvider time, TimeSpan limit, Action<object> onPassed, object state)
    {
        _deadline = new Deadline(time, onPassed, state);
        _limit = limit;
    }

    /// <summary>True when the receiver has taken nothing for too long.</summary>
    public bool HasPassed => _deadline.HasPassed;

    /// <summary>Bytes are there, and the receiver takes none for now.</summary>
    public void Begin() => _deadline.Set(_limit);

    /// <summary>It has taken what there was, or a part.</summary>
    public void End() => _deadline.Clear();

    /// <inheritdoc/>
    public void Dispose() => _deadline.Dispose();
}
