using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Mesh.Proxy.MeshShares;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.RateLimits;

/// <summary>A key with a share of its own.</summary>
/// <param name="hash">What the control plane knows it by.</param>
/// <param name="line">Its bucket.</param>
/// <param name="share">The share.</param>
/// <param name="asked">What is asked for.</param>
internal sealed class SharedKey(string hash, TokenLine line, MeshShare share, AskedRate asked)
{
    public string Hash => hash;

    public TokenLine Line => line;

    public MeshShare Share => share;

    public AskedRate Asked => asked;

    /// <summary>What it wants, by the last report.</summary>
    public long Wanted { get; set; }
}

/// <summary>
/// The keys of a limit of all sidecars that want more than the part which each key has in this one (control-plane/adr/0048): they are reported, and get a share of their own. There are few
/// of them, so that a report is short however many users there are. Over the wire a key is its hash. Not thread-safe.
/// </summary>
/// <param name="config">The limit.</param>
/// <param name="frequency">Timestamps a second.</param>
/// <param name="epoch">Number of the last order for a key that any may have followed; older ones are late.</param>
internal sealed class SharedKeys(RateLimitConfig config, long frequency, long epoch)
{
    /// <summary>Most at one time.</summary>
    public const int Most = 64;

    private readonly Dictionary<string, SharedKey> _byHash = new(StringComparer.Ordinal);
    private long _epoch = epoch; // of keys that are forgotten
    private bool _isCrowded;

    /// <summary>Number of the last order that any key has followed.</summary>
    public long LastEpoch => _byHash.Values.Select(static k => k.Share.Epoch).Append(_epoch).Max();

    /// <summary>How many there are.</summary>
    public int Count => _byHash.Count;

    /// <summary>A request has asked for a token of <paramref name="line"/>: notes what the key wants, and whether that is too much for its part.</summary>
    /// <param name="key">The key.</param>
    /// <param name="line">Its bucket, after the request.</param>
    /// <param name="hadToken">The request had a token at once.</param>
    /// <param name="now">Timestamp.</param>
    public void Note(ReadOnlySpan<byte> key, TokenLine line, bool hadToken, long now)
    {
        TokenRate part = line.Bucket.Rate;
        if (line.Shared is null && (!hadToken || line.Bucket.Count(now) < part.Burst / 2))
        {
            Add(key, line, part.Tokens, now);
        }

        line.Shared?.Asked.Count();
    }

    /// <summary>The bucket is forgotten, and its share with it.</summary>
    public void Remove(SharedKey key)
    {
        _byHash.Remove(key.Hash);
        key.Line.Shared = null;
        _epoch = Math.Max(_epoch, key.Share.Epoch);
    }

    /// <summary>The key of that hash; null for one that has no share here.</summary>
    public SharedKey? Find(string hash) => _byHash.GetValueOrDefault(hash);

    /// <summary>The part of each key is another one: so is the share of those that have had no order. Returns them; their buckets are to follow.</summary>
    /// <param name="part">What each key has in this sidecar.</param>
    public List<SharedKey> BeginAt(int part)
    {
        List<SharedKey> keys = [.. _byHash.Values.Where(static k => !k.Share.IsOrdered)];
        keys.ForEach(k => k.Share.Begin(part));
        return keys;
    }

    /// <summary>Forgets the keys for which a part is enough; when others had no place, the one that wants least goes too. Returns them; their buckets are to have the part.</summary>
    /// <param name="part">What each key has in this sidecar.</param>
    /// <param name="now">Timestamp.</param>
    /// <param name="most">Most keys for which the report has room; those that want least go.</param>
    public List<SharedKey> Weed(TokenRate part, long now, int most = Most)
    {
        foreach (SharedKey key in _byHash.Values)
        {
            key.Wanted = key.Asked.Read(config.Tokens, config.Interval, now, frequency);
        }

        List<SharedKey> gone = [.. _byHash.Values.Where(k => k.Wanted <= Math.Max(1, part.Tokens / 2))];
        if (_isCrowded && gone.Count == 0 && Count == Most)
        {
            gone.Add(_byHash.Values.MinBy(static k => k.Wanted)!);
        }

        _isCrowded = false;
        gone.AddRange(_byHash.Values.Except(gone).OrderByDescending(static k => k.Wanted).Skip(most).ToArray());
        gone.ForEach(Remove);
        return gone;
    }

    /// <summary>Adds what to report of each.</summary>
    /// <param name="cluster">The upstream.</param>
    /// <param name="reports">Where to.</param>
    public void Report(string cluster, ImmutableArray<LimitReport>.Builder reports)
    {
        foreach (SharedKey key in _byHash.Values)
        {
            LimitReport report = key.Share.ReportOf(cluster, (int)Math.Min(key.Wanted, key.Share.Share), key.Wanted);
            (report.Key, report.Share) = (key.Hash, key.Share.Share); // before the first order too: it has its part
            reports.Add(report);
        }
    }

    private void Add(ReadOnlySpan<byte> key, TokenLine line, int part, long now)
    {
        if (Count == Most)
        {
            _isCrowded = true;
            return;
        }

        MeshShare share = new(config.Rule, RateLimitConfig.TokensField, config.Tokens, part, _epoch);
        line.Shared = new SharedKey(Hash(key), line, share, new AskedRate(2.0 * part / config.Interval.TotalSeconds, now));
        _byHash[line.Shared.Hash] = line.Shared;
    }

    // With the rule's name: who sees two limits cannot tell that a user is the same.
    private string Hash(ReadOnlySpan<byte> key)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(config.Rule));
        hash.AppendData([0]);
        hash.AppendData(key);
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));
    }
}
