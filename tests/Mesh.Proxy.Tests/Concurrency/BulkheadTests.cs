using Mesh.Proxy.Concurrency;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Concurrency;

public sealed class BulkheadTests
{
    private static readonly ConcurrencyConfig Two = new() { MaxCalls = 2, MaxWait = TimeSpan.FromSeconds(1), MaxQueue = 2 };
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void TryEnter_LetsTheLimitInAndNoMore_UntilOneLeaves()
    {
        Bulkhead bulkhead = new(Two, 1000, 0);

        Assert.Equal([true, true, false], [bulkhead.TryEnter(), bulkhead.TryEnter(), bulkhead.TryEnter()]);
        bulkhead.Leave();
        Assert.Equal([true, false], [bulkhead.TryEnter(), bulkhead.TryEnter()]);
        Assert.Equal(new BulkheadVerdict(BulkheadAnswer.Refused, "concurrency.maxConcurrentCalls", 2, 2), bulkhead.Join(null));
    }

    [Fact]
    public async Task Leave_CallsInWhoHasWaitedForLongest_AndNobodyOvertakes()
    {
        Bulkhead bulkhead = Full();
        (WaitingPlace first, WaitingPlace second) = (Joined(bulkhead), Joined(bulkhead));
        Assert.Equal(new BulkheadVerdict(BulkheadAnswer.Refused, "concurrency.maxQueue", 2, 2), bulkhead.Join(Place()));
        Task waiting = bulkhead.WaitAsync(first, TimeSpan.FromSeconds(1), null, CancellationToken.None).AsTask();

        bulkhead.Leave();
        await waiting.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal((true, false), (bulkhead.EndWait(first), second.IsCalled));
        Assert.Equal((2, 1, false), (bulkhead.Active, bulkhead.Waiting, bulkhead.TryEnter()));
        Assert.False(bulkhead.EndWait(second)); // gives up
        bulkhead.Leave();
        Assert.Equal((1, 0, true), (bulkhead.Active, bulkhead.Waiting, bulkhead.TryEnter()));
    }

    [Fact]
    public void EndWait_OfOneInTheMiddle_KeepsTheOrderOfTheOthers()
    {
        Bulkhead bulkhead = Full(Two with { MaxQueue = 4 });
        WaitingPlace[] line = [.. Enumerable.Range(0, 4).Select(_ => Joined(bulkhead))];
        Assert.False(bulkhead.EndWait(line[1]));
        List<int> called = [];
        for (int i = 0; i < 3; i++)
        {
            bulkhead.Leave();
            called.AddRange(Enumerable.Range(0, 4).Where(n => n != 1 && line[n].IsCalled && !called.Contains(n)));
        }

        Assert.Equal([0, 2, 3], called);
    }

    [Fact]
    public void Wait_BegunAfterItsTurnHasCome_IsOverAtOnce()
    {
        Bulkhead bulkhead = Full();
        WaitingPlace place = Joined(bulkhead);
        bulkhead.Leave();

        Assert.True(bulkhead.WaitAsync(place, TimeSpan.FromSeconds(1), null, CancellationToken.None).AsTask().IsCompletedSuccessfully);
        Assert.True(bulkhead.EndWait(place));
    }

    [Fact]
    public void Update_KeepsWhatItCounts_AndCallsInWhenThereIsRoom()
    {
        Bulkhead bulkhead = Full();
        (WaitingPlace first, WaitingPlace second) = (Joined(bulkhead), Joined(bulkhead));

        bulkhead.Update(Two with { MaxCalls = 3 }, 0);
        Assert.Equal((true, false, 3, 1), (first.IsCalled, second.IsCalled, bulkhead.Active, bulkhead.Waiting));
        bulkhead.Update(null, 0);
        Assert.Equal((true, 4, 0), (second.IsCalled, bulkhead.Active, bulkhead.Waiting));
        bulkhead.Update(Two, 0);
        Assert.Equal((4, false), (bulkhead.Active, bulkhead.TryEnter()));
    }

    [Fact]
    public void Update_OfAnAdaptiveLimit_KeepsWhatItHasLearned_WithinItsBounds()
    {
        SimulatedServer server = new SimulatedServer(8, 25).Run(60, 300, 100);
        Bulkhead bulkhead = server.Bulkhead;
        int learned = bulkhead.Limit;

        bulkhead.Update(bulkhead.Config with { MaxCalls = 500 }, 0);
        Assert.Equal(learned, bulkhead.Limit);
        bulkhead.Update(bulkhead.Config with { Adaptive = new AdaptiveConcurrencyConfig { MinCalls = 20 } }, 0);
        Assert.Equal(20, bulkhead.Limit);
        bulkhead.Update(bulkhead.Config with { Adaptive = null }, 0);
        Assert.Equal(500, bulkhead.Limit);
    }

    [Fact]
    public void Update_ToShadowMode_LetsInEverybodyWhoWaits()
    {
        Bulkhead bulkhead = Full();
        (WaitingPlace first, WaitingPlace second) = (Joined(bulkhead), Joined(bulkhead));

        bulkhead.Update(Two with { IsShadow = true }, 0);

        Assert.Equal((true, true, 4, 0), (first.IsCalled, second.IsCalled, bulkhead.Active, bulkhead.Waiting));
        Assert.Equal(BulkheadAnswer.Refused, bulkhead.Join(Place()).Answer); // counted, and its caller goes on
    }

    [Fact]
    public void Relieve_StreamsHoldMoreThanACutLeaves_TheLimitGoesBackAndStaysThere()
    {
        AdaptiveConcurrencyConfig adaptive = new() { MinCalls = 3, MaxCalls = 24, RequestCount = 5 };
        Bulkhead bulkhead = new(new ConcurrencyConfig { MaxCalls = 24, Adaptive = adaptive }, 1000, 0);
        Assert.All(Enumerable.Range(0, 20), _ => Assert.True(bulkhead.TryEnter())); // streams
        Answers(bulkhead, 100, 1000, latency: 10);
        Answers(bulkhead, 1100, 2000, latency: 100);
        Assert.Equal((12, false), (bulkhead.Limit, bulkhead.TryEnter()));

        Assert.Null(bulkhead.Relieve(7999));
        LimitChange back = bulkhead.Relieve(8000)!;

        Assert.Equal((12, 24, "no_answers", 0, 20), (back.From, back.To, back.Reason, back.Answers, back.Active));
        Assert.Equal(back, bulkhead.Changes[^1]);
        Answers(bulkhead, 8100, 12000, latency: 100);
        Assert.Equal(24, bulkhead.Limit);
        Assert.Null(bulkhead.Relieve(60000)); // nothing is on trial
    }

    /// <summary>Many threads at once: never more inside than the limit, and nobody is forgotten in the line.</summary>
    [Fact]
    public async Task ManyThreads_NeverExceedTheLimit_AndLeaveItEmpty()
    {
        Bulkhead bulkhead = new(Two with { MaxCalls = 3, MaxQueue = 3 }, 1000, 0);
        int inside = 0;
        int most = 0;
        Task[] callers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(CallManyAsync))];
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal((0, 0), (bulkhead.Active, bulkhead.Waiting));
        Assert.InRange(most, 1, 3);

        async Task CallManyAsync()
        {
            WaitingPlace place = Place();
            for (int i = 0; i < 5000; i++)
            {
                if (!await EntersAsync(place))
                {
                    continue;
                }

                int now = Interlocked.Increment(ref inside);
                most = Math.Max(most, now);
                Interlocked.Decrement(ref inside);
                bulkhead.Leave();
            }
        }

        async ValueTask<bool> EntersAsync(WaitingPlace place)
        {
            if (bulkhead.TryEnter())
            {
                return true;
            }

            BulkheadVerdict verdict = bulkhead.Join(place);
            while (verdict.Answer == BulkheadAnswer.Waits && !place.IsCalled)
            {
                await bulkhead.WaitAsync(place, TimeSpan.FromSeconds(1), null, CancellationToken.None); // the clock stands still: it is called in, or hangs
            }

            return verdict.Answer == BulkheadAnswer.Enters || (verdict.Answer == BulkheadAnswer.Waits && bulkhead.EndWait(place));
        }
    }

    private static void Answers(Bulkhead bulkhead, long from, long to, int latency)
    {
        for (long now = from; now <= to; now += 100)
        {
            Assert.True(bulkhead.TryEnter());
            bulkhead.Learn(now - latency, now);
            bulkhead.Leave();
        }
    }

    private WaitingPlace Place() => new(_time);

    private WaitingPlace Joined(Bulkhead bulkhead)
    {
        WaitingPlace place = Place();
        Assert.Equal(BulkheadAnswer.Waits, bulkhead.Join(place).Answer);
        return place;
    }

    private static Bulkhead Full(ConcurrencyConfig? config = null)
    {
        Bulkhead bulkhead = new(config ?? Two, 1000, 0);
        Assert.Equal([true, true], [bulkhead.TryEnter(), bulkhead.TryEnter()]);
        return bulkhead;
    }
}
