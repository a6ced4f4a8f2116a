using System.Globalization;
using System.Text;
using System.Text.Json;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary>Rules in shadow mode: what each of their fields would have done, in <c>/shadow</c> and <c>/clusters</c>, and what they were told, in <c>/config_dump</c>.</summary>
internal static class ShadowPage
{
    /// <summary>What one field of a rule would have done.</summary>
    /// <param name="Rule">Rule and path of its block.</param>
    /// <param name="Field">The field.</param>
    /// <param name="Limit">Its value; null where it is none.</param>
    /// <param name="MaxSeen">The most there really was of what it limits; null where nobody counts.</param>
    /// <param name="Evaluated">Calls or outcomes looked at; null where nobody counts.</param>
    /// <param name="Would">What it would have done: refuse, hold_back, delay, eject, keep_in, time_out, retry, not_retry, answer, lead_elsewhere.</param>
    /// <param name="Count">How often since the rules are as they are now; of breakers, limits, bulkheads and fallbacks since the process began.</param>
    /// <param name="Last">When last; null where nobody knows.</param>
    private sealed record Line(string? Rule, string Field, long? Limit, long? MaxSeen, long? Evaluated, string Would, long Count, DateTimeOffset? Last)
    {
        public Line(string? rule, string field, long? limit, long? maxSeen, long? evaluated, string would, ShadowCount count)
            : this(rule, field, limit, maxSeen, evaluated, would, count.Now, count.LastAt)
        {
        }
    }

    /// <summary><c>/shadow</c>.</summary>
    public static Task AnswerAsync(HttpContext http, AdminContext context) => Respond.JsonAsync(http, json => Write(json, context.Node(), context.Clusters.Clusters));

    /// <summary>All of it: clusters with rules in shadow mode, and what each field would have done.</summary>
    private static void Write(Utf8JsonWriter json, string sidecar, IEnumerable<Cluster> clusters)
    {
        json.WriteStartObject();
        json.WriteString("sidecar", sidecar);
        json.WriteStartArray("shadows");
        foreach (Cluster cluster in clusters.OrderBy(static c => c.Name, StringComparer.Ordinal))
        {
            foreach (Line line in Lines(cluster))
            {
                WriteLine(json, cluster.Name, line);
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Lines of <c>/clusters</c>; none for a cluster without rules in shadow mode.</summary>
    public static string Text(Cluster cluster)
    {
        StringBuilder text = new();
        foreach (Line line in Lines(cluster))
        {
            text.Append(CultureInfo.InvariantCulture, $"{cluster.Name}::shadow::{line.Field}::would_{line.Would}::{line.Count}\n");
        }

        if (cluster.Config.Shadow is { PoolSource: not null })
        {
            (int connections, int waiting, int active) = cluster.ShadowFigures;
            text.Append(CultureInfo.InvariantCulture, $"{cluster.Name}::shadow::now::connections={connections} waiting={waiting} active={active}\n");
        }

        return text.ToString();
    }

    /// <summary>The rules as they were compiled, for <c>/config_dump</c>; null without one.</summary>
    public static void WriteConfig(Utf8JsonWriter json, ShadowConfig? config)
    {
        if (config is null)
        {
            json.WriteNull("shadow");
            return;
        }

        json.WriteStartObject("shadow");
        json.WriteString("connection_pool_source", config.PoolSource);
        json.WriteNumber("max_connections", config.Limits.MaxConnections);
        json.WriteNumber("max_pending_requests", config.Limits.MaxPendingRequests);
        json.WriteNumber("max_requests", config.Limits.MaxRequests);
        json.WriteNumber("max_requests_per_connection", config.MaxRequestsPerConnection);
        json.WriteNumber("max_retries", config.Limits.MaxRetries);
        json.WriteString("connect_timeout", config.ConnectTimeout > TimeSpan.Zero ? RoutePage.Seconds(config.ConnectTimeout) : null);
        json.WriteString("retry_budget_source", config.RetryBudget?.Source);
        json.WriteString("mesh_limits_source", config.MeshLimits?.Source);
        json.WriteString("outlier_source", config.OutlierSource);
        json.WriteNumber("consecutive_5xx", config.Outlier?.Consecutive5xx ?? 0);
        json.WriteNumber("consecutive_gateway_failure", config.Outlier?.ConsecutiveGatewayFailure ?? 0);
        json.WriteNumber("max_ejection_percent", config.Outlier?.MaxEjectionPercent ?? 0);
        json.WriteString("resilience_source", config.ResilienceSource);
        json.WriteString("pending_timeout", config.PendingTimeout > TimeSpan.Zero ? RoutePage.Seconds(config.PendingTimeout) : null);
        json.WriteString("write_timeout", config.WriteTimeout > TimeSpan.Zero ? RoutePage.Seconds(config.WriteTimeout) : null);
        json.WriteEndObject();
    }

    private static IEnumerable<Line> Lines(Cluster cluster) =>
        [.. cluster.Config.Shadow is { } config && cluster.Stats.Shadow is { } stats ? OfModels(cluster, config, stats) : [], .. OfOthers(cluster)];

    private static IEnumerable<Line> OfModels(Cluster cluster, ShadowConfig config, ShadowStats stats) =>
        [.. OfPool(cluster.Config, config, stats), .. OfOutlier(config, stats), .. OfBudget(config, stats), .. OfResilience(config, stats), .. OfShares(cluster, config, stats)];

    // Kinds that evaluate themselves: the same code as in force, but for what comes of it.
    private static IEnumerable<Line> OfOthers(Cluster cluster)
    {
        (ClusterConfig config, ClusterStats stats) = (cluster.Config, cluster.Stats);
        if (config.Concurrency is { IsShadow: true } concurrency)
        {
            yield return new Line(concurrency.Source, "concurrency.maxConcurrentCalls", concurrency.MaxCalls, null, null, "refuse", stats.Concurrency?.ShadowRejected.Value ?? 0, null);
        }

        RateLimitConfig[] limits = [.. (config.RateLimits?.All ?? []).Where(static l => l.IsShadow)];
        if (limits.Length > 0) // several count together
        {
            string rules = string.Join(", ", limits.Select(static l => l.Source));
            yield return new Line(rules, "tokens", limits.Length == 1 ? limits[0].Tokens : null, null, null, "refuse", stats.RateLimit?.ShadowLimited.Value ?? 0, null);
        }

        if (cluster.Config.Breaker is { IsPerEndpoint: true, IsShadow: true } ofEach)
        {
            yield return new Line(ofEach.Source, "per", null, null, cluster.BreakerFigures.Calls, "lead_elsewhere", stats.Breaker?.ShadowRejected.Value ?? 0, null);
        }

        foreach (BreakerView breaker in cluster.Breakers().Where(static b => b.Config.IsShadow && b.Endpoint is null))
        {
            yield return new Line(breaker.Config.Source, "", null, null, breaker.Figures.Calls, "refuse", stats.Breaker?.ShadowRejected.Value ?? 0, null);
        }

        if (config.Fallback is { IsShadow: true } fallback)
        {
            yield return new Line(fallback.Source, "", null, null, null, "answer", stats.Fallback?.Shadow.Value ?? 0, null);
        }
    }

    private static IEnumerable<Line> OfPool(ClusterConfig cluster, ShadowConfig config, ShadowStats stats)
    {
        if (config.PoolSource is not { } rule)
        {
            yield break;
        }

        long evaluated = stats.Evaluated.Now;
        CircuitBreakerConfig limits = config.Limits;
        if (limits.MaxConnections < uint.MaxValue)
        {
            yield return cluster.Protocol == ClusterProtocol.Tcp
                ? new Line(rule, "tcp.maxConnections", limits.MaxConnections, stats.MaxConnections.Value, evaluated, "refuse", stats.StreamOverflow)
                : new Line(rule, "tcp.maxConnections", limits.MaxConnections, stats.MaxConnections.Value, evaluated, "hold_back", stats.ConnectionOverflow);
        }

        if (limits.MaxPendingRequests < uint.MaxValue)
        {
            yield return new Line(rule, "http.http1MaxPendingRequests", limits.MaxPendingRequests, stats.MaxPending.Value, evaluated, "refuse", stats.PendingOverflow);
        }

        if (limits.MaxRequests < uint.MaxValue)
        {
            yield return new Line(rule, "http.http2MaxRequests", limits.MaxRequests, stats.MaxRequests.Value, evaluated, "refuse", stats.RequestOverflow);
        }

        if (config.ConnectTimeout > TimeSpan.Zero)
        {
            yield return new Line(rule, "tcp.connectTimeout", (long)config.ConnectTimeout.TotalMilliseconds, null, null, "time_out", stats.ConnectTimeout);
        }

        if (limits.MaxRetries < uint.MaxValue && config.RetryBudget is null)
        {
            yield return new Line(rule, "http.maxRetries", limits.MaxRetries, stats.MaxRetries.Value, stats.RetryEvaluated.Now, "refuse", stats.RetryOverflow);
        }

        yield return new Line(rule, "", null, null, evaluated, "delay", stats.Delayed);
    }

    // The path in its source ends with the block, or with the profile that brings it.
    private static IEnumerable<Line> OfBudget(ShadowConfig config, ShadowStats stats) => config.RetryBudget is not { } budget ? [] :
        [new Line(budget.Source, "", (long)budget.Percent, null, stats.RetryEvaluated.Now, "refuse", stats.RetryOverflow)];

    private static IEnumerable<Line> OfShares(Cluster cluster, ShadowConfig config, ShadowStats stats) =>
        from share in cluster.SharesInShadow
        select share.Field == MeshLimitsConfig.ConnectionsField
            ? new Line(config.MeshLimits?.Source, share.Field, share.Share, stats.MaxConnections.Value, null, "hold_back", stats.MeshConnectionOverflow)
            : new Line(config.MeshLimits?.Source, share.Field, share.Share, stats.MaxRequests.Value, null, "refuse", stats.MeshRequestOverflow);

    private static IEnumerable<Line> OfOutlier(ShadowConfig config, ShadowStats stats) => config.Outlier is not { } outlier ? [] :
    [
        new Line(config.OutlierSource, "", null, null, stats.Judged.Now, "eject", stats.Ejections),
        new Line(config.OutlierSource, "maxEjectionPercent", outlier.MaxEjectionPercent, null, stats.Judged.Now, "keep_in", stats.EjectionsOverflow),
    ];

    private static IEnumerable<Line> OfResilience(ShadowConfig config, ShadowStats stats)
    {
        if (config.ResilienceSource is not { } rule)
        {
            yield break;
        }

        if (config.PendingTimeout > TimeSpan.Zero)
        {
            yield return new Line(rule, "pendingTimeout", (long)config.PendingTimeout.TotalMilliseconds, null, null, "time_out", stats.PendingTimeout);
        }

        if (config.WriteTimeout > TimeSpan.Zero)
        {
            yield return new Line(rule, "writeTimeout", (long)config.WriteTimeout.TotalMilliseconds, null, null, "time_out", stats.WriteTimeout);
        }

        if (config.ComparesRetries)
        {
            yield return new Line(rule, "retries", null, null, null, "retry", stats.Retry);
            yield return new Line(rule, "retries", null, null, null, "not_retry", stats.RetrySpared);
        }
    }

    private static void WriteLine(Utf8JsonWriter json, string cluster, Line line)
    {
        json.WriteStartObject();
        json.WriteString("cluster", cluster);
        json.WriteString("rule", line.Rule);
        json.WriteString("field", line.Field);
        WriteNumber(json, "limit", line.Limit);
        WriteNumber(json, "max_seen", line.MaxSeen);
        WriteNumber(json, "evaluated", line.Evaluated);
        json.WriteString("would", line.Would);
        json.WriteNumber("count", line.Count);
        json.WriteString("last", line.Last?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, long? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
