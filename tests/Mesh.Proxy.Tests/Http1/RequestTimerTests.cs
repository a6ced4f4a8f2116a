using Mesh.Proxy.Http1;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

public sealed class RequestTimerTests : IDisposable
{
    private readonly UpstreamHarness _harness = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly RequestTimer _timer;

    public RequestTimerTests() => _timer = new RequestTimer(_harness.Time, _stop);

    public void Dispose()
    {
        _timer.Dispose();
        _stop.Dispose();
        _harness.Dispose();
    }

    [Fact]
    public async Task Route_ThatHasPassed_EndsAttemptAndWaits()
    {
        UpstreamConnection upstream = await BeginAsync(route: 100, perTry: 200);
        Pass(99);
        Assert.False(_timer.HasPassed);
        Pass(1);
        Assert.Equal((true, true, TimeLimit.Route), (_stop.IsCancellationRequested, upstream.Closed.IsCancellationRequested, _timer.Passed));
        Assert.False(_timer.HeadReceived());
        Assert.False(_timer.EndAttempt());
        Assert.False(_timer.End());
        Assert.False(_timer.Serves(_stop));
        Assert.Equal(TimeLimit.Route, _timer.Passed); // whatever was tried since
        upstream.Release(reusable: false);
    }

    [Fact]
    public async Task Attempt_ThatHasPassed_EndsItselfAlone_AndTheNextTimerKeepsTheRoutes()
    {
        UpstreamConnection upstream = await BeginAsync(route: 250, perTry: 100);
        Pass(100);
        Assert.Equal((false, true, TimeLimit.PerTry), (_stop.IsCancellationRequested, upstream.Closed.IsCancellationRequested, _timer.Passed));
        upstream.Release(reusable: false);
        using RequestTimer next = new(_harness.Time, _stop);
        next.ContinueAfter(_timer);
        Pass(149);
        Assert.False(next.HasPassed);
        Pass(1);
        Assert.Equal((true, TimeLimit.Route), (_stop.IsCancellationRequested, next.Passed));
    }

    [Fact]
    public async Task Attempt_ThatIsOver_IsNotAborted()
    {
        UpstreamConnection upstream = await BeginAsync(route: 100, perTry: 50);
        Assert.True(_timer.EndAttempt());
        Pass(100);
        Assert.Equal((true, false), (_stop.IsCancellationRequested, upstream.Closed.IsCancellationRequested));
        upstream.Release(reusable: false);
    }

    [Fact]
    public async Task Request_ThatIsOver_LeavesNothingBehind()
    {
        UpstreamConnection upstream = await BeginAsync(route: 100, perTry: 50);
        Assert.True(_timer.HeadReceived());
        Assert.True(_timer.End());
        Pass(1000);
        Assert.Equal((false, false, true), (_timer.HasPassed, upstream.Closed.IsCancellationRequested, _timer.Serves(_stop)));
        upstream.Release(reusable: false);
    }

    [Fact]
    public async Task Client_ThatOwesBytes_StopsTheClock_UntilTheLastByte()
    {
        UpstreamConnection upstream = await BeginAsync(route: 100, perTry: 50, isComplete: false);
        _timer.WaitForClient();
        Pass(1000);
        _timer.RequestComplete();
        _timer.RequestComplete(); // told twice
        Pass(49);
        Assert.False(_timer.HasPassed);
        Pass(1);
        Assert.Equal(TimeLimit.PerTry, _timer.Passed);
        upstream.Release(reusable: false);
    }

    [Fact]
    public async Task LastByte_ThatComesAfterTheHead_StartsNoAttempt()
    {
        UpstreamConnection upstream = await BeginAsync(route: 0, perTry: 50, isComplete: false);
        Assert.True(_timer.HeadReceived());
        _timer.RequestComplete();
        Pass(1000);
        Assert.False(_timer.HasPassed);
        upstream.Release(reusable: false);
    }

    [Fact]
    public async Task Write_CountsOnlyWhileBytesWait()
    {
        UpstreamConnection upstream = await BeginAsync(route: 0, perTry: 0, write: 100);
        for (int i = 0; i < 5; i++)
        {
            _timer.BeginWrite();
            Pass(99);
            _timer.EndWrite();
            Pass(500);
        }

        Assert.False(_timer.HasPassed);
        _timer.BeginWrite();
        Pass(100);
        Assert.Equal((TimeLimit.Write, true), (_timer.Passed, upstream.Closed.IsCancellationRequested));
        upstream.Release(reusable: false);
    }

    [Theory]
    [InlineData(0, 0, 0, 0)]
    [InlineData(250, 0, 0, 250)]
    [InlineData(250, 0, 100, 150)]
    [InlineData(250, 100, 200, 100)]
    public void Expected_IsOneAttempts_ElseWhatIsLeft(int route, int perTry, int after, int expected)
    {
        _timer.Begin(Ms(route), Ms(perTry), TimeSpan.Zero, isComplete: true, _harness.Time.GetTimestamp());
        Pass(after);
        Assert.Equal(expected, _timer.ExpectedMilliseconds(_harness.Time.GetTimestamp()));
        _timer.End();
    }

    private async Task<UpstreamConnection> BeginAsync(int route, int perTry, int write = 0, bool isComplete = true)
    {
        long now = _harness.Time.GetTimestamp();
        _timer.Begin(Ms(route), Ms(perTry), Ms(write), isComplete, now);
        UpstreamConnection upstream = await _harness.RentOk();
        Assert.True(_timer.BeginAttempt(upstream, now, trial: TimeSpan.Zero));
        return upstream;
    }

    private void Pass(int milliseconds) => _harness.Time.Advance(Ms(milliseconds));

    private static TimeSpan Ms(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);
}
