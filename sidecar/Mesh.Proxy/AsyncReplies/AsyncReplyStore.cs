using System.Security.Cryptography;
using System.Text;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.AsyncReplies;

/// <summary>
/// The calls whose callers come back for the answer (adr/0051), in the memory of this process and nowhere else. Bounded in number and bytes for each rule, and in bytes for all:
/// a call under way counts with the longest answer it may bring, and a request's body until its call is over, so that what is kept never outgrows what was promised. Thread-safe;
/// one short lock.
/// </summary>
internal sealed class AsyncReplyStore
{
    /// <summary>Path under which callers find their calls.</summary>
    public const string Prefix = "/.mesh/async/";

    /// <summary>The same, in bytes.</summary>
    public static ReadOnlySpan<byte> PathPrefix => "/.mesh/async/"u8;

    /// <summary>Most bytes of all kept calls and the bodies of requests.</summary>
    public const long MaxBytes = 64L << 20;

    private const int IdBytes = 16;
    private readonly TimeProvider _time;
    private readonly Ticker _ticker;
    private readonly TickEntry _expiry;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, KeptCall> _calls = new(StringComparer.Ordinal);
    private readonly PriorityQueue<KeptCall, long> _ends = new(); // those that are over, by the time at which they go
    private volatile bool _isInUse;
    private int _rules;
    private long _bytes;

    /// <param name="time">Clock.</param>
    /// <param name="ticker">Wakes it when an answer's time is over.</param>
    public AsyncReplyStore(TimeProvider time, Ticker ticker)
    {
        (_time, _ticker) = (time, ticker);
        _expiry = new TickEntry(Expire);
    }

    /// <summary>Whether a rule in force asks for it, or something is kept: else no request is looked at.</summary>
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

    /// <summary>Rules have come in force that ask for it, or gone.</summary>
    /// <param name="change">How many; negative when they have gone.</param>
    public void Use(int change)
    {
        lock (_gate)
        {
            _rules += change;
            LookLocked();
        }
    }

    /// <summary>Makes room for the body of a request; false when there is none. <see cref="Release"/> gives it back.</summary>
    public bool TryReserve(long bytes)
    {
        lock (_gate)
        {
            bool hasRoom = _bytes + bytes <= MaxBytes;
            _bytes += hasRoom ? bytes : 0;
            return hasRoom;
        }
    }

    /// <summary>The body of a request is gone.</summary>
    public void Release(long bytes)
    {
        lock (_gate)
        {
            _bytes -= bytes;
        }
    }

    /// <summary>Makes room for a call under way; null when there is none.</summary>
    public KeptCall? TryKeep(AsyncReplyStats stats, AsyncReplyConfig config, ReadOnlySpan<byte> authority)
    {
        // Not the injected chance: an id is the right to read somebody's answer.
        string id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes));
        KeptCall call = new(id, Encoding.ASCII.GetString(authority).ToLowerInvariant(), stats, config);
        lock (_gate)
        {
            if (stats.Kept.Value >= config.MaxKept || _bytes + call.Bytes > MaxBytes)
            {
                return null;
            }

            _calls.Add(id, call);
            _bytes += call.Bytes;
            stats.Kept.Add(1);
            LookLocked();
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
            long bytes = answer.Lines.Length + answer.Body.Length;
            _bytes += bytes - call.Bytes;
            call.Bytes = bytes;
            call.ExpiresAt = expiresAt;
            _ends.Enqueue(call, expiresAt);
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
            while (_ends.TryPeek(out KeptCall? call, out long endsAt))
            {
                if (now < endsAt)
                {
                    next = endsAt;
                    break;
                }

                _ends.Dequeue();
                _calls.Remove(call.Id);
                _bytes -= call.Bytes;
                call.Stats.Kept.Add(-1);
            }

            LookLocked();
        }

        if (next < long.MaxValue)
        {
            _ticker.ScheduleNoLaterThan(_expiry, next);
        }
    }

    private void LookLocked() => _isInUse = _rules > 0 || _calls.Count > 0;
}
