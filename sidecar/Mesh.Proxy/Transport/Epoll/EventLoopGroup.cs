namespace Mesh.Proxy.Transport.Epoll;

/// <summary>The event loops of the process (<c>--concurrency</c>). Thread-safe.</summary>
internal sealed class EventLoopGroup : IDisposable
{
    private readonly EventLoop[] _loops;
    private int _next;

    /// <summary>Starts <paramref name="count"/> loops.</summary>
    /// <param name="count">Threads, at least 1.</param>
    /// <param name="onBug">Told of exceptions that escape from work on a loop.</param>
    public EventLoopGroup(int count, Action<Exception> onBug) =>
        _loops = [.. Enumerable.Range(0, count).Select(i => new EventLoop($"loop-{i}", onBug))];

    /// <summary>True where the kernel has what the loops need.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Any loop, in turn: for listeners, which hand their connections on.</summary>
    public EventLoop Next() => _loops[(uint)Interlocked.Increment(ref _next) % (uint)_loops.Length];

    /// <summary>The loop with the fewest client connections: a hash of addresses, as SO_REUSEPORT spreads by, would leave few long connections on one.</summary>
    public EventLoop LeastLoaded()
    {
        EventLoop least = _loops[0];
        for (int i = 1; i < _loops.Length; i++)
        {
            if (Volatile.Read(ref _loops[i].Connections) < Volatile.Read(ref least.Connections))
            {
                least = _loops[i];
            }
        }

        return least;
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        foreach (EventLoop loop in _loops)
        {
            loop.Dispose();
        }
    }
}
