using System.Buffers;

namespace Mesh.Proxy.Retry;

/// <summary>
/// What has been written of a request body so far, so that another attempt can begin with it. Grows by doubling out of the shared pool, within <see cref="RetryMemory"/>.
/// Used by one exchange; reused from request to request.
/// </summary>
internal sealed class KeptBody(RetryMemory memory) : IBufferWriter<byte>
{
    private const int FirstBytes = 4096;
    private byte[] _bytes = [];
    private int _length;
    private int _sent;

    /// <summary>Longest body that is kept.</summary>
    public int MaxLength => memory.MaxRequestBytes;

    /// <summary>Makes room for <paramref name="bytes"/> more; false when that is more than may be kept.</summary>
    public bool TryReserve(long bytes)
    {
        long needed = _length + bytes;
        if (needed <= _bytes.Length)
        {
            return true;
        }

        if (needed > memory.MaxRequestBytes)
        {
            return false;
        }

        int size = (int)Math.Min(Math.Max(needed, Math.Max(FirstBytes, 2L * _bytes.Length)), memory.MaxRequestBytes);
        byte[] larger = ArrayPool<byte>.Shared.Rent(size);
        if (!memory.TryTake(larger.Length - _bytes.Length))
        {
            ArrayPool<byte>.Shared.Return(larger);
            return false;
        }

        _bytes.AsSpan(0, _length).CopyTo(larger);
        ReturnArray();
        _bytes = larger;
        return true;
    }

    /// <summary>Another attempt begins: everything is to be sent again.</summary>
    public void Rewind() => _sent = 0;

    /// <summary>What this attempt has not sent yet; from here on it counts as sent.</summary>
    public ReadOnlySpan<byte> TakeUnsent()
    {
        ReadOnlySpan<byte> unsent = _bytes.AsSpan(_sent, _length - _sent);
        _sent = _length;
        return unsent;
    }

    /// <summary>Forgets everything.</summary>
    public void Release()
    {
        memory.GiveBack(_bytes.Length);
        ReturnArray();
        _bytes = [];
        _length = _sent = 0;
    }

    /// <inheritdoc/>
    public void Advance(int count) => _length += count;

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0) => _bytes.AsMemory(_length);

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0) => _bytes.AsSpan(_length);

    private void ReturnArray()
    {
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }
    }
}
