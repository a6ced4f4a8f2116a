using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>
/// One thread that waits for its descriptors and runs what waits for them, inline and one after the other: code of a connection needs no lock as long as it stays
/// here. Edge-triggered: a descriptor is told of once each time it becomes ready. <see cref="Schedule"/> brings work from any thread; nothing that runs here may block.
/// </summary>
internal sealed unsafe class EventLoop : PipeScheduler, IDisposable
{
    private const int MaxEvents = 256;
    private const string LastResort = "Last resort of the loop: one connection's bug must not end all others.";

    [ThreadStatic]
    private static EventLoop? _current;

    private readonly int _epoll;
    private readonly int _wake;
    private readonly Action<Exception> _onBug;
    private readonly Thread _thread;
    private readonly ConcurrentQueue<Work> _posted = new();
    private readonly Queue<Work> _local = new();
    private readonly List<LoopHandle?> _handles = [null]; // place 0 is the wake-up
    private readonly List<uint> _generations = [0];
    private readonly Stack<int> _freePlaces = new();
    private int _isAwake;
    private volatile bool _isStopping;
    private volatile bool _hasEnded;

    /// <summary>Starts the thread.</summary>
    /// <param name="name">Name of the thread.</param>
    /// <param name="onBug">Told of exceptions that escape from work; the loop goes on.</param>
    /// <exception cref="IOException">The kernel gives no descriptor.</exception>
    public EventLoop(string name, Action<Exception> onBug)
    {
        _onBug = onBug;
        _epoll = LibC.NewEpoll();
        _wake = LibC.NewWake();
        if (_epoll < 0 || _wake < 0 || LibC.Watch(_epoll, _wake, LibC.EpollIn | LibC.EpollEdge, 0) != 0)
        {
            throw new IOException($"cannot make an event loop: {SystemErrors.Text(LibC.Error)}");
        }

        _thread = new Thread(Run) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>The loop whose thread this is, if any.</summary>
    public static EventLoop? Current => _current;

    /// <summary>True on the loop's own thread.</summary>
    public bool IsCurrent => _current == this;

    /// <summary>Memory for connections of this loop; on its thread.</summary>
    public SlabPool Pool { get; } = new();

    /// <summary>Pipes for splicing; on its thread.</summary>
    public SplicePipes Pipes { get; } = new();

    /// <summary>Client connections that live here; what new ones are spread by. Interlocked.</summary>
    public ref int Connections => ref _connections;

    private int _connections;

    /// <summary>Runs <paramref name="action"/> on the loop soon, never inline. Any thread; from one thread in order.</summary>
    public override void Schedule(Action<object?> action, object? state)
    {
        if (IsCurrent)
        {
            _local.Enqueue(new Work(action, state));
            return;
        }

        if (_hasEnded)
        {
            System.Threading.ThreadPool.UnsafeQueueUserWorkItem(static w => w.Action(w.State), new Work(action, state), preferLocal: false); // late ones must not wait for ever
            return;
        }

        _posted.Enqueue(new Work(action, state));
        if (Interlocked.Exchange(ref _isAwake, 1) == 0)
        {
            ulong one = 1;
            _ = LibC.Write(_wake, &one, sizeof(ulong));
        }
    }

    /// <summary>Awaiting it goes on on this loop's thread: at once if it is there already.</summary>
    public LoopSwitch SwitchTo() => new(this, IsCurrent);

    /// <summary>Watches a descriptor for everything, edge-triggered. False when the kernel refuses. On the loop.</summary>
    public bool TryWatch(LoopHandle handle, int descriptor, uint events)
    {
        Debug.Assert(IsCurrent, "descriptors are watched on their loop");
        if (!_freePlaces.TryPop(out int place))
        {
            place = _handles.Count;
            _handles.Add(null);
            _generations.Add(0);
        }

        long ticket = ((long)++_generations[place] << 32) | (uint)place;
        if (LibC.Watch(_epoll, descriptor, events | LibC.EpollEdge, ticket) != 0)
        {
            _freePlaces.Push(place);
            return false;
        }

        _handles[place] = handle;
        handle.Ticket = ticket;
        return true;
    }

    /// <summary>Forgets a handle; events of it that are under way are dropped. Closing the descriptor does the kernel's side, unless it moves to another loop.</summary>
    public void Forget(LoopHandle handle, int descriptorThatStaysOpen = -1)
    {
        Debug.Assert(IsCurrent, "descriptors are watched on their loop");
        if (handle.Ticket == 0)
        {
            return;
        }

        if (descriptorThatStaysOpen >= 0)
        {
            _ = LibC.Unwatch(_epoll, descriptorThatStaysOpen);
        }

        int place = (int)(uint)handle.Ticket;
        _handles[place] = null;
        _freePlaces.Push(place);
        handle.Ticket = 0;
    }

    /// <summary>Ends the thread once the work that is posted has run, and waits for it.</summary>
    public void Dispose()
    {
        _isStopping = true;
        Schedule(static _ => { }, null);
        if (!IsCurrent)
        {
            _thread.Join();
        }
    }

    private void Run()
    {
        _current = this;
        byte* events = stackalloc byte[MaxEvents * LibC.EventSize];
        while (!_isStopping || !_posted.IsEmpty || _local.Count > 0)
        {
            int count = LibC.Wait(_epoll, events, MaxEvents, _local.Count > 0 ? 0 : -1);
            for (int i = 0; i < count; i++)
            {
                byte* happened = events + (i * LibC.EventSize);
                Tell(*(long*)(happened + LibC.EventData), *(uint*)happened);
            }

            RunWork();
        }

        _hasEnded = true;
        RunWork(); // what came while it ended
        Pipes.Dispose();
        _ = LibC.Close(_wake);
        _ = LibC.Close(_epoll);
    }

    [SuppressMessage("Design", "CA1031", Justification = LastResort)]
    private void Tell(long ticket, uint events)
    {
        try
        {
            if (_handles[(int)(uint)ticket] is { } handle && handle.Ticket == ticket)
            {
                handle.OnReady(events);
            }
        }
        catch (Exception bug)
        {
            _onBug(bug);
        }
    }

    private void RunWork()
    {
        Interlocked.Exchange(ref _isAwake, 0); // before looking: whoever posts from here on wakes the loop again
        while (_posted.TryDequeue(out Work work))
        {
            Run(work);
        }

        for (int left = _local.Count; left > 0; left--) // what they add waits for the next round, after new events
        {
            Run(_local.Dequeue());
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = LastResort)]
    private void Run(Work work)
    {
        try
        {
            work.Action(work.State);
        }
        catch (Exception bug)
        {
            _onBug(bug);
        }
    }

    private readonly record struct Work(Action<object?> Action, object? State);
}
