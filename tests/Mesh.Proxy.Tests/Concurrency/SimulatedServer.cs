using Mesh.Proxy.Concurrency;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Tests.Concurrency;

/// <summary>
/// A server that works on so many calls at one time and lets the others wait, with a bulkhead before it, in virtual time: calls come at a rate, are refused or served, and each
/// answer teaches the limit. Everything is a function of the seed.
/// </summary>
internal sealed class SimulatedServer
{
    private const long Frequency = 1_000_000;

    private readonly PriorityQueue<long, long> _workers = new();
    private readonly PriorityQueue<(long Start, long End), long> _underWay = new();
    private ulong _chance = 88172645463325252;
    private long _now;

    public SimulatedServer(int capacity, int first, AdaptiveConcurrencyConfig? adaptive = null)
    {
        Bulkhead = new Bulkhead(new ConcurrencyConfig { MaxCalls = first, Adaptive = adaptive ?? new AdaptiveConcurrencyConfig() }, Frequency, 0);
        for (int i = 0; i < capacity; i++)
        {
            _workers.Enqueue(0, 0);
        }
    }

    public Bulkhead Bulkhead { get; }

    /// <summary>Every change so far.</summary>
    public List<LimitChange> Changes { get; } = [];

    /// <summary>The limit at the end of each second so far.</summary>
    public List<int> Limits { get; } = [];

    public int Refused { get; private set; }

    /// <summary>Calls come for so many seconds; the server takes <paramref name="milliseconds"/> for each, a fifth more or less.</summary>
    public SimulatedServer Run(int seconds, int perSecond, int milliseconds)
    {
        long end = _now + (seconds * Frequency);
        while (_now < end)
        {
            _now += (long)(Frequency / perSecond * (0.5 + Chance()));
            AnswerUntil(_now);
            if (!Bulkhead.TryEnter())
            {
                Refused++;
                continue;
            }

            long work = (long)(milliseconds * 1000 * (0.8 + (0.4 * Chance())));
            long done = Math.Max(_workers.Dequeue(), _now) + work;
            _workers.Enqueue(done, done);
            _underWay.Enqueue((_now, done), done);
        }

        return this;
    }

    private void AnswerUntil(long time)
    {
        while (_underWay.TryPeek(out (long Start, long End) call, out long at) && at <= time)
        {
            _underWay.Dequeue();
            while (Limits.Count < call.End / Frequency)
            {
                Limits.Add(Bulkhead.Limit);
            }

            if (Bulkhead.Learn(call.Start, call.End) is { } change)
            {
                Changes.Add(change);
            }

            Bulkhead.Leave();
        }
    }

    // xorshift64
    private double Chance()
    {
        _chance ^= _chance << 13;
        _chance ^= _chance >> 7;
        _chance ^= _chance << 17;
        return (_chance >> 11) / (double)(1UL << 53);
    }
}
