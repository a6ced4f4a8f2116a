using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Retry;

/// <summary>
/// Who may try again in a cluster: the limit maxRetries, or in its place a budget. A budget without an interval is Envoy's (semantics 2.9): a share of the requests that
/// are active or wait now. With one it bounds the load itself: of the requests begun within it, so many percent may be begun once more, and retries that end quickly
/// do not make room for others. Asked only when something has failed. Thread-safe.
/// </summary>
internal sealed class RetryBudget(TimeProvider time)
{
    private readonly Lock _gate = new();
    private Window _requests;
    private Window _retries;
    private long _startedAt = time.GetTimestamp();

    /// <summary>Takes a place, which the caller gives back with <see cref="Leave"/>; false when there is none.</summary>
    /// <param name="budget">Budget in force; null for <paramref name="maxRetries"/>.</param>
    /// <param name="maxRetries">Most retries at once without a budget.</param>
    /// <param name="stats">Numbers of the cluster.</param>
    public bool TryEnter(RetryBudgetConfig? budget, uint maxRetries, ClusterStats stats) => TryEnter(budget, maxRetries, stats, stats.RqRetryActive, stats.RqRetry.Value);

    /// <summary>The same for a limit that lets in others than the one in force: <paramref name="active"/> has its retries under way, <paramref name="begun"/> is how many it has let in.</summary>
    public bool TryEnter(RetryBudgetConfig? budget, uint maxRetries, ClusterStats stats, Gauge active, long begun)
    {
        // Entered first, then looked at: of two that come together, at most one too few gets in, never one too many.
        long others = active.Add() - 1;
        bool isAllowed = budget switch
        {
            null => others < maxRetries,
            { Interval.Ticks: > 0 } => IsWithinInterval(budget, stats, others, begun),
            _ => others < Allowed(budget, stats.RqActive.Value + stats.RqPendingActive.Value),
        };
        if (!isAllowed)
        {
            active.Add(-1);
        }

        return isAllowed;
    }

    /// <summary>Gives a place back.</summary>
    public static void Leave(ClusterStats stats) => stats.RqRetryActive.Add(-1);

    private static long Allowed(RetryBudgetConfig budget, long requests) =>
        Math.Max((long)Math.Floor(budget.Percent / 100 * requests), budget.MinConcurrency);

    private bool IsWithinInterval(RetryBudgetConfig budget, ClusterStats stats, long others, long retries)
    {
        lock (_gate)
        {
            long requests = stats.RqTotal.Value - stats.RqRetry.Value;
            long now = time.GetTimestamp();
            double intervals = time.GetElapsedTime(_startedAt, now) / budget.Interval;
            if (intervals >= 1)
            {
                _requests.Turn(requests, intervals);
                _retries.Turn(retries, intervals);
                _startedAt = now;
                intervals = 0;
            }

            long allowed = Allowed(budget, (long)_requests.Within(requests, intervals));
            return Math.Max(others, _retries.Within(retries, intervals)) < allowed;
        }
    }

    /// <summary>A count over the last interval: what came in this one, and of the last one the share that still lies within reach.</summary>
    private struct Window
    {
        private long _atStart;
        private double _before;

        public void Turn(long total, double intervals)
        {
            _before = (total - _atStart) / intervals;
            _atStart = total;
        }

        public readonly double Within(long total, double intervals) => (_before * (1 - intervals)) + total - _atStart;
    }
}
