using System.Globalization;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.MeshShares;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>A value in force on a cluster.</summary>
/// <param name="Kind">Kind of rule that can set it.</param>
/// <param name="Rule">Rule and path; null for the built-in default.</param>
/// <param name="Field">Field below the path.</param>
/// <param name="Value">Value with its unit.</param>
/// <param name="Now">What it stands at; null where nothing moves.</param>
internal sealed record PolicyValue(string Kind, string? Rule, string Field, string Value, string? Now = null);

/// <summary>The values in force on a cluster, block by block. Those that only a rule can bring are there only with one.</summary>
internal static class PolicyValues
{
    private const string Connections = "DestinationRule";
    private const string Routes = "VirtualService";
    private const int MostNames = 5; // of endpoints in one value

    /// <summary>All values of <paramref name="cluster"/>.</summary>
    public static IEnumerable<PolicyValue> Of(Cluster cluster) =>
        [.. Pool(cluster), .. Outlier(cluster), .. Resilience(cluster), .. RateLimit(cluster), .. Breaker(cluster), .. Fallback(cluster)];

    /// <summary>Times and retries of <paramref name="route"/>.</summary>
    public static IEnumerable<PolicyValue> Of(HttpRouteConfig route)
    {
        yield return new PolicyValue(Routes, route.Source, "timeout", route.Timeout > TimeSpan.Zero ? RoutePage.Seconds(route.Timeout) : "none");
        if (route.Retry is { } retry)
        {
            string kind = retry.Source?.Contains("#spec.http", StringComparison.Ordinal) == false ? "ResiliencePolicy" : Routes;
            string perTry = retry.PerTryTimeout > TimeSpan.Zero ? $", {RoutePage.Seconds(retry.PerTryTimeout)} each" : "";
            yield return new PolicyValue(kind, retry.Source, "retries", $"{retry.Attempts} after the first on {RetryCounters.ToText(retry.Conditions) ?? "nothing"}{perTry}");
        }

        if (route.Fault is not null)
        {
            yield return new PolicyValue(Routes, route.Source, "fault", "on purpose: see the rule");
        }
    }

    private static IEnumerable<PolicyValue> Pool(Cluster cluster)
    {
        (ClusterLoad load, ClusterConfig config) = (cluster.Load, cluster.Config);
        yield return Value("tcp.maxConnections", Limit(config.Limits.MaxConnections), Text(load.Connections));
        yield return Value("http.http1MaxPendingRequests", Limit(config.Limits.MaxPendingRequests), Text(load.Pending));
        yield return Value("http.http2MaxRequests", Limit(config.Limits.MaxRequests), Text(load.Requests));
        yield return config.RetryBudget is { } budget
            ? new PolicyValue("ResiliencePolicy", budget.Source, "retryBudget", string.Create(CultureInfo.InvariantCulture, $"{budget.Percent}% of requests, at least {budget.MinConcurrency}"), Text(load.Retries))
            : Value("http.maxRetries", Limit(config.Limits.MaxRetries), Text(load.Retries));
        uint perConnection = config.Connection.MaxRequestsPerConnection;
        yield return Value("http.maxRequestsPerConnection", perConnection == 0 ? "unlimited" : Text(perConnection));
        yield return Value("tcp.connectTimeout", RoutePage.Seconds(config.Connection.ConnectTimeout));

        PolicyValue Value(string field, string value, string? now = null) => new(Connections, config.ConnectionPoolSource, field, value, now);
    }

    private static IEnumerable<PolicyValue> Outlier(Cluster cluster)
    {
        if (cluster.Config.Outlier is not { } config)
        {
            yield break;
        }

        yield return Value("consecutive5xxErrors", Threshold(config.Consecutive5xx));
        yield return Value("consecutiveGatewayErrors", Threshold(config.ConsecutiveGatewayFailure));
        yield return Value("interval", RoutePage.Seconds(config.Interval));
        yield return Value("baseEjectionTime", RoutePage.Seconds(config.BaseEjectionTime));
        yield return Value("maxEjectionPercent", Text(config.MaxEjectionPercent), $"{cluster.Endpoints.Count(static e => e.IsEjected)} of {cluster.Endpoints.Count} ejected");

        PolicyValue Value(string field, string value, string? now = null) => new(Connections, cluster.Config.OutlierSource, field, value, now);
        static string Threshold(int count) => count == 0 ? "off" : $"{count} in a row, of one endpoint";
    }

    private static IEnumerable<PolicyValue> Resilience(Cluster cluster)
    {
        ClusterConfig config = cluster.Config;
        if (config.Concurrency is { } concurrency)
        {
            string unit = config.Protocol == ClusterProtocol.Tcp ? "connections" : "calls";
            string most = concurrency.Adaptive is { } adaptive ? $"adaptive, {adaptive.MinCalls} to {adaptive.MaxCalls} {unit}" : $"{concurrency.MaxCalls} {unit}";
            string wait = concurrency.MaxQueue > 0 ? $", {concurrency.MaxQueue} wait up to {RoutePage.Seconds(concurrency.MaxWait)}" : "";
            yield return new PolicyValue(
                "ResiliencePolicy", concurrency.Source, "concurrency", $"{most}{wait}{(concurrency.IsShadow ? " (shadow)" : "")}",
                $"{cluster.ConcurrencyActive} of {cluster.ConcurrencyLimit} under way, {cluster.ConcurrencyWaiting} waiting");
        }

        foreach (ShareView share in cluster.Shares)
        {
            string rule = config.MeshLimits?.Source ?? share.Rule;
            yield return new PolicyValue("ResiliencePolicy", rule, share.Field, $"{share.Total} for all sidecars, {share.Share} of them here", Text(share.InUse));
        }

        if (config.PendingTimeout > TimeSpan.Zero)
        {
            yield return new PolicyValue("ResiliencePolicy", config.ResilienceSource, "pendingTimeout", RoutePage.Seconds(config.PendingTimeout));
        }

        if (config.WriteTimeout > TimeSpan.Zero)
        {
            yield return new PolicyValue("ResiliencePolicy", config.ResilienceSource, "writeTimeout", RoutePage.Seconds(config.WriteTimeout));
        }

        if (config.AsyncReply is { } late && cluster.Stats.AsyncReply is { } kept)
        {
            yield return new PolicyValue(
                "ResiliencePolicy", config.ResilienceSource, "asyncReply", $"202 after {RoutePage.Seconds(late.After)} for who asks for it, kept for {RoutePage.Seconds(late.KeepFor)}",
                $"{kept.Kept.Value} of {late.MaxKept} kept, {kept.Accepted.Value} answered 202");
        }

        if (config.TransactionId is { } transaction)
        {
            yield return new PolicyValue("ResiliencePolicy", config.ResilienceSource, "transactionId", $"{transaction.Header}: {transaction.Format}");
        }
    }

    private static IEnumerable<PolicyValue> RateLimit(Cluster cluster) =>
        cluster.Stats.RateLimit is { } stats ? (cluster.Config.RateLimits?.All ?? []).SelectMany(c => RateLimit(c, stats, cluster.RateLimitPlanLeft)) : [];

    private static IEnumerable<PolicyValue> RateLimit(RateLimitConfig config, RateLimitStats stats, long left)
    {
        string every = config.Interval == TimeSpan.FromSeconds(1) ? "a second" : $"every {RoutePage.Seconds(config.Interval)}";
        long limited = (config.IsShadow ? stats.ShadowLimited : stats.Limited).Value;
        yield return new PolicyValue("RateLimit", config.Source, "mode", config.IsShadow ? "shadow" : "enforce");
        yield return new PolicyValue("RateLimit", config.Source, "scope", config.IsMesh ? "mesh" : "sidecar");
        yield return new PolicyValue("RateLimit", config.Source, "tokens", $"{config.Tokens} {every}, {config.Burst} at once", $"{limited} {(config.IsShadow ? "would have been " : "")}refused since the start");
        if (config.Plan is { } plan)
        {
            yield return new PolicyValue("RateLimit", config.Source, "plan", $"{plan.Total} in {RoutePage.Seconds(plan.Window)}", $"{left} left");
        }

        if (config.MaxQueue > 0)
        {
            yield return new PolicyValue("RateLimit", config.Source, "whenExceeded.wait", $"up to {RoutePage.Seconds(config.MaxWait)}, {config.MaxQueue} requests", $"{stats.Waiting.Value} waiting");
        }

        if (config.AllowedHours is { } hours)
        {
            yield return new PolicyValue("RateLimit", config.Source, "allowedHours", string.Create(CultureInfo.InvariantCulture, $"{hours.From:HH:mm} to {hours.To:HH:mm} {hours.TimeZone}"));
        }
    }

    private static IEnumerable<PolicyValue> Breaker(Cluster cluster)
    {
        IEnumerable<BreakerView> views = cluster.Breakers().Where(static b => b.Endpoint is null);
        return (cluster.Config.Breaker is { IsPerEndpoint: true } rule ? views.Prepend(new BreakerView(null, rule, cluster.BreakerState, cluster.BreakerFigures, null)) : views)
            .SelectMany(b => Breaker(b, b.Config.IsPerEndpoint ? Endpoints(cluster) : null));
    }

    private static string Endpoints(Cluster cluster)
    {
        BreakerView[] broken = [.. cluster.Breakers().Where(static b => b is { Endpoint: not null, State: not BreakerState.Closed })];
        string names = string.Join(", ", broken.Take(MostNames).Select(static b => $"{b.Endpoint} {BreakerText.Of(b.State)}"));
        return broken.Length == 0 ? $"all {cluster.Endpoints.Count} closed" : $"{broken.Length} of {cluster.Endpoints.Count} not closed: {names}{(broken.Length > MostNames ? ", ..." : "")}";
    }

    private static IEnumerable<PolicyValue> Breaker(BreakerView breaker, string? endpoints)
    {
        (BreakerConfig config, BreakerFigures figures) = (breaker.Config, breaker.Figures);
        if (breaker.Route is { } route)
        {
            yield return Value("route", route);
        }

        string calls = figures.Calls == 1 ? "1 call" : $"{figures.Calls} calls";
        yield return Value("mode", config.IsShadow ? "shadow" : "enforce");
        yield return Value("scope", config.IsMesh ? "mesh" : "sidecar", !config.IsMesh ? null : breaker.Order is null ? "decided by this sidecar: the control plane has no word in force" : "decided by the control plane");
        if (endpoints is not null)
        {
            yield return Value("per", "endpoint", endpoints);
        }

        yield return Value("state", StateOf(config.Mode), BreakerText.Of(breaker.State));
        yield return Value("failureRateThreshold", Percent(config.FailureRate), $"{Percent(figures.FailureRate)} of {calls} failed");
        yield return Value("slowCallRateThreshold", $"{Percent(config.SlowRate)} slower than {RoutePage.Seconds(config.SlowCall)}", $"{Percent(figures.SlowRate)} of {calls} slow");
        yield return Value("minimumNumberOfCalls", Text(config.MinimumCalls), calls);
        yield return Value("slidingWindowSize", config.IsTimeBased ? $"{config.WindowSize} seconds" : $"{config.WindowSize} calls");
        yield return Value("waitDurationInOpenState", RoutePage.Seconds(config.OpenTime));
        yield return Value("permittedNumberOfCallsInHalfOpenState", Text(config.TrialCalls));

        PolicyValue Value(string field, string value, string? now = null) => new("CircuitBreaker", config.Source, field, value, now);
    }

    private static IEnumerable<PolicyValue> Fallback(Cluster cluster)
    {
        if (cluster.Config.Fallback is not { } config || cluster.Stats.Fallback is not { } stats)
        {
            yield break;
        }

        yield return new PolicyValue("Fallback", config.Source, "mode", config.IsShadow ? "shadow" : "enforce");
        if (config.LastGood is { } lastGood)
        {
            yield return new PolicyValue(
                "Fallback", config.Source, "lastGood", $"the last good answer, up to {RoutePage.Seconds(lastGood.MaxAge)} old",
                $"{cluster.FallbackEntries} answers kept ({cluster.FallbackBytes} bytes), {stats.Stale.Value} given");
        }

        if (config.Cluster is { } elsewhere)
        {
            yield return new PolicyValue("Fallback", config.Source, "destination", elsewhere, $"{stats.Host.Value} led there");
        }

        if (config.Static is { } answer)
        {
            yield return new PolicyValue("Fallback", config.Source, "static", $"status {answer.Status}", $"{stats.Static.Value} given");
        }
    }

    // The words of the rule.
    private static string StateOf(BreakerMode mode) => mode switch
    {
        BreakerMode.ForcedOpen => "forcedOpen",
        BreakerMode.Disabled => "disabled",
        BreakerMode.MetricsOnly => "metricsOnly",
        _ => "auto",
    };

    private static string Limit(uint limit) => limit == uint.MaxValue ? "unlimited" : Text(limit);

    private static string Percent(double percent) => string.Create(CultureInfo.InvariantCulture, $"{percent:0.#}%");

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
