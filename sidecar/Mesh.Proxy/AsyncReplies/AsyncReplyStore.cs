using System.Security.Cryptography;
using System.Text;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.AsyncReplies;

/// <summary>
/// The calls whose callers come back for the answer (adr/0051), in the memory of this process and nowhere else. Bounded in number and bytes for each rule, and in bytes for all:
/// a call under way counts with the longest answer it may bring, so that what is kept never outgrows what was promised. Thread-safe; one short lock.
/// </summary>
internal sealed class AsyncReplyStore
{
    /// <summary>Path under which callers find their calls.</summary>
    public const string Prefix = "/.mesh/async/";

    /// <summary>The same, in bytes.</summary>
    public static ReadOnlySpan<byte> PathPrefix => "/.mesh/async/"u8;

    /// <summary>Bytes of all kept calls.</summary>
    public const long MaxBytes = 64L << 20;

    private const int IdBytes = 16;
    private readonly TimeProvider _time;
    private readonly Ticker _ticker;
    private readonly TickEntry _expiry;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, KeptCall> _calls = new(StringComparer.Ordinal);
    private volatile bool _isInUse;
    private long _bytes;

    /// <param name="time">Clock.</param>
    /// <param name="ticker">Wakes it when an answer's time is over.</param>
    public AsyncReplyStore(TimeProvider time, Ticker ticker)
    {
        (_time, _ticker) = (time, ticker);
        _expiry = new TickEntry(Expire);
    }

    /// <summary>Whether any rule has ever asked for it: until then no request is looked at.</summary>
    public bool IsInUse => _isInUse;

    /// <summary>Counters of the connections in memory: the clients' own are counted where they came in.</summary>
    public DownstreamStats Stats { get; } = new();

    /// <summary>Calls under way and answers.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _calls.Count;
            }
        }
    }

    /// <summary>Bytes that they count for.</summary>
    public long Bytes
    {
        get
        {
            lock (_gate)
            {
                return _bytes;
            }
        }
    }

    /// <summary>A rule asks for it.</summary>
    public void Use() => _isInUse = true;

    /// <summary>Makes room for a call under way; null when there is none.</summary>
    public KeptCall? TryKeep(AsyncReplyStats stats, AsyncReplyConfig config, ReadOnlySpan<byte> authority)
    {
        // Not the injected chance: an id is the right to read somebody's answer.
        string id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes));
        KeptCall call = new(id, Encoding.ASCII.GetString(authority).ToLowerInvariant(), stats, config);
        lock (_gate)
        {
            if (stats.Kept.Value >= config.MaxKept || _bytes + config.MaxBytes > MaxBytes)
            {
                return null;
            }

            _calls.Add(id, call);
            _bytes += config.MaxBytes;
            stats.Kept.Add(1);
        }

        return call;
    }

    /// <summary>The call of this id, asked for at the host it was for; null when there is none, or none any more.</summary>
    public KeptCall? Find(ReadOnlySpan<byte> id, ReadOnlySpan<byte> authority)
    {
        if (id.Length != 2 * IdBytes)
        {
            return null;
        }

        KeptCall? call;
        lock (_gate)
        {
            call = _calls.GetValueOrDefault(Encoding.ASCII.GetString(id));
            if (call is null || _time.GetTimestamp() >= call.ExpiresAt)
            {
                return null;
            }
        }

        return Ascii.EqualsIgnoreCase(authority, call.Authority) ? call : null;
    }

    /// <summary>The call is over: from here on its answer is kept, for as long as its rule says.</summary>
    public void Complete(KeptCall call, StandIn answer)
    {
        long expiresAt = _time.GetTimestamp() + (long)(call.Config.KeepFor.TotalSeconds * _time.TimestampFrequency);
        lock (_gate)
        {
            long bytes = Math.Min(call.Bytes, answer.Lines.Length + answer.Body.Length);
            _bytes += bytes - call.Bytes;
            call.Bytes = bytes;
            call.ExpiresAt = expiresAt;
        }

        _ticker.ScheduleNoLaterThan(_expiry, expiresAt);
        call.Complete(answer);
    }

    private void Expire()
    {
        long now = _time.GetTimestamp();
        long next = long.MaxValue;
        lock (_gate)
        {
            foreach (KeptCall call in _calls.Values.ToArray())
            {
                if (now < call.ExpiresAt)
                {
                    next = Math.Min(next, call.ExpiresAt);
                    continue;
                }

                _calls.Remove(call.Id);
                _bytes -= call.Bytes;
                call.Stats.Kept.Add(-1);
            }
        }

        if (next < long.MaxValue)
        {
            _ticker.ScheduleNoLaterThan(_expiry, next);
        }
    }
}
