using System.Security.Cryptography;

namespace Mesh.Proxy.RateLimits;

/// <summary>
/// Buckets by key, a bounded number of them: the one that was not used for longest makes room. Its key starts with a full bucket when it comes back, so that nobody gets
/// more than a full burst by it. A key that is known costs no allocation. Not thread-safe.
/// </summary>
internal sealed class KeyedLines
{
    private const int LongestKey = 64; // of a longer one its digest is kept: memory is bounded, and tokens of users are not held

    private readonly int _most;
    private readonly Dictionary<byte[], LinkedListNode<Entry>> _byKey = new(new KeyComparer());
    private readonly Dictionary<byte[], LinkedListNode<Entry>>.AlternateLookup<ReadOnlySpan<byte>> _known;
    private readonly LinkedList<Entry> _byUse = []; // the latest first

    /// <param name="rate">Of each new bucket.</param>
    /// <param name="most">Most buckets.</param>
    public KeyedLines(TokenRate rate, int most)
    {
        (Rate, _most) = (rate, most);
        _known = _byKey.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    private readonly record struct Entry(byte[] Key, TokenLine Line);

    /// <summary>Of each new bucket.</summary>
    public TokenRate Rate { get; private set; }

    /// <summary>Timestamp since which <see cref="Rate"/> is what it is.</summary>
    public long RateSince { get; private set; }

    /// <summary>Buckets now.</summary>
    public int Count => _byKey.Count;

    /// <summary>Another rate. The buckets that are there are left to who uses them next: there may be a million.</summary>
    public void Change(TokenRate rate, long now) => (Rate, RateSince) = (rate, now);

    /// <summary>The bucket of a key, which is now the latest used; <paramref name="evicted"/> is the one that had to go for it, or null.</summary>
    public TokenLine Get(scoped ReadOnlySpan<byte> key, out TokenLine? evicted)
    {
        evicted = null;
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        if (key.Length > LongestKey)
        {
            SHA256.HashData(key, digest);
            key = digest;
        }

        if (_known.TryGetValue(key, out LinkedListNode<Entry>? node))
        {
            if (node != _byUse.First)
            {
                _byUse.Remove(node);
                _byUse.AddFirst(node);
            }

            return node.Value.Line;
        }

        if (_byKey.Count >= _most)
        {
            evicted = _byUse.Last!.Value.Line;
            _byKey.Remove(_byUse.Last.Value.Key);
            _byUse.RemoveLast();
        }

        Entry entry = new(key.ToArray(), new TokenLine(Rate));
        _byKey.Add(entry.Key, _byUse.AddFirst(entry));
        return entry.Line;
    }

    // The framework's hash is seeded anew in each process: nobody can choose keys that collide.
    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            HashCode hash = default;
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
