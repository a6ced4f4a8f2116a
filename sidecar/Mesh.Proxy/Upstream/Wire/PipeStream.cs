using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// The pipes of a connection as a stream, for code that knows streams only. A read into nothing waits for bytes and takes none, so that nobody holds a buffer
/// while a connection is silent. A finished write has left for the kernel. Goes on where the pipes do; cancellation is an abort of the connection.
/// </summary>
internal sealed class PipeStream(IDuplexPipe pipes) : Stream
{
    private const string OneWay = "a connection has no length and no position";
    private const string AsyncOnly = "an event loop must not block; use the asynchronous methods";

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException(OneWay);

    public override long Position
    {
        get => throw new NotSupportedException(OneWay);
        set => throw new NotSupportedException(OneWay);
    }

    /// <summary>Bytes, or 0 at the end.</summary>
    /// <exception cref="ConnectionResetException">The connection was cut off.</exception>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        PipeReader input = pipes.Input;
        while (true)
        {
            ReadResult read = await SafePipe.ReadAsync(input);
            if (SafePipe.WasReset(read))
            {
                throw new ConnectionResetException("the connection was reset");
            }

            ReadOnlySequence<byte> taken = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, buffer.Length));
            taken.CopyTo(buffer.Span);
            bool isOver = !read.Buffer.IsEmpty || read.IsCompleted; // else a wake-up that was meant for somebody before
            input.AdvanceTo(taken.End);
            if (isOver)
            {
                return (int)taken.Length;
            }
        }
    }

    /// <summary>Sends.</summary>
    /// <exception cref="ConnectionResetException">The peer takes nothing any more.</exception>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        pipes.Output.Write(buffer.Span);
        if (!await SafePipe.FlushAsync(pipes.Output))
        {
            throw new ConnectionResetException("the peer takes nothing any more");
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask; // each write has

    public override void Flush()
    {
        // Each write has left already.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException(AsyncOnly);

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException(AsyncOnly);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException(OneWay);

    public override void SetLength(long value) => throw new NotSupportedException(OneWay);
}
