using Mesh.Proxy.Transport.Epoll;
using Xunit;

namespace Mesh.Proxy.Tests.Transport;

/// <summary>The loop alone: work from everywhere runs, once, in order, on its thread.</summary>
public sealed class EventLoopTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly List<Exception> _bugs = [];
    private readonly EventLoop _loop;

    public EventLoopTests() => _loop = new EventLoop("test", _bugs.Add);

    public void Dispose() => _loop.Dispose();

    [Fact]
    public async Task Schedule_OneAfterTheOther_WakesTheLoopEveryTime()
    {
        for (int i = 0; i < 2000; i++)
        {
            TaskCompletionSource<bool> ran = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _loop.Schedule(s => ((TaskCompletionSource<bool>)s!).SetResult(_loop.IsCurrent), ran);
            Assert.True(await ran.Task.WaitAsync(Patience));
        }
    }

    [Fact]
    public async Task Schedule_FromManyThreads_RunsEachThreadsWorkInOrder()
    {
        const int PerThread = 5000;
        int[] next = new int[4];
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int left = next.Length * PerThread;
        await Task.WhenAll(Enumerable.Range(0, next.Length).Select(thread => Task.Run(() =>
        {
            for (int i = 0; i < PerThread; i++)
            {
                int mine = i;
                _loop.Schedule(_ => Ran(thread, mine), null);
            }
        })));

        await done.Task.WaitAsync(Patience);
        Assert.Empty(_bugs);

        void Ran(int thread, int number)
        {
            Assert.Equal(next[thread]++, number);
            if (--left == 0)
            {
                done.SetResult();
            }
        }
    }

    [Fact]
    public async Task Work_ThatThrows_IsReportedAndTheLoopGoesOn()
    {
        _loop.Schedule(static _ => throw new InvalidOperationException("bug"), null);

        await _loop.SwitchTo();

        Assert.True(_loop.IsCurrent);
        Assert.Equal("bug", Assert.Single(_bugs).Message);
        await Task.Yield();
    }

    [Fact]
    public async Task Schedule_OnTheLoop_NeverRunsInline()
    {
        await _loop.SwitchTo();
        bool ran = false;
        _loop.Schedule(_ => ran = true, null);
        bool inline = ran;
        await Task.Yield();

        Assert.False(inline);
        TaskCompletionSource behind = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _loop.Schedule(static s => ((TaskCompletionSource)s!).SetResult(), behind);
        await behind.Task.WaitAsync(Patience);
        Assert.True(ran);
    }
}
