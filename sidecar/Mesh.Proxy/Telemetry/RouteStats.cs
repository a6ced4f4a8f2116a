using System.Collections.Concurrent;

namespace Mesh.Proxy.Telemetry;

/// <summary>Statistics of the requests that fitted matches with one <c>statPrefix</c>. Thread-safe.</summary>
public sealed class RouteStats
{
    /// <summary>upstream_rq_total: attempts.</summary>
    public StripedCounter RqTotal { get; } = new();

    /// <summary>upstream_rq_retry.</summary>
    public StripedCounter RqRetry { get; } = new();

    /// <summary>upstream_rq_retry_success.</summary>
    public StripedCounter RqRetrySuccess { get; } = new();

    /// <summary>upstream_rq_retry_limit_exceeded.</summary>
    public StripedCounter RqRetryLimitExceeded { get; } = new();

    /// <summary>upstream_rq_timeout.</summary>
    public StripedCounter RqTimeout { get; } = new();

    /// <summary>Answers by status code, our own included.</summary>
    public CodeCounters RqByCode { get; } = new();

    /// <summary>Counts a finished request, unless no upstream was asked for it (redirects, faults).</summary>
    internal void Add(RequestRecord record)
    {
        if (record.Attempts == 0)
        {
            return;
        }

        RqTotal.Add(record.Attempts);
        RqByCode.Add(record.ResponseCode);
        if (Has(record, ResponseFlag.UT))
        {
            RqTimeout.Add();
        }

        if (Has(record, ResponseFlag.URX))
        {
            RqRetryLimitExceeded.Add();
        }

        if (record.RetriedOn != Mesh.Rules.Snapshots.RetryConditions.None)
        {
            RqRetry.Add(record.Attempts - 1);
            (record.Flag == ResponseFlag.None ? RqRetrySuccess : null)?.Add();
        }
    }

    private static bool Has(RequestRecord record, ResponseFlag flag) => record.Flag == flag || record.SecondFlag == flag;
}

/// <summary>Statistics of all routes that have some. What was counted stays, also when rules change. Thread-safe.</summary>
public sealed class RouteStatsTable
{
    private readonly ConcurrentDictionary<(string VirtualHost, string Prefix), RouteStats> _routes = new();

    /// <summary>All there are, by name.</summary>
    public IEnumerable<RouteStatsView> All => _routes
        .Select(static r => new RouteStatsView(r.Key.VirtualHost.Replace(':', '_'), r.Key.Prefix.Replace(':', '_'), r.Value)) // as Envoy: a colon means something else
        .OrderBy(static r => r.VirtualHost, StringComparer.Ordinal).ThenBy(static r => r.Prefix, StringComparer.Ordinal);

    /// <summary>Those of a prefix in a virtual host.</summary>
    public RouteStats Get(string virtualHost, string prefix) => _routes.GetOrAdd((virtualHost, prefix), static _ => new RouteStats());
}

/// <summary>A route as its statistics are read.</summary>
/// <param name="VirtualHost">Name of the virtual host.</param>
/// <param name="Prefix">statPrefix.</param>
/// <param name="Stats">Its counters.</param>
public readonly record struct RouteStatsView(string VirtualHost, string Prefix, RouteStats Stats);

/// <summary>Statistics of a route, scope <c>vhost.&lt;virtual host&gt;.route.&lt;statPrefix&gt;.</c>.</summary>
public static class RouteStatRows
{
    /// <summary>The rows, codes apart.</summary>
    public static IReadOnlyList<StatRow<RouteStatsView>> All { get; } =
    [
        new("upstream_rq_total", StatType.Counter, "Attempts for the route", static r => r.Stats.RqTotal.Value),
        new("upstream_rq_retry", StatType.Counter, "Retries for the route", static r => r.Stats.RqRetry.Value),
        new("upstream_rq_retry_success", StatType.Counter, "Requests of the route that a retry helped", static r => r.Stats.RqRetrySuccess.Value),
        new("upstream_rq_retry_limit_exceeded", StatType.Counter, "Requests of the route that still failed after their last retry", static r => r.Stats.RqRetryLimitExceeded.Value),
        new("upstream_rq_timeout", StatType.Counter, "Requests of the route that ran into a timeout", static r => r.Stats.RqTimeout.Value),
    ];
}
