using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>
/// A socket on an event loop. Its pipes stand straight over the socket and are used on the loop's thread only; <see cref="Abort(ConnectionAbortedException)"/> and
/// <see cref="DisposeAsync"/> may come from any thread. An idle one holds no memory but itself.
/// </summary>
internal sealed class EpollConnection : ConnectionContext, IDuplexPipe, ILoopFeature, IHalfCloseFeature, ITunnelFeature, IOriginalDestinationFeature,
    IConnectionLifetimeFeature
{
    private const uint Everything = LibC.EpollIn | LibC.EpollOut | LibC.EpollPeerEnd;

    private static readonly Action<object?> CloseSoon = static c => ((EpollConnection)c!).CloseHere();

    private readonly Watcher _watcher;
    private readonly SocketReader _reader;
    private readonly SocketWriter _writer;
    private readonly bool _isAccepted;
    private volatile EventLoop _loop;
    private CancellationTokenSource? _closed;
    private FeatureCollection? _features;
    private IDictionary<object, object?>? _items;
    private string? _id;
    private volatile bool _isAborted;
    private volatile bool _isClosed;

    /// <summary>Takes over a connected socket; <see cref="TryStart"/> follows on the loop.</summary>
    public EpollConnection(EventLoop loop, int descriptor, bool isAccepted, EndPoint? local, EndPoint? remote)
    {
        _loop = loop;
        Descriptor = descriptor;
        _isAccepted = isAccepted;
        _watcher = new Watcher(this);
        _reader = new SocketReader(this);
        _writer = new SocketWriter(this);
        LocalEndPoint = local;
        RemoteEndPoint = remote;
        if (isAccepted)
        {
            Interlocked.Increment(ref loop.Connections);
        }
    }

    /// <summary>The loop it lives on now.</summary>
    public EventLoop Loop => _loop;

    PipeScheduler ILoopFeature.Loop => _loop;

    public bool IsOnLoop => _loop.IsCurrent;

    /// <summary>The socket; -1 once it is closed.</summary>
    public int Descriptor { get; private set; }

    /// <summary>The peer has sent its end, or the connection broke: what is in the kernel can still be read.</summary>
    public bool HasPeerEnded { get; private set; }

    public IPEndPoint? OriginalDestination =>
        Descriptor >= 0 && LocalEndPoint is IPEndPoint local ? SocketAddresses.OriginalDestination(Descriptor, local.AddressFamily == AddressFamily.InterNetworkV6) : null;

    public PipeReader Input => _reader;

    public PipeWriter Output => _writer;

    /// <summary>For splicing: waits and wake-ups of the sending side.</summary>
    public SocketWriter Writer => _writer;

    /// <summary>For splicing: waits and wake-ups of the receiving side.</summary>
    public SocketReader Reader => _reader;

    public override IDuplexPipe Transport
    {
        get => this;
        set => throw new NotSupportedException("the pipes of a socket cannot be replaced");
    }

    public override string ConnectionId
    {
        get => _id ??= Guid.NewGuid().ToString("N");
        set => _id = value;
    }

    public override IFeatureCollection Features => _features ??= MakeFeatures();

    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    /// <summary>Fires on the loop when the peer ends or breaks the connection, and after an abort.</summary>
    public override CancellationToken ConnectionClosed
    {
        get => ClosedSource().Token;
        set => throw new NotSupportedException("the life of a socket cannot be replaced");
    }

    /// <summary>Begins to watch the socket. False when the kernel refuses; the connection is closed then. On the loop.</summary>
    public bool TryStart()
    {
        if (_loop.TryWatch(_watcher, Descriptor, Everything))
        {
            return true;
        }

        Close();
        return false;
    }

    /// <summary>Ends the connection with a reset, soon: reads and flushes that wait end, what the kernel has not sent is dropped.</summary>
    public override void Abort(ConnectionAbortedException abortReason)
    {
        _isAborted = true;
        _loop.Schedule(CloseSoon, this); // never inline: the caller may stand in the middle of a read
    }

    public void EndSending()
    {
        if (Descriptor >= 0)
        {
            _ = LibC.Shutdown(Descriptor, LibC.ShutdownWrite);
        }
    }

    /// <summary>Closes the socket; what was flushed is still sent.</summary>
    [SuppressMessage("Usage", "CA2215", Justification = "The base class has nothing to dispose.")]
    public override ValueTask DisposeAsync()
    {
        if (_isClosed)
        {
            return default;
        }

        if (!_loop.IsCurrent)
        {
            return CloseOnLoopAsync();
        }

        Close();
        return default;
    }

    public void Begin() => TryStart();

    public async ValueTask MoveToAsync(PipeScheduler loop)
    {
        EventLoop target = (EventLoop)loop;
        await _loop.SwitchTo();
        Debug.Assert(!_reader.IsBusy && !_writer.IsBusy, "only a connection at rest can move");
        _loop.Forget(_watcher, Descriptor);
        _loop = target; // from here on nothing of it runs on the old loop
        await target.SwitchTo();
        if (Descriptor >= 0)
        {
            TryStart(); // the kernel tells what is ready already, but whoever looks before that must find it too
            _reader.OnMoved();
        }
    }

    public Task<bool>? TryPump(ConnectionContext to, Action<long> onMoved, WriteWatch? watch) =>
        to is EpollConnection other && other._loop == _loop ? new SplicePump(this, other, onMoved, watch).RunAsync() : null;

    [Conditional("DEBUG")]
    public void AssertOnLoop() => Debug.Assert(_loop.IsCurrent, "a connection is used on its loop's thread");

    private async ValueTask CloseOnLoopAsync()
    {
        await _loop.SwitchTo();
        Close();
    }

    private void CloseHere()
    {
        if (_loop.IsCurrent)
        {
            Close();
        }
        else
        {
            _loop.Schedule(CloseSoon, this); // it has moved in between
        }
    }

    private void OnReady(uint events)
    {
        bool wasEnded = HasPeerEnded;
        HasPeerEnded |= (events & (LibC.EpollPeerEnd | LibC.EpollHup | LibC.EpollErr)) != 0;
        if ((events & (LibC.EpollIn | LibC.EpollPeerEnd | LibC.EpollHup | LibC.EpollErr)) != 0)
        {
            _reader.OnReadable();
        }

        if ((events & (LibC.EpollOut | LibC.EpollHup | LibC.EpollErr)) != 0)
        {
            _writer.OnWritable();
        }

        if (HasPeerEnded && !wasEnded)
        {
            Tell(); // last: what came before the end has been read by whoever waited for it
        }
    }

    private void Close()
    {
        if (_isClosed)
        {
            return;
        }

        _isClosed = true;
        int descriptor = Descriptor;
        Descriptor = -1;
        _loop.Forget(_watcher);
        if (_isAborted)
        {
            LibC.ResetOnClose(descriptor);
        }

        _ = LibC.Close(descriptor);
        if (_isAccepted)
        {
            Interlocked.Decrement(ref _loop.Connections);
        }

        _writer.OnReset();
        _reader.OnReset();
        _reader.Complete();
        if (_isAborted)
        {
            Tell();
        }
    }

    private void Tell()
    {
        HasPeerEnded = true;
        Volatile.Read(ref _closed)?.Cancel();
    }

    private CancellationTokenSource ClosedSource()
    {
        CancellationTokenSource? source = Volatile.Read(ref _closed);
        if (source is null)
        {
            source = new CancellationTokenSource();
            source = Interlocked.CompareExchange(ref _closed, source, null) ?? source;
            if (HasPeerEnded)
            {
                source.Cancel(); // it ended before anybody asked
            }
        }

        return source;
    }

    private FeatureCollection MakeFeatures()
    {
        FeatureCollection features = new(5);
        features.Set<ILoopFeature>(this);
        features.Set<IOriginalDestinationFeature>(this);
        features.Set<IHalfCloseFeature>(this);
        features.Set<ITunnelFeature>(this);
        features.Set<IConnectionLifetimeFeature>(this);
        return features;
    }

    /// <summary>The loop's view of the connection.</summary>
    private sealed class Watcher(EpollConnection connection) : LoopHandle
    {
        internal override void OnReady(uint events) => connection.OnReady(events);
    }
}
