using System.Collections.Concurrent;

namespace Mesh.Soak;

/// <summary>Counts by outcome, and the first few things that must not happen. Thread-safe.</summary>
internal sealed class Tally
{
    private readonly ConcurrentDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _wrong = new();
    private long _wrongCount;
    private long _finished;

    public IReadOnlyDictionary<string, long> Counts => _counts;

    public IEnumerable<string> Wrongs => _wrong;

    public long WrongCount => Interlocked.Read(ref _wrongCount);

    public long Finished => Interlocked.Read(ref _finished);

    public void Add(string outcome)
    {
        Interlocked.Increment(ref _finished);
        _counts.AddOrUpdate(outcome, 1, static (_, count) => count + 1);
    }

    public void Wrong(string what)
    {
        Add("wrong");
        if (Interlocked.Increment(ref _wrongCount) <= 20)
        {
            _wrong.Enqueue(what);
        }
    }
}
