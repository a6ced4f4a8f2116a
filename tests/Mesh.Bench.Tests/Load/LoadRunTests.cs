using System.Collections.Concurrent;
using Mesh.Load.Measuring;
using Mesh.Load.Running;
using Mesh.Testing;

namespace Mesh.Bench.Tests.Load;

public sealed class LoadRunTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    [Fact]
    public void Schedule_Rate_IsEvenAndEndsWithTheDuration()
    {
        ArrivalSchedule schedule = new(4, TimeSpan.FromSeconds(1), null);
        Assert.Equal([0, 250, 500, 750], Enumerable.Range(0, 10).Where(i => schedule.Has(i)).Select(i => schedule.DueAt(i).TotalMilliseconds));
        Assert.False(new ArrivalSchedule(4, null, 3).Has(3));
    }

    [Fact]
    public async Task Run_OpenLoopServerStalls_ArrivalsGoOnAndLatencyCountsFromTheirTime()
    {
        FakeTimeProvider time = new();
        StallingClient client = new();
        LoadRun run = new(Options() with { Rate = 10, Users = 100, Total = 4 }, time, new Random(1), () => client);
        Task<LoadReport> running = run.RunAsync(CancellationToken.None);
        await client.CallsAsync(1);
        for (int sent = 2; sent <= 4; sent++)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await client.CallsAsync(sent);
        }

        time.Advance(TimeSpan.FromMilliseconds(700));
        client.AnswerAll();
        LoadReport report = await running.WaitAsync(Limit);
        Assert.Equal(4, report.Requests);
        Assert.Equal(TimeSpan.FromMilliseconds(1000), report.Latency.Max);
        Assert.Equal(TimeSpan.FromMilliseconds(700), report.Latency.Min);
    }

    [Fact]
    public async Task Run_OpenLoopOneSlot_TheWaitForTheSlotIsLatency()
    {
        FakeTimeProvider time = new();
        StallingClient client = new();
        LoadRun run = new(Options() with { Rate = 10, Users = 1, Total = 2, Timeout = TimeSpan.FromMinutes(1) }, time, new Random(1), () => client);
        Task<LoadReport> running = run.RunAsync(CancellationToken.None);
        await client.CallsAsync(1);
        time.Advance(TimeSpan.FromSeconds(2));
        client.AnswerAll();
        await client.CallsAsync(2);
        client.AnswerAll();
        LoadReport report = await running.WaitAsync(Limit);
        Assert.Equal(TimeSpan.FromSeconds(2), report.Latency.Max);
        Assert.Equal(TimeSpan.FromSeconds(1.9), report.Latency.Min);
    }

    [Fact]
    public async Task Run_Total_IsExact()
    {
        LoadRun run = new(Options() with { Users = 7, Total = 30 }, new FakeTimeProvider(), new Random(1), () => new AnsweringClient(201));
        LoadReport report = await run.RunAsync(CancellationToken.None).WaitAsync(Limit);
        Assert.Equal(30, report.Requests);
        Assert.Equal(30, report.WithCode(201));
    }

    [Fact]
    public async Task Run_Repetitions_AreForEachUser()
    {
        LoadRun run = new(Options() with { Users = 3, Repetitions = 5 }, new FakeTimeProvider(), new Random(1), () => new AnsweringClient(500));
        LoadReport report = await run.RunAsync(CancellationToken.None).WaitAsync(Limit);
        Assert.Equal(15, report.Failed);
        Assert.Equal(0, report.Ok);
    }

    [Fact]
    public async Task Run_NoAnswerInTime_IsAnError()
    {
        FakeTimeProvider time = new();
        StallingClient client = new();
        LoadRun run = new(Options() with { Total = 1, Timeout = TimeSpan.FromSeconds(3) }, time, new Random(1), () => client);
        Task<LoadReport> running = run.RunAsync(CancellationToken.None);
        await client.CallsAsync(1);
        time.Advance(TimeSpan.FromSeconds(3));
        LoadReport report = await running.WaitAsync(Limit);
        Assert.Equal(1, report.Unanswered);
        Assert.Equal(1, report.Failed);
    }

    [Theory]
    [InlineData("pending_overflow; rule=a/b; limit=1", "pending_overflow")]
    [InlineData("pending_overflow", "pending_overflow")]
    [InlineData(null, null)]
    public void FirstWord_Reason_EndsAtTheSemicolon(string? header, string? word) => Assert.Equal(word, LoadClient.FirstWord(header));

    private static LoadOptions Options() => new() { Url = new Uri("http://a") };

    private sealed class AnsweringClient(int code) : ILoadClient
    {
        public Task<LoadSample> SendAsync(CancellationToken cancellationToken) => Task.FromResult(new LoadSample(code, 1, null, false, null, default));

        public void Dispose()
        {
        }
    }

    /// <summary>Holds every call until told to answer, or until the call's time is up.</summary>
    private sealed class StallingClient : ILoadClient
    {
        private readonly ConcurrentQueue<TaskCompletionSource> _held = new();
        private readonly SemaphoreSlim _called = new(0);
        private int _seen;

        public async Task<LoadSample> SendAsync(CancellationToken cancellationToken)
        {
            TaskCompletionSource answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _held.Enqueue(answer);
            using CancellationTokenRegistration gone = cancellationToken.Register(() => answer.TrySetCanceled(cancellationToken));
            _called.Release();
            try
            {
                await answer.Task;
                return new LoadSample(200, 0, null, false, null, default);
            }
            catch (OperationCanceledException)
            {
                return new LoadSample(0, 0, null, false, "Timeout", default);
            }
        }

        public async Task CallsAsync(int count)
        {
            for (; _seen < count; _seen++)
            {
                Assert.True(await _called.WaitAsync(Limit));
            }
        }

        public void AnswerAll()
        {
            while (_held.TryDequeue(out TaskCompletionSource? answer))
            {
                answer.TrySetResult();
            }
        }

        public void Dispose() => _called.Dispose();
    }
}
