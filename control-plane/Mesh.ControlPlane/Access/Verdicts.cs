namespace Mesh.ControlPlane.Access;

/// <summary>Verdicts that hold for a while, at most a given number of them; when it is full, those whose time is over go, else any one. Not thread-safe.</summary>
/// <param name="capacity">How many.</param>
/// <param name="time">Clock.</param>
internal sealed class Verdicts(int capacity, TimeProvider time)
{
    private readonly Dictionary<string, (CallerAnswer Answer, long Since, TimeSpan Life)> _entries = new(StringComparer.Ordinal);

    /// <summary>How many there are, those included whose time is over.</summary>
    public int Count => _entries.Count;

    /// <summary>The verdict on a token, if it still holds.</summary>
    public CallerAnswer? Find(string key) =>
        _entries.TryGetValue(key, out (CallerAnswer Answer, long Since, TimeSpan Life) entry) && time.GetElapsedTime(entry.Since) < entry.Life ? entry.Answer : null;

    /// <summary>Remembers a verdict; for no time at all is not at all.</summary>
    public void Add(string key, CallerAnswer answer, TimeSpan life)
    {
        if (life <= TimeSpan.Zero)
        {
            return;
        }

        if (_entries.Count >= capacity && !_entries.ContainsKey(key))
        {
            MakeRoom();
        }

        _entries[key] = (answer, time.GetTimestamp(), life);
    }

    private void MakeRoom()
    {
        foreach (string over in _entries.Where(e => time.GetElapsedTime(e.Value.Since) >= e.Value.Life).Select(static e => e.Key).ToArray())
        {
            _entries.Remove(over);
        }

        if (_entries.Count >= capacity)
        {
            _entries.Remove(_entries.Keys.First());
        }
    }
}
