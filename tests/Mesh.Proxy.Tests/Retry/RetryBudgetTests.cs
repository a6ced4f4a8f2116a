using Mesh.Proxy.Retry;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Retry;

public sealed class RetryBudgetTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly ClusterStats _stats = new();

    [Theory]
    [InlineData(0u, 0)]
    [InlineData(3u, 3)]
    public void MaxRetries_AreTheMostAtOnce(uint max, int allowed) => Assert.Equal(allowed, EnterMany(null, 10, max));

    [Fact]
    public void Place_ThatIsGivenBack_IsFree()
    {
        RetryBudget budget = new(_time);
        Assert.True(budget.TryEnter(null, 1, _stats));
        Assert.False(budget.TryEnter(null, 1, _stats));
        RetryBudget.Leave(_stats);
        Assert.True(budget.TryEnter(null, 1, _stats));
    }

    [Theory] // semantics 2.9
    [InlineData(20, 3u, 0, 3)] // the minimum
    [InlineData(20, 3u, 19, 3)]
    [InlineData(20, 3u, 20, 4)]
    [InlineData(20, 3u, 24, 4)] // rounded down
    [InlineData(50, 0u, 3, 1)]
    [InlineData(0, 0u, 100, 0)]
    public void Budget_IsAShareOfActiveAndPending(double percent, uint min, int requests, int allowed)
    {
        _stats.RqActive.Set(requests / 2);
        _stats.RqPendingActive.Set(requests - (requests / 2));
        Assert.Equal(allowed, EnterMany(new RetryBudgetConfig(percent, min), 100));
    }

    [Fact]
    public void BudgetWithInterval_BoundsTheLoad_HoweverQuicklyRetriesEnd()
    {
        RetryBudgetConfig config = new(20, 0, TimeSpan.FromSeconds(10));
        RetryBudget budget = new(_time);
        for (int second = 0; second < 60; second++)
        {
            for (int i = 0; i < 100; i++) // every request fails, every retry ends at once
            {
                _stats.RqTotal.Add();
                if (budget.TryEnter(config, 0, _stats))
                {
                    _stats.RqRetry.Add();
                    _stats.RqTotal.Add();
                    RetryBudget.Leave(_stats);
                }
            }

            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.InRange(_stats.RqRetry.Value, 6000 * 0.15, 6000 * 0.2);
    }

    [Fact]
    public void BudgetWithInterval_ForgetsWhatIsPast()
    {
        RetryBudgetConfig config = new(10, 1, TimeSpan.FromSeconds(10));
        RetryBudget budget = new(_time);
        _stats.RqTotal.Add(1000);
        Assert.True(budget.TryEnter(config, 0, _stats));
        Assert.True(budget.TryEnter(config, 0, _stats));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(budget.TryEnter(config, 0, _stats)); // two run, one is allowed
    }

    private int EnterMany(RetryBudgetConfig? config, int times, uint max = 0)
    {
        RetryBudget budget = new(_time);
        return Enumerable.Range(0, times).Count(_ => budget.TryEnter(config, max, _stats));
    }
}
