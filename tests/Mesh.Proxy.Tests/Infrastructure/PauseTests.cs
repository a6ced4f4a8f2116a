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
