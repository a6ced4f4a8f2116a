using System.Globalization;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.AsyncReplies;

/// <summary>A call whose caller was told to come back: under way, then its answer. Thread-safe.</summary>
/// <param name="id">Nobody can guess it: who knows it may have the answer.</param>
/// <param name="authority">Host that the call was for; only by it can it be asked for.</param>
/// <param name="stats">Counters of where it went.</param>
/// <param name="config">What is kept for how long.</param>
internal sealed class KeptCall(string id, string authority, AsyncReplyStats stats, AsyncReplyConfig config)
{
    private const int WordsBytes = 1024;
    private readonly Lock _gate = new();
    private readonly List<Pause> _watchers = [];
    private volatile StandIn? _answer;

    /// <summary>Its id.</summary>
    public string Id => id;

    /// <summary>Where its caller finds it.</summary>
    public string Location => AsyncReplyStore.Prefix + id;

    /// <summary>Host that the call was for.</summary>
    public string Authority => authority;

    /// <summary>Counters of where it went.</summary>
    public AsyncReplyStats Stats => stats;

    /// <summary>What is kept for how long.</summary>
    public AsyncReplyConfig Config => config;

    /// <summary>When to look again, in whole seconds.</summary>
    public string RetryAfter => Math.Clamp((long)Math.Ceiling(config.After.TotalSeconds), 1, 60).ToString(CultureInfo.InvariantCulture);

    /// <summary>The answer; null while the call is under way.</summary>
    public StandIn? Answer => _answer;

    /// <summary>Bytes that it counts for: the longest answer, or the words that take the place of a longer one. Guarded by the store.</summary>
    public long Bytes { get; set; } = Math.Max(config.MaxBytes, WordsBytes);

    /// <summary>Timestamp at which the answer goes. Guarded by the store.</summary>
    public long ExpiresAt { get; set; } = long.MaxValue;

    /// <summary>The answer is there: wakes those who wait for it.</summary>
    public void Complete(StandIn answer)
    {
        lock (_gate)
        {
            _answer = answer;
            _watchers.ForEach(static w => w.End()); // inside the lock: who has left must not be woken out of its next wait
            _watchers.Clear();
        }
    }

    /// <summary>Ends the wait of <paramref name="pause"/>, which has begun, when the answer is there; false when it is there already.</summary>
    public bool TryWatch(Pause pause)
    {
        lock (_gate)
        {
            if (_answer is null)
            {
                _watchers.Add(pause);
            }

            return _answer is null;
        }
    }

    /// <summary>Forgets a wait.</summary>
    public void Unwatch(Pause pause)
    {
        lock (_gate)
        {
            _watchers.Remove(pause);
        }
    }
}
