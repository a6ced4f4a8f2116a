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
    /// <summary>Bytes that are here already. False when there are none yet; a reset reads as a completed, empty result.</summary>
    public static bool TryRead(PipeReader reader, out ReadResult result)
    {
        try
        {
            return reader.TryRead(out result);
        }
        catch (Exception reset) when (IsReset(reset))
        {
            result = new ReadResult(default, isCanceled: false, isCompleted: true);
            return true;
        }
    }

    /// <summary>Waits for bytes, the end, or a cancelled read. A reset reads as a completed, empty result.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<ReadResult> ReadAsync(PipeReader reader)
    {
        try
        {
            return await reader.ReadAsync();
        }
        catch (Exception reset) when (IsReset(reset))
        {
            return new ReadResult(default, isCanceled: false, isCompleted: true);
        }
    }

    /// <summary>Marks what was read; does nothing after a reset, when there is nothing to mark.</summary>
    public static void Advance(PipeReader reader, in ReadResult read, SequencePosition consumed, SequencePosition examined)
    {
        if (!read.IsCompleted || !read.Buffer.IsEmpty)
        {
            reader.AdvanceTo(consumed, examined);
        }
        else
        {
            Forget(reader);
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
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

    // An empty, completed result may be the stand-in for a reset, for which the reader was never entered.
    private static void Forget(PipeReader reader)
    {
        try
        {
            if (reader.TryRead(out ReadResult end))
            {
                reader.AdvanceTo(end.Buffer.End);
            }
        }
        catch (Exception reset) when (IsReset(reset))
        {
            // Reset: nothing to mark.
        }
    }

    private static bool IsReset(Exception failure) =>
        failure is IOException or ConnectionAbortedException or OperationCanceledException or ObjectDisposedException;
}
