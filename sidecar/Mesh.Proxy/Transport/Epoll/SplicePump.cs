using System.Buffers;
using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>
/// One direction of a relay: bytes go from socket to socket through a pipe of the kernel and never enter this process. The pipe is held only while bytes are in
/// flight. Used once, on the loop of both connections.
/// </summary>
internal sealed class SplicePump(EpollConnection from, EpollConnection to, Action<long> onMoved, WriteWatch? watch)
{
    /// <summary>Pieces in a row before the loop gets its turn.</summary>
    private const int MaxPiecesInARow = 16;

    private SplicePipe? _pipe;

    /// <summary>Pumps until the end. True when all that came was passed on and the sender ended in order.</summary>
    public async Task<bool> RunAsync()
    {
        try
        {
            return await SendBufferedAsync() && await PumpAsync();
        }
        finally
        {
            ReturnPipe();
        }
    }

    // What was read while the protocol was told is in our memory already.
    private async ValueTask<bool> SendBufferedAsync()
    {
        PipeReader input = from.Input;
        if (!from.Reader.HoldsBytes || !input.TryRead(out ReadResult read))
        {
            return true;
        }

        foreach (ReadOnlyMemory<byte> segment in read.Buffer)
        {
            to.Output.Write(segment.Span);
        }

        onMoved(read.Buffer.Length);
        input.AdvanceTo(read.Buffer.End);
        ValueTask<FlushResult> flush = to.Output.FlushAsync();
        if (watch is not null && !flush.IsCompleted)
        {
            watch.Begin();
        }

        bool isDead = (await flush).IsCompleted;
        watch?.End();
        return !isDead;
    }

    private async ValueTask<bool> PumpAsync()
    {
        int inARow = 0;
        while (from.Descriptor >= 0 && to.Descriptor >= 0)
        {
            if (++inARow > MaxPiecesInARow)
            {
                inARow = 0;
                await from.Reader.YieldAsync();
                continue;
            }

            if (_pipe is null && (_pipe = from.Loop.Pipes.Rent()) is null)
            {
                return false; // no descriptors: the relay ends rather than stands
            }

            nint taken = _pipe.Fill(from.Descriptor);
            if (taken == 0)
            {
                return true;
            }

            if (taken > 0)
            {
                if (!await DrainAsync(_pipe))
                {
                    return false;
                }

                onMoved(taken);
            }
            else if (LibC.Error == LibC.WouldBlock)
            {
                ReturnPipe();
                inARow = 0;
                await from.Reader.WaitReadableAsync(); // a cancelled one is no end: a drain waits for tunnels
            }
            else if (LibC.Error != LibC.Interrupted)
            {
                return false;
            }
        }

        return false;
    }

    private async ValueTask<bool> DrainAsync(SplicePipe pipe)
    {
        while (pipe.Bytes > 0)
        {
            nint given = to.Descriptor < 0 ? -1 : pipe.Drain(to.Descriptor);
            if (given > 0 || (given < 0 && to.Descriptor >= 0 && LibC.Error == LibC.Interrupted))
            {
                continue;
            }

            if (given == 0 || to.Descriptor < 0 || LibC.Error != LibC.WouldBlock)
            {
                return false;
            }

            watch?.Begin();
            if ((await to.Writer.WaitWritableAsync()).IsCompleted)
            {
                return false;
            }

            watch?.End();
        }

        return true;
    }

    private void ReturnPipe()
    {
        if (_pipe is { } pipe)
        {
            _pipe = null;
            from.Loop.Pipes.Return(pipe);
        }
    }
}
