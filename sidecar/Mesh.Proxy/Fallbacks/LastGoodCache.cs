using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Fallbacks;

/// <summary>
/// The last good answers of one cluster, bounded by number and by bytes: the one kept longest ago goes first. An answer of more than half of the bytes is not kept, so
/// that none pushes all others out. Time is an argument. Thread-safe: one short lock, and nothing is called while it is held.
/// </summary>
/// <param name="config">Bounds.</param>
/// <param name="frequency">Ticks of a timestamp in a second.</param>
internal sealed class LastGoodCache(LastGoodConfig config, long frequency)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _byKey = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byTime = new(); // kept longest ago first
    private readonly long _maxAge = (long)Math.Min(long.MaxValue / 4, config.MaxAge.TotalSeconds * frequency);
    private long _bytes;
    private int _entries;

    /// <summary>Answers that are kept now.</summary>
    public int Entries => Volatile.Read(ref _entries);

    /// <summary>Bytes of their keys, fields and bodies.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Longest answer that is kept, in bytes.</summary>
    public long MaxAnswerBytes => config.MaxBytes / 2;

    /// <summary>Whether an answer that is here now is to be kept: not when the last one is younger than a second, so that a busy path is not copied for each request.</summary>
    public bool IsDue(ReadOnlySpan<char> key, long now)
    {
        lock (_gate)
        {
            return !Lookup.TryGetValue(key, out LinkedListNode<Entry>? node) || now - node.Value.KeptAt >= frequency;
        }
    }

    /// <summary>Keeps an answer in the place of the last one; false when it is too long or too old.</summary>
    /// <param name="key">What it answers.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="bornAt">Timestamp at which its age was zero.</param>
    /// <param name="now">Timestamp.</param>
    public bool TryKeep(ReadOnlySpan<char> key, StandIn answer, long bornAt, long now)
    {
        Entry entry = new(key.ToString(), answer, bornAt, now);
        if (entry.Bytes > MaxAnswerBytes || now - bornAt > _maxAge)
        {
            return false;
        }

        lock (_gate)
        {
            if (Lookup.TryGetValue(key, out LinkedListNode<Entry>? last))
            {
                Remove(last);
            }

            _byKey.Add(entry.Key, _byTime.AddLast(entry));
            _bytes += entry.Bytes;
            _entries++;
            while (_entries > config.MaxEntries || _bytes > config.MaxBytes)
            {
                Remove(_byTime.First!);
            }
        }

        return true;
    }

    /// <summary>The answer for <paramref name="key"/> and its age in whole seconds; null when there is none, or none that is young enough.</summary>
    public StandIn? Find(ReadOnlySpan<char> key, long now, out long age)
    {
        age = 0;
        lock (_gate)
        {
            if (!Lookup.TryGetValue(key, out LinkedListNode<Entry>? node))
            {
                return null;
            }

            long ticks = Math.Max(0, now - node.Value.BornAt);
            if (ticks > _maxAge)
            {
                Remove(node);
                return null;
            }

            age = ticks / frequency;
            return node.Value.Answer;
        }
    }

    private Dictionary<string, LinkedListNode<Entry>>.AlternateLookup<ReadOnlySpan<char>> Lookup => _byKey.GetAlternateLookup<ReadOnlySpan<char>>();

    private void Remove(LinkedListNode<Entry> node)
    {
        _byKey.Remove(node.Value.Key);
        _byTime.Remove(node);
        _bytes -= node.Value.Bytes;
        _entries--;
    }

    private sealed record Entry(string Key, StandIn Answer, long BornAt, long KeptAt)
    {
        public long Bytes => (sizeof(char) * (long)Key.Length) + Answer.Lines.Length + Answer.Body.Length;
    }
}
