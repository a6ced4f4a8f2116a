using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Infrastructure;

public sealed class PauseTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Pause _pause;

    public PauseTests() => _pause = new Pause(_time);

    [Fact]
    public async Task Wait_EndsWhenItsTimeIsOver()
    {
        Task wait = _pause.WaitAsync(TimeSpan.FromMilliseconds(20), null, default).AsTask();
        _time.Advance(TimeSpan.FromMilliseconds(19));
        Assert.False(wait.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await wait.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(0, _time.ArmedTimers);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Wait_EndsWithItsToken_AndTheNextIsAnother(bool isCancelledBefore)
    {
        using CancellationTokenSource stop = new();
        if (isCancelledBefore)
        {
            await stop.CancelAsync();
        }

        Task first = _pause.WaitAsync(TimeSpan.FromSeconds(1), null, stop.Token).AsTask();
        await stop.CancelAsync();
        await first.WaitAsync(TimeSpan.FromSeconds(10));

        Task second = _pause.WaitAsync(TimeSpan.FromSeconds(2), null, default).AsTask();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(second.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        await second.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task MoveTo_EndsTheWaitEarlier()
    {
        Task wait = _pause.WaitAsync(TimeSpan.FromSeconds(5), null, default).AsTask();
        _pause.MoveTo(TimeSpan.FromSeconds(2).Ticks);
        _time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.False(wait.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await wait.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task End_EndsTheWaitThatGoesOn_AndNoOther()
    {
        _pause.End();
        Task wait = _pause.WaitAsync(TimeSpan.FromSeconds(5), null, default).AsTask();
        Assert.False(wait.IsCompleted);
        _pause.End();
        await wait.WaitAsync(TimeSpan.FromSeconds(10));
        _pause.MoveTo(0);
        Assert.Equal(0, _time.ArmedTimers);
    }

    [Fact]
    public async Task Wait_GoesOnOnItsLoop()
    {
        NoSynchronizationContext.Use();
        HeldScheduler loop = new();
        ValueTask wait = _pause.WaitAsync(TimeSpan.FromSeconds(1), loop, default);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(wait.IsCompleted);
        loop.Run();
        Assert.True(wait.IsCompletedSuccessfully);
        await wait;
    }

    [Fact]
    public async Task Timer_ThatComesEarly_IsSetAgain()
    {
        EarlyTimers time = new();
        Task wait = new Pause(time).WaitAsync(TimeSpan.FromMilliseconds(20), null, default).AsTask();
        time.FireAt(17);
        Assert.Equal((false, TimeSpan.FromMilliseconds(3)), (wait.IsCompleted, time.Delay));
        time.FireAt(20);
        await wait.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void TimeoutWhoseTimerComesEarly_IsSetAgainToo()
    {
        EarlyTimers time = new();
        using PooledTimeout timeout = new TimeoutPool(time).Rent();
        timeout.Arm(TimeSpan.FromMilliseconds(20));
        time.FireAt(17);
        Assert.Equal((false, TimeSpan.FromMilliseconds(3)), (timeout.HasExpired, time.Delay));
        time.FireAt(20);
        Assert.True(timeout.HasExpired);
    }

    [Fact]
    public async Task Timer_OfAnEarlierWait_DoesNotEndTheNext()
    {
        EarlyTimers time = new();
        Pause pause = new(time);
        using CancellationTokenSource stop = new();
        Task first = pause.WaitAsync(TimeSpan.FromMilliseconds(20), null, stop.Token).AsTask();
        Task? second = null;
        time.BetweenLookAndDeed = () => // the timer has seen that the first is over
        {
            stop.Cancel();
            first.GetAwaiter().GetResult();
            second = pause.WaitAsync(TimeSpan.FromSeconds(1), null, default).AsTask();
        };

        time.FireAt(20);

        Assert.False(second!.IsCompleted);
        time.FireAt(1020);
        await second.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void TimeoutOfAnEarlierRent_DoesNotExpireTheNext()
    {
        EarlyTimers time = new();
        TimeoutPool pool = new(time);
        PooledTimeout first = pool.Rent();
        first.Arm(TimeSpan.FromMilliseconds(20));
        PooledTimeout? second = null;
        time.BetweenLookAndDeed = () =>
        {
            first.Dispose();
            second = pool.Rent();
            second.Arm(TimeSpan.FromSeconds(1));
        };

        time.FireAt(20);

        Assert.Same(first, second);
        Assert.False(second!.HasExpired || second.Token.IsCancellationRequested);
        time.FireAt(1020);
        Assert.True(second.HasExpired);
        second.Dispose();
    }

    [Fact]
    public void TimeoutThatComesEarly_DoesNotPutTheNextOff()
    {
        EarlyTimers time = new();
        TimeoutPool pool = new(time);
        PooledTimeout first = pool.Rent();
        first.Arm(TimeSpan.FromSeconds(30));
        time.BetweenLookAndDeed = () =>
        {
            first.Dispose();
            pool.Rent().Arm(TimeSpan.FromMilliseconds(20));
        };

        time.FireAt(1);

        Assert.Equal(TimeSpan.FromMilliseconds(20), time.Delay);
        first.Dispose();
    }

    /// <summary>A clock whose one timer fires when the test says so, as timers on a coarse clock do.</summary>
    private sealed class EarlyTimers : TimeProvider, ITimer
    {
        private TimerCallback _callback = static _ => { };
        private object? _state;
        private long _now;
        private bool _isFiring;

        public TimeSpan Delay { get; private set; }

        /// <summary>Runs once, inside the timer's callback, when it has looked at its deadline and has not acted on it.</summary>
        public Action? BetweenLookAndDeed { get; set; }

        public override long TimestampFrequency // the last thing that a comparison of timestamps asks for
        {
            get
            {
                Action? action = _isFiring ? BetweenLookAndDeed : null;
                BetweenLookAndDeed = action is null ? BetweenLookAndDeed : null;
                action?.Invoke();
                return TimeSpan.TicksPerSecond;
            }
        }

        public override long GetTimestamp() => _now;

        public void FireAt(int milliseconds)
        {
            _now = milliseconds * TimeSpan.TicksPerMillisecond;
            _isFiring = true;
            _callback(_state);
            _isFiring = false;
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            (_callback, _state) = (callback, state);
            return this;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Delay = dueTime;
            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>Runs what it is given when the test says so.</summary>
    private sealed class HeldScheduler : PipeScheduler
    {
        private readonly Queue<(Action<object?> Action, object? State)> _work = new();

        public override void Schedule(Action<object?> action, object? state) => _work.Enqueue((action, state));

        public void Run()
        {
            while (_work.TryDequeue(out (Action<object?> Action, object? State) item))
            {
                item.Action(item.State);
            }
        }
    }
}
