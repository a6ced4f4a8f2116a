using System.Diagnostics;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>
/// Bytes on their way to a socket: what was written goes out in one call at the flush, and a completed flush has left for the kernel. A peer that takes nothing makes
/// the flush wait, and so whoever produces. A dead peer completes it. One writer, on the connection's loop.
/// </summary>
internal sealed unsafe class SocketWriter(EpollConnection connection) : PipeWriter, IValueTaskSource<FlushResult>
{
    private const int MaxVectors = 16;

    private SlabBlock? _first;
    private SlabBlock? _last;
    private long _unflushed;
    private bool _isWritable = true;
    private bool _isDead;
    private bool _isCancelRequested;
    private bool _isWaiting;
    private Action<object?>? _continuation;
    private object? _state;
    private short _version;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _unflushed;

    /// <summary>True while it holds bytes or a flush waits.</summary>
    public bool IsBusy => _first is not null || _isWaiting;

    public override Memory<byte> GetMemory(int sizeHint = 0) => BlockWithRoom(sizeHint).Free;

    public override Span<byte> GetSpan(int sizeHint = 0) => BlockWithRoom(sizeHint).Free.Span;

    public override void Advance(int bytes)
    {
        if (bytes > 0)
        {
            _last!.End += bytes;
            _unflushed += bytes;
        }
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        connection.AssertOnLoop();
        if (TrySend() || _isCancelRequested)
        {
            return new ValueTask<FlushResult>(Answer());
        }

        _isWaiting = true;
        return new ValueTask<FlushResult>(this, _version);
    }

    /// <summary>Waits, after the kernel refused bytes, until it takes some: for one who sends past this writer. Completed means the connection is dead.</summary>
    public ValueTask<FlushResult> WaitWritableAsync()
    {
        _isWritable = false;
        _isWaiting = !_isDead;
        return _isDead ? new ValueTask<FlushResult>(Answer()) : new ValueTask<FlushResult>(this, _version);
    }

    /// <summary>Ends a flush that waits, or the next one. On the loop.</summary>
    public override void CancelPendingFlush()
    {
        _isCancelRequested = true;
        WakeUp();
    }

    /// <summary>Drops what was not flushed. The socket lives on until the connection is disposed.</summary>
    public override void Complete(Exception? exception = null) => Drop();

    public FlushResult GetResult(short token)
    {
        Debug.Assert(token == _version, "a flush is awaited once");
        _version++;
        return Answer();
    }

    public ValueTaskSourceStatus GetStatus(short token) => _isWaiting ? ValueTaskSourceStatus.Pending : ValueTaskSourceStatus.Succeeded;

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        connection.AssertOnLoop();
        if (_isWaiting)
        {
            (_continuation, _state) = (continuation, state);
        }
        else
        {
            connection.Loop.Schedule(continuation, state);
        }
    }

    /// <summary>The kernel takes bytes again.</summary>
    public void OnWritable()
    {
        _isWritable = true;
        if (_isWaiting && TrySend())
        {
            WakeUp();
        }
    }

    /// <summary>The connection is dead: a flush that waits ends, later ones do nothing.</summary>
    public void OnReset()
    {
        _isDead = true;
        Drop();
        WakeUp();
    }

    private FlushResult Answer()
    {
        bool isCancelled = _isCancelRequested;
        _isCancelRequested = false;
        return new FlushResult(isCancelled, _isDead);
    }

    private SlabBlock BlockWithRoom(int sizeHint)
    {
        connection.AssertOnLoop();
        if (_last is not null && _last.Room >= Math.Max(sizeHint, 1))
        {
            return _last;
        }

        SlabBlock block = connection.Loop.Pool.Rent(sizeHint);
        _last?.Link(block);
        _first ??= block;
        return _last = block;
    }

    /// <summary>Sends all there is. False when the kernel takes no more for now.</summary>
    private bool TrySend()
    {
        while (_first is not null && !_isDead)
        {
            if (!_isWritable)
            {
                return false;
            }

            nint sent = _first == _last ? LibC.Send(connection.Descriptor, _first.ReadPointer, _first.Length) : SendChain();
            if (sent >= 0)
            {
                Sent(sent);
            }
            else if (LibC.Error == LibC.WouldBlock)
            {
                _isWritable = false;
            }
            else if (LibC.Error != LibC.Interrupted)
            {
                _isDead = true;
            }
        }

        if (_isDead)
        {
            Drop();
        }

        return true;
    }

    private nint SendChain()
    {
        LibC.IoVector* vectors = stackalloc LibC.IoVector[MaxVectors];
        int count = 0;
        for (SlabBlock? block = _first; block is not null && count < MaxVectors; block = block.NextBlock)
        {
            vectors[count++] = new LibC.IoVector { Start = block.ReadPointer, Length = block.Length };
        }

        return LibC.Send(connection.Descriptor, vectors, count);
    }

    private void Sent(nint bytes)
    {
        _unflushed -= bytes;
        while (_first is { } block && bytes >= block.Length)
        {
            bytes -= block.Length;
            ReleaseFirst();
        }

        if (_first is { } partly)
        {
            partly.Begin += (int)bytes;
        }
    }

    private void Drop()
    {
        _unflushed = 0;
        while (_first is not null)
        {
            ReleaseFirst();
        }
    }

    private void ReleaseFirst()
    {
        SlabBlock block = _first!;
        _first = block.NextBlock;
        _last = _first is null ? null : _last;
        block.Pool.Return(block);
    }

    private void WakeUp()
    {
        if (!_isWaiting)
        {
            return;
        }

        _isWaiting = false;
        Action<object?>? continuation = _continuation;
        object? state = _state;
        (_continuation, _state) = (null, null);
        continuation?.Invoke(state);
    }
}
