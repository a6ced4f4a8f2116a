using System.Buffers;

namespace Mesh.Proxy.Retry;

/// <summary>
/// What has been written of a request body so far, so that another attempt can begin with it. Grows by doubling out of the shared pool, within <see cref="RetryMemory"/>.
/// Filled by one exchange, and reused from request to request unless it was shared: then it can be read by all its users, and the last one gives the bytes back.
/// </summary>
internal sealed class KeptBody(RetryMemory memory) : IBufferWriter<byte>
{
    private const int FirstBytes = 4096;
    private byte[] _bytes = [];
    private int _length;
    private int _sent;
    private int _users = 1;

    /// <summary>All that is kept.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(0, _length);

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

    /// <summary>One more user, who will <see cref="Release"/>. From here on nothing may be added. Any thread, by one who is a user already.</summary>
    public void Share() => Interlocked.Increment(ref _users);

    /// <summary>One user less; the last forgets everything. Any thread.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) > 0)
        {
            return;
        }

        _users = 1;
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
