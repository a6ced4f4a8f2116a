namespace Mesh.Proxy.Retry;

/// <summary>Bytes that request bodies may take to be sent a second time: for one request, and for all of the process together. Thread-safe.</summary>
/// <param name="maxRequestBytes">Longest body that is kept; Envoy's per_connection_buffer_limit.</param>
/// <param name="maxBytes">Bytes of all kept bodies.</param>
internal sealed class RetryMemory(int maxRequestBytes = 1024 * 1024, long maxBytes = 64L * 1024 * 1024)
{
    private long _used;

    /// <summary>Longest body that is kept.</summary>
    public int MaxRequestBytes => maxRequestBytes;

    /// <summary>Bytes taken now.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>Takes bytes; false when there are not as many.</summary>
    public bool TryTake(int bytes)
    {
        if (Interlocked.Add(ref _used, bytes) <= maxBytes)
        {
            return true;
        }

        GiveBack(bytes);
        return false;
    }

    /// <summary>Gives bytes back.</summary>
    public void GiveBack(int bytes) => Interlocked.Add(ref _used, -bytes);
}
