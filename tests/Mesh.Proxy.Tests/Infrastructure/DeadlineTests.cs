using Mesh.Proxy.Infrastructure;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Infrastructure;

public sealed class DeadlineTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Deadline _deadline;
    private int _calls;

    public DeadlineTests() => _deadline = new Deadline(_time, static s => ((DeadlineTests)s)._calls++, this);

    public void Dispose() => _deadline.Dispose();

    [Fact]
    public void Set_AndNothingElse_PassesOnceForEver()
    {
        Assert.True(_deadline.Set(Seconds(10)));
        Pass(9);
        Assert.Equal((0, false), (_calls, _deadline.HasPassed));
        Pass(1);
        Assert.Equal((1, true), (_calls, _deadline.HasPassed));
        Assert.False(_deadline.Set(Seconds(1)));
        Assert.False(_deadline.Touch());
        Assert.False(_deadline.Clear());
        Pass(100);
        Assert.Equal((1, 0), (_calls, _time.ArmedTimers));
    }

    [Fact]
    public void SetAt_IsATimestamp_ThatTouchDoesNotMove()
    {
        Assert.True(_deadline.SetAt(_time.GetTimestamp() + Seconds(10).Ticks));
        Pass(9);
        Assert.True(_deadline.Touch());
        Pass(1);
        Assert.Equal((1, true), (_calls, _deadline.HasPassed));
        Assert.False(_deadline.SetAt(long.MaxValue));
    }

    [Fact]
    public void Touch_CountsAnew_WithoutTouchingTheTimer()
    {
        _deadline.Set(Seconds(10));
        for (int i = 0; i < 20; i++)
        {
            Pass(9);
            Assert.True(_deadline.Touch());
        }

        Assert.Equal((0, 1), (_calls, _time.ArmedTimers));
        Pass(10);
        Assert.Equal(1, _calls);
    }

    [Fact]
    public void Clear_TakesItAway_AndTheTimerEndsByItself()
    {
        _deadline.Set(Seconds(10));
        Assert.True(_deadline.Clear());
        Assert.True(_deadline.Touch()); // nothing to count anew
        Pass(100);
        Assert.Equal((0, 0), (_calls, _time.ArmedTimers));
        _deadline.Set(Seconds(5));
        Pass(5);
        Assert.Equal(1, _calls);
    }

    [Theory]
    [InlineData(3600, 5)]
    [InlineData(5, 3600)]
    public void Set_Again_TheLastOneCounts(int first, int second)
    {
        _deadline.Set(Seconds(first));
        _deadline.Set(Seconds(second));
        Pass(second - 1);
        Assert.Equal(0, _calls);
        Pass(1);
        Assert.Equal(1, _calls);
    }

    [Fact]
    public void Zero_IsNever()
    {
        Assert.True(_deadline.Set(TimeSpan.Zero));
        Assert.Equal(0, _time.ArmedTimers);
        Assert.True(_deadline.Set(TimeSpan.MaxValue));
        Pass(1_000_000);
        Assert.Equal(0, _calls);
    }

    [Fact]
    public void Dispose_StopsTheTimer()
    {
        _deadline.Set(Seconds(5));
        _deadline.Dispose();
        Assert.Equal(0, _time.ArmedTimers);
        _deadline.Set(Seconds(1));
        Pass(10);
        Assert.Equal(0, _calls);
    }

    private static TimeSpan Seconds(int count) => TimeSpan.FromSeconds(count);

    private void Pass(int seconds) => _time.Advance(Seconds(seconds));
}
