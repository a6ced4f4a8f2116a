using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Infrastructure;

/// <summary>
/// Reads and flushes of transport pipes as values: a peer that resets is an ordinary end, not an exception. The one place where the
/// exceptions of the transport are caught. All methods are stateless.
/// </summary>
internal static class SafePipe
{
    // A reset is an empty, completed result over bytes of ours, so that it can be told from a real one: the reader was never entered.
    private static readonly byte[] ResetMark = new byte[1];
    /// <summary>What a read of a connection that was reset gives: nothing, and no more. See <see cref="WasReset"/>.</summary>
    public static readonly ReadResult Reset = new(new ReadOnlySequence<byte>(ResetMark, 0, 0), isCanceled: false, isCompleted: true);

    /// <summary>Bytes that are here already. False when there are none yet; a reset reads as a completed, empty result.</summary>
    public static bool TryRead(PipeReader reader, out ReadResult result)
    {
        try
        {
            return reader.TryRead(out result);
        }
        catch (Exception reset) when (IsReset(reset))
        {
            result = Reset;
            return true;
        }
    }

    /// <summary>Waits for bytes, the end, or a cancelled read. A reset reads as a completed, empty result.</summary>
    public static ValueTask<ReadResult> ReadAsync(PipeReader reader) => reader is QuietPipeReader ? reader.ReadAsync() : CatchAsync(reader);

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private static async ValueTask<ReadResult> CatchAsync(PipeReader reader)
    {
        try
        {
            return await reader.ReadAsync();
        }
        catch (Exception reset) when (IsReset(reset))
        {
            return Reset;
        }
    }

    /// <summary>True when the peer did not end in order but was cut off: what came before is not the whole.</summary>
    public static bool WasReset(in ReadResult read) => ReferenceEquals(read.Buffer.Start.GetObject(), ResetMark);

    /// <summary>Marks what was read; does nothing after a reset, when there is nothing to mark.</summary>
    public static void Advance(PipeReader reader, in ReadResult read, SequencePosition consumed, SequencePosition examined)
    {
        if (!WasReset(read))
        {
            reader.AdvanceTo(consumed, examined);
        }
    }

    /// <summary>Sends what was written. False when the peer takes nothing any more.</summary>
    public static ValueTask<bool> FlushAsync(PipeWriter writer)
    {
        try
        {
            ValueTask<FlushResult> flush = writer.FlushAsync();
            return flush.IsCompletedSuccessfully ? new(!flush.Result.IsCompleted) : AwaitFlushAsync(flush);
        }
        catch (Exception reset) when (IsReset(reset))
        {
            return new(false);
        }
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private static async ValueTask<bool> AwaitFlushAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            FlushResult result = await flush;
            return !result.IsCompleted;
        }
        catch (Exception reset) when (IsReset(reset))
        {
            return false;
        }
    }

    private static bool IsReset(Exception failure) =>
        failure is IOException or ConnectionAbortedException or OperationCanceledException or ObjectDisposedException;
}
