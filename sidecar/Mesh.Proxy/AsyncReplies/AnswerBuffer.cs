using System.Buffers;
using System.IO.Pipelines;

namespace Mesh.Proxy.AsyncReplies;

/// <summary>Where the body of an answer is kept: a sink that closes when it has got too much. Used by one reader.</summary>
/// <param name="maxBytes">Most bytes; a last piece may go beyond it before it is noticed.</param>
internal sealed class AnswerBuffer(long maxBytes) : PipeWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>Whether there was too much.</summary>
    public bool IsTooLong => _bytes.WrittenCount > maxBytes;

    /// <summary>What has come.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

    /// <inheritdoc/>
    public override void Advance(int bytes) => _bytes.Advance(bytes);

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0) => _bytes.GetMemory(sizeHint);

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => _bytes.GetSpan(sizeHint);

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => new(new FlushResult(isCanceled: false, isCompleted: IsTooLong));

    /// <inheritdoc/>
    public override void CancelPendingFlush()
    {
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
    }
}
