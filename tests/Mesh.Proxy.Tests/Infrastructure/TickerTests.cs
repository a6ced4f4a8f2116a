using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Infrastructure;

public sealed class TickerTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly StripedCounter _bugs = new();
    private readonly Ticker _ticker;

    public TickerTests() => _ticker = new Ticker(_time, new BackgroundWork(NullLogger.Instance, _bugs));

    public void Dispose() => _ticker.Dispose();

    [Fact]
    public void Schedule_SeveralEntries_EachIsCalledOnceAtItsTime()
    {
        List<string> calls = [];
        _ticker.ScheduleNoLaterThan(new TickEntry(() => calls.Add($"b{Seconds()}")), In(2));
        _ticker.ScheduleNoLaterThan(new TickEntry(() => calls.Add($"a{Seconds()}")), In(1));

        _time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(["a1", "b2"], calls);
        Assert.Equal(0, _time.ArmedTimers); // an idle process does not wake up
    }

    [Fact]
    public void Schedule_SameEntryAgain_TheEarlierTimeWinsAndItIsCalledOnce()
    {
        List<long> calls = [];
        TickEntry entry = new(() => calls.Add(Seconds()));
        _ticker.ScheduleNoLaterThan(entry, In(5));
        _ticker.ScheduleNoLaterThan(entry, In(3));
        _ticker.ScheduleNoLaterThan(entry, In(8));

        _time.Advance(TimeSpan.FromSeconds(20));

        Assert.Equal([3], calls);
    }

    [Fact]
    public void Tick_SchedulesItself_RunsAtEveryInterval()
    {
        List<long> calls = [];
        TickEntry entry = null!;
        entry = new TickEntry(() =>
        {
            calls.Add(Seconds());
            _ticker.ScheduleNoLaterThan(entry, In(10));
        });
        _ticker.ScheduleNoLaterThan(entry, In(10));

        _time.Advance(TimeSpan.FromSeconds(35));

        Assert.Equal([10, 20, 30], calls);
    }

    [Fact]
    public void Tick_Throws_IsCountedAndTheOthersRun()
    {
        bool ran = false;
        _ticker.ScheduleNoLaterThan(new TickEntry(static () => throw new InvalidOperationException("bug")), In(1));
        _ticker.ScheduleNoLaterThan(new TickEntry(() => ran = true), In(1));

        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True(ran);
        Assert.Equal(1, _bugs.Value);
    }

    private long In(int seconds) => _time.GetTimestamp() + (seconds * _time.TimestampFrequency);

    private long Seconds() => _time.GetTimestamp() / _time.TimestampFrequency;
}
