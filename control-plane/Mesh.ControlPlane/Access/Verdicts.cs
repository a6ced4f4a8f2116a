namespace Mesh.ControlPlane.Access;

/// <summary>What was found out about a token. Ages count from when that was. Not thread-safe.</summary>
/// <param name="answer">Who bears it, or why nobody does.</param>
/// <param name="since">Timestamp of the finding.</param>
/// <param name="life">At that age it is forgotten.</param>
internal sealed class Verdict(CallerAnswer answer, long since, TimeSpan life)
{
    /// <summary>Who bears it, or why nobody does.</summary>
    public CallerAnswer Answer { get; } = answer;

    /// <summary>Timestamp of the finding.</summary>
    public long Since { get; } = since;

    /// <summary>At that age it is forgotten.</summary>
    public TimeSpan Life { get; } = life;

    /// <summary>From that age on it is asked about again, while it still is the answer.</summary>
    public TimeSpan ReviewAt { get; set; } = life;

    /// <summary>From that age on it is the answer only when nobody can judge.</summary>
    public TimeSpan FreshUntil { get; set; } = life;
}

/// <summary>Verdicts that hold for a while, at most a given number of them; when it is full, those whose time is over go, else the oldest. Not thread-safe.</summary>
/// <param name="capacity">How many.</param>
/// <param name="time">Clock.</param>
internal sealed class Verdicts(int capacity, TimeProvider time)
{
    private const int PartThatGoes = 16; // more than one, so that not each newcomer searches all

    private readonly Dictionary<string, Verdict> _entries = new(StringComparer.Ordinal);

    /// <summary>How many there are, those included whose time is over.</summary>
    public int Count => _entries.Count;

    /// <summary>The verdict on a token, if it still holds.</summary>
    public Verdict? Find(string key) =>
        _entries.TryGetValue(key, out Verdict? entry) && time.GetElapsedTime(entry.Since) < entry.Life ? entry : null;

    /// <summary>Remembers a verdict; for no time at all is not at all.</summary>
    /// <returns>The verdict; null when it is not remembered.</returns>
    public Verdict? Add(string key, CallerAnswer answer, TimeSpan life)
    {
        if (life <= TimeSpan.Zero)
        {
            return null;
        }

        if (_entries.Count >= capacity && !_entries.ContainsKey(key))
        {
            MakeRoom();
        }

        return _entries[key] = new Verdict(answer, time.GetTimestamp(), life);
    }

    /// <summary>Forgets a token.</summary>
    public void Remove(string key) => _entries.Remove(key);

    private void MakeRoom()
    {
        foreach (string over in _entries.Where(e => time.GetElapsedTime(e.Value.Since) >= e.Value.Life).Select(static e => e.Key).ToArray())
        {
            _entries.Remove(over);
        }

        if (_entries.Count >= capacity)
        {
            int surplus = Math.Max(1, capacity / PartThatGoes);
            foreach (string oldest in _entries.OrderBy(static e => e.Value.Since).Take(surplus).Select(static e => e.Key).ToArray())
            {
                _entries.Remove(oldest);
            }
        }
    }
}
