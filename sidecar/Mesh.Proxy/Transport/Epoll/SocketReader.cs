using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>
/// Bytes of a socket as they are asked for: nothing is received before somebody reads, so back-pressure reaches the sender, and no memory is held while nothing is
/// here. One reader, on the connection's loop; <see cref="CancelPendingRead"/> from any thread.
/// </summary>
internal sealed unsafe class SocketReader(EpollConnection connection) : QuietPipeReader, IValueTaskSource<ReadResult>
{
    /// <summary>Reads in a row that find bytes before the loop gets its turn: one busy connection must not starve the others.</summary>
    private const int MaxReadsInARow = 16;

    private const int SmallestRead = 1024;

    private static readonly Action<object?> WakeIfCancelled = static r => ((SocketReader)r!).OnCancel();
    private static readonly Action<object?> TakeTurn = static r => ((SocketReader)r!).GoOn();
    private static readonly Action<object?> EndYield = static r => ((SocketReader)r!).EndBypass();

    private SlabBlock? _first;
    private SlabBlock? _last;
    private bool _hasNews;
    private bool _isReadable;
    private bool _hasEnded;
    private bool _isReset;
    private int _readsInARow;
    private int _isCancelRequested;
    private Action<object?>? _continuation;
    private object? _state;
    private bool _isWaiting;
    private bool _isBypassed;
    private short _version;

    /// <summary>True while it holds bytes that were received.</summary>
    public bool HoldsBytes => _first is not null;

    /// <summary>True while it holds bytes or somebody waits for them.</summary>
    public bool IsBusy => _first is not null || _isWaiting;

    public override bool TryRead(out ReadResult result)
    {
        connection.AssertOnLoop();
        _readsInARow++; // counted but never refused: whether a connection is quiet must be exact
        if (CanAnswer() || (_isReadable && TryReceive()))
        {
            result = Answer();
            return true;
        }

        result = default;
        return false;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        connection.AssertOnLoop();
        if (CanAnswer() || (_isReadable && ++_readsInARow <= MaxReadsInARow && TryReceive()))
        {
            return new ValueTask<ReadResult>(Answer());
        }

        if (_isReadable)
        {
            connection.Loop.Schedule(TakeTurn, this); // its turn is over, the bytes wait
        }

        _isWaiting = true;
        return new ValueTask<ReadResult>(this, _version);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        connection.AssertOnLoop();
        if (examined.GetObject() is SlabBlock seen)
        {
            _hasNews = seen != _last || examined.GetInteger() < _last.End;
        }

        if (consumed.GetObject() is not SlabBlock block)
        {
            return;
        }

        while (_first != block)
        {
            ReleaseFirst();
        }

        block.Begin = consumed.GetInteger();
        if (block == _last && block.Begin == block.End)
        {
            ReleaseFirst();
        }
    }

    public override void CancelPendingRead()
    {
        Interlocked.Exchange(ref _isCancelRequested, 1);
        connection.Loop.Schedule(WakeIfCancelled, this);
    }

    /// <summary>Gives up what was received. The socket lives on until the connection is disposed.</summary>
    public override void Complete(Exception? exception = null)
    {
        _hasEnded = true;
        _hasNews = false;
        while (_first is not null)
        {
            ReleaseFirst();
        }
    }

    public ReadResult GetResult(short token)
    {
        Debug.Assert(token == _version, "a read is awaited once");
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

    /// <summary>
    /// Waits, after the kernel said that it has nothing, until it has something: for one who takes the bytes past this reader. Cancelled or reset like a read.
    /// </summary>
    public ValueTask<ReadResult> WaitReadableAsync()
    {
        if (_isReset || Volatile.Read(ref _isCancelRequested) != 0)
        {
            return new ValueTask<ReadResult>(Answer());
        }

        _isBypassed = _isWaiting = true;
        return new ValueTask<ReadResult>(this, _version);
    }

    /// <summary>The same, but only until the loop has done its other work.</summary>
    public ValueTask<ReadResult> YieldAsync()
    {
        connection.Loop.Schedule(EndYield, this);
        return WaitReadableAsync();
    }

    /// <summary>The kernel has bytes, or the end.</summary>
    public void OnReadable()
    {
        _isReadable = true;
        GoOn();
    }

    /// <summary>The connection is on another loop: what came meanwhile nobody has told.</summary>
    public void OnMoved() => _isReadable = true;

    /// <summary>The connection is dead: whoever waits learns it now, later ones at once.</summary>
    public void OnReset()
    {
        _isReset = true;
        WakeUp();
    }

    private void GoOn()
    {
        _readsInARow = 0;
        if (_isWaiting && (_isBypassed || (_isReadable && TryReceive())))
        {
            WakeUp();
        }
    }

    private void EndBypass()
    {
        if (_isBypassed)
        {
            WakeUp();
        }
    }

    private void OnCancel()
    {
        if (_isCancelRequested != 0)
        {
            WakeUp();
        }
    }

    private void WakeUp()
    {
        if (!_isWaiting)
        {
            return;
        }

        _isWaiting = _isBypassed = false;
        Action<object?>? continuation = _continuation;
        object? state = _state;
        (_continuation, _state) = (null, null);
        continuation?.Invoke(state); // none yet: whoever awaits finds it done
    }

    private bool CanAnswer() => _hasNews || _hasEnded || _isReset || Volatile.Read(ref _isCancelRequested) != 0;

    private ReadResult Answer()
    {
        bool isCancelled = _isCancelRequested != 0 && Interlocked.Exchange(ref _isCancelRequested, 0) != 0;
        if (_isReset)
        {
            return SafePipe.Reset;
        }

        ReadOnlySequence<byte> bytes = _first is null ? default : new ReadOnlySequence<byte>(_first, _first.Begin, _last!, _last!.End);
        return new ReadResult(bytes, isCancelled, _hasEnded);
    }

    /// <summary>Receives once. True when there is something to tell: bytes, the end, a reset.</summary>
    private bool TryReceive()
    {
        if (_last is null || _last.Room < SmallestRead)
        {
            SlabBlock block = connection.Loop.Pool.Rent();
            _last?.Link(block);
            _last = block;
            _first ??= block;
        }

        nint received;
        int room = _last.Room;
        do
        {
            received = LibC.Receive(connection.Descriptor, _last.WritePointer, room);
        }
        while (received < 0 && LibC.Error == LibC.Interrupted);

        if (received > 0)
        {
            _last.End += (int)received;
            _hasNews = true;
            // Less than there was room for means the socket is empty: asking again would be for nothing. But an end that came with the bytes is told of once.
            _isReadable = received == room || connection.HasPeerEnded;
            return true;
        }

        bool wouldBlock = received < 0 && LibC.Error == LibC.WouldBlock;
        _isReadable = false;
        _hasEnded |= received == 0;
        _isReset |= received < 0 && !wouldBlock;
        DropEmptyLast();
        return !wouldBlock;
    }

    private void DropEmptyLast()
    {
        if (_first == _last && _first!.Length == 0)
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
}
