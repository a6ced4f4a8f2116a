namespace Mesh.Proxy.Transport.Epoll;

/// <summary>The kernel's pipes through which spliced bytes pass, kept for the next piece. On the loop's thread.</summary>
internal sealed class SplicePipes : IDisposable
{
    private const int MaxIdle = 16;
    private readonly Stack<SplicePipe> _idle = new();

    /// <summary>An empty pipe; null when there are no descriptors left.</summary>
    public SplicePipe? Rent() => _idle.TryPop(out SplicePipe? pipe) ? pipe
        : LibC.TryPipe(out int readEnd, out int writeEnd) ? new SplicePipe(readEnd, writeEnd) : null;

    /// <summary>Takes a pipe back; one that still holds bytes is closed with them.</summary>
    public void Return(SplicePipe pipe)
    {
        if (pipe.Bytes == 0 && _idle.Count < MaxIdle)
        {
            _idle.Push(pipe);
        }
        else
        {
            pipe.Close();
        }
    }

    public void Dispose()
    {
        while (_idle.TryPop(out SplicePipe? pipe))
        {
            pipe.Close();
        }
    }
}

/// <summary>One of them, and what is in it.</summary>
internal sealed class SplicePipe(int readEnd, int writeEnd)
{
    private const int MostBytes = 64 * 1024; // what a pipe holds by default

    /// <summary>Bytes inside.</summary>
    public nint Bytes { get; private set; }

    /// <summary>Takes bytes of a socket: how many, 0 at its end, negative with the error in <see cref="LibC.Error"/>.</summary>
    public nint Fill(int socket)
    {
        nint moved = LibC.Splice(socket, writeEnd, MostBytes);
        Bytes += Math.Max(moved, 0);
        return moved;
    }

    /// <summary>Gives bytes to a socket: how many, negative with the error in <see cref="LibC.Error"/>.</summary>
    public nint Drain(int socket)
    {
        nint moved = LibC.Splice(readEnd, socket, Bytes);
        Bytes -= Math.Max(moved, 0);
        return moved;
    }

    public void Close()
    {
        _ = LibC.Close(readEnd);
        _ = LibC.Close(writeEnd);
    }
}
