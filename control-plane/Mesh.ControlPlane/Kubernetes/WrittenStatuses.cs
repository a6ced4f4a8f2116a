using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// What was written last, rule by rule: the same words again mean that somebody took them away, and the one who does will do it again. So they wait a minute, and
/// twice as long each time. Used by one loop.
/// </summary>
internal sealed class WrittenStatuses(TimeProvider time)
{
    private const int Doublings = 6;
    private static readonly TimeSpan Hold = TimeSpan.FromMinutes(1);

    private readonly Dictionary<RuleKey, (string Words, long At, int Repeats)> _written = [];

    /// <summary>How long these words are still to wait; null when they may be written now.</summary>
    public TimeSpan? Left(RuleKey key, string words)
    {
        if (!_written.TryGetValue(key, out var last) || last.Words != words)
        {
            return null;
        }

        TimeSpan left = HoldOf(last.Repeats) - time.GetElapsedTime(last.At);
        return left > TimeSpan.Zero ? left : null;
    }

    /// <summary>They were written; returns how often they had to be written again.</summary>
    public int Add(RuleKey key, string words)
    {
        int repeats = _written.TryGetValue(key, out var last) && last.Words == words ? Math.Min(last.Repeats + 1, Doublings) : 0;
        _written[key] = (words, time.GetTimestamp(), repeats);
        return repeats;
    }

    /// <summary>Forgets what has stood long enough.</summary>
    public void Forget()
    {
        foreach (RuleKey key in _written.Where(w => time.GetElapsedTime(w.Value.At) >= 2 * HoldOf(w.Value.Repeats)).Select(static w => w.Key).ToArray())
        {
            _written.Remove(key);
        }
    }

    private static TimeSpan HoldOf(int repeats) => Hold * (1 << repeats);
}
