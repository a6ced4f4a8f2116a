using System.IO.Pipelines;

namespace Mesh.Proxy.AsyncReplies;

/// <summary>Where the body of an answer is kept: a sink that closes when it has got too much, and never holds more than it may. Used by one reader.</summary>
/// <param name="maxBytes">Most bytes.</param>
/// <param name="length">How many will come; 0 when that is unknown.</param>
internal sealed class AnswerBuffer(int maxBytes, int length) : PipeWriter
{
    private const int FirstBytes = 4096;
    private byte[] _bytes = new byte[Math.Min(length, maxBytes)];
    private byte[]? _beyond; // takes what is too much, to be dropped
    private int _count;

    /// <summary>Whether there was too much.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>What has come, in an array of just that length. The last that is asked of it.</summary>
    public byte[] Take()
    {
        Array.Resize(ref _bytes, _count); // as it is when the length was known
        return _bytes;
    }

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        bool isBeyond = _count == maxBytes;
        IsTooLong |= isBeyond && bytes > 0;
        _count += isBeyond ? 0 : bytes;
    }

    /// <summary>Room for the next bytes. The hint does not count: who writes a body takes what there is, and asks again.</summary>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_count == maxBytes)
        {
            return _beyond ??= new byte[FirstBytes];
        }

        if (_count == _bytes.Length)
        {
            Array.Resize(ref _bytes, (int)Math.Min(Math.Max(2L * _count, FirstBytes), maxBytes));
        }

        return _bytes.AsMemory(_count);
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

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
