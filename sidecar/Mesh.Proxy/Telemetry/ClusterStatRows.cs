using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Telemetry;

/// <summary>A cluster as its statistics are read: name, numbers, limits in force.</summary>
/// <param name="Name">Cluster name.</param>
/// <param name="Stats">Its statistics.</param>
/// <param name="Limits">Its limits; the breaker gauges compare with them.</param>
/// <param name="HasRetryBudget">A budget has taken the place of maxRetries.</param>
public sealed record ClusterStatsView(string Name, ClusterStats Stats, CircuitBreakerConfig Limits, bool HasRetryBudget = false)
{
    /// <summary>State of the circuit breaker, read from it at this moment: 0 closed (or none), 1 open, 2 half-open, 3 disabled, 4 forced open, 5 metrics only.</summary>
    public int BreakerState { get; init; }

    /// <summary>Calls that the circuit breaker looks back on.</summary>
    public int BreakerCalls { get; init; }

    /// <summary>Of these, failed.</summary>
    public int BreakerFailures { get; init; }

    /// <summary>Of these, slow.</summary>
    public int BreakerSlow { get; init; }

    /// <summary>Endpoints whose own circuit is open.</summary>
    public int BreakerEndpointsOpen { get; init; }

    /// <summary>Endpoints whose own circuit is on trial.</summary>
    public int BreakerEndpointsHalfOpen { get; init; }

    /// <summary>Calls that hold a place of the bulkhead.</summary>
    public int ConcurrencyActive { get; init; }

    /// <summary>Calls that wait for a place of the bulkhead.</summary>
    public int ConcurrencyWaiting { get; init; }

    /// <summary>Places of the bulkhead.</summary>
    public int ConcurrencyLimit { get; init; }

    /// <summary>Epoch of what the control plane decided for all callers of the circuit; 0 while this sidecar decides.</summary>
    public long BreakerEpoch { get; init; }

    /// <summary>This sidecar's part of a rate limit of all sidecars together.</summary>
    public long RateLimitShare { get; init; }

    /// <summary>What the plans of rate limits still let through.</summary>
    public long RateLimitPlanLeft { get; init; }

    /// <summary>Good answers kept for a Fallback.</summary>
    public int FallbackEntries { get; init; }

    /// <summary>Bytes that they take.</summary>
    public long FallbackBytes { get; init; }
}

/// <summary>Every statistic of a cluster, in the order of the pages. The one table: a row here is a row everywhere.</summary>
public static class ClusterStatRows
{
    /// <summary>The rows. Responses by code are not among them; they come from <see cref="ClusterStats.RqByCode"/>.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> All { get; } =
    [
        Counter("upstream_cx_total", "Connections made to the cluster", static s => s.CxTotal),
        Gauge("upstream_cx_active", "Connections open or connecting", static s => s.CxActive),
        Counter("upstream_cx_connect_fail", "Connections that could not be made", static s => s.CxConnectFail),
        Counter("upstream_cx_connect_timeout", "Connections that were not made within connectTimeout", static s => s.CxConnectTimeout),
        Counter("upstream_cx_connect_attempts_exceeded", "TCP streams that ended because no attempt to connect succeeded", static s => s.CxConnectAttemptsExceeded),
        Counter("upstream_cx_overflow", "Times that maxConnections held a connection back", static s => s.CxOverflow),
        Counter("upstream_cx_idle_timeout", "Connections closed after idleTimeout", static s => s.CxIdleTimeout),
        Counter("upstream_cx_max_requests", "Connections closed after maxRequestsPerConnection", static s => s.CxMaxRequests),
        Counter("upstream_cx_max_duration_reached", "Connections closed after maxConnectionDuration", static s => s.CxMaxDurationReached),
        Counter("upstream_cx_none_healthy", "Times that no endpoint could be chosen", static s => s.CxNoneHealthy),
        Counter("upstream_cx_destroy", "Connections closed", static s => s.CxDestroy),
        Counter("upstream_cx_destroy_local", "Connections closed by this side", static s => s.CxDestroyLocal),
        Counter("upstream_cx_destroy_remote", "Connections closed by the upstream", static s => s.CxDestroyRemote),
        Counter("upstream_cx_destroy_with_active_rq", "Connections closed while a request used them", static s => s.CxDestroyWithActiveRq),
        Counter("upstream_cx_protocol_error", "Connections whose upstream broke HTTP", static s => s.CxProtocolError),
        Counter("upstream_cx_rx_bytes_total", "Bytes received from the cluster", static s => s.CxRxBytes),
        Counter("upstream_cx_tx_bytes_total", "Bytes sent to the cluster", static s => s.CxTxBytes),
        Counter("upstream_cx_http1_total", "HTTP/1.1 connections made", static s => s.CxHttp1Total),
        Counter("ssl.handshake", "TLS handshakes that succeeded", static s => s.SslHandshake),
        Counter("ssl.connection_error", "TLS handshakes that failed, but not for the server's certificate", static s => s.SslConnectionError),
        Counter("ssl.fail_verify_error", "TLS handshakes refused because the server's certificate is not trusted", static s => s.SslFailVerifyError),
        Counter("ssl.fail_verify_no_cert", "TLS handshakes refused because the server showed no certificate", static s => s.SslFailVerifyNoCert),
        Counter("ssl.fail_verify_san", "TLS handshakes refused because the server's certificate is for another name", static s => s.SslFailVerifySan),
        Counter("client_ssl_socket_factory.upstream_context_secrets_not_ready", "Connections that failed because a TLS file could not be used yet", static s => s.SslNotReady),
        Counter("upstream_rq_total", "Attempts attached to a connection", static s => s.RqTotal),
        Gauge("upstream_rq_active", "Requests attached to a connection", static s => s.RqActive),
        Counter("upstream_rq_pending_total", "Requests admitted to wait for a connection", static s => s.RqPendingTotal),
        Gauge("upstream_rq_pending_active", "Requests that wait for a connection", static s => s.RqPendingActive),
        Counter("upstream_rq_pending_overflow", "Requests refused by http1MaxPendingRequests or http2MaxRequests", static s => s.RqPendingOverflow),
        Counter("upstream_rq_active_overflow", "Requests refused by http2MaxRequests", static s => s.RqActiveOverflow),
        Counter("upstream_rq_pending_failure_eject", "Waiting requests that failed with their connection", static s => s.RqPendingFailureEject),
        Counter("upstream_rq_cancelled", "Requests given up while waiting for a connection", static s => s.RqCancelled),
        Counter("upstream_rq_timeout", "Requests that ran into their timeout", static s => s.RqTimeout),
        Counter("upstream_rq_rx_reset", "Requests reset by the upstream", static s => s.RqRxReset),
        Counter("upstream_rq_tx_reset", "Requests reset by this side", static s => s.RqTxReset),
        Counter("upstream_rq_replayed", "Requests sent again because the reused connection had been closed", static s => s.RqReplayed),
        Counter("upstream_rq_per_try_timeout", "Attempts that ran into perTryTimeout", static s => s.RqPerTryTimeout),
        Counter("upstream_rq_pending_timeout", "Requests that waited too long for a connection", static s => s.RqPendingTimeout),
        Counter("upstream_rq_write_timeout", "Requests of which the upstream took no byte for too long", static s => s.RqWriteTimeout),
        Counter("upstream_rq_caller_deadline", "Requests not sent because their caller waits no more", static s => s.RqCallerDeadline),
        Counter("upstream_rq_retry", "Retries", static s => s.RqRetry),
        Counter("upstream_rq_retry_success", "Requests that a retry helped", static s => s.RqRetrySuccess),
        Counter("upstream_rq_retry_overflow", "Retries refused by maxRetries or the retry budget", static s => s.RqRetryOverflow),
        Counter("upstream_rq_retry_limit_exceeded", "Requests that still failed after their last retry", static s => s.RqRetryLimitExceeded),
        Gauge("upstream_rq_retry_active", "Retries that wait or run", static s => s.RqRetryActive),
        Counter("retry_or_shadow_abandoned", "Request bodies too long to be kept for a retry or a copy", static s => s.RetryOrShadowAbandoned),
        Counter("upstream_rq_shadow_dropped", "Copies of requests (mirror) that were not sent: too many, or their bodies too long", static s => s.RqShadowDropped),
        .. RetryCounters.Names.Select(static (name, i) => new StatRow<ClusterStatsView>(
            "upstream_rq_retry_on_" + name, StatType.Counter, "Retries for " + name, c => c.Stats.RetriesOn[i])),
        Counter("upstream_rq_completed", "Responses charged to the cluster, local replies included", static s => s.RqCompleted),
        Gauge("membership_total", "Endpoints", static s => s.MembershipTotal),
        Gauge("membership_healthy", "Endpoints that may be chosen", static s => s.MembershipHealthy),
        Counter("membership_change", "Changes of the endpoint list", static s => s.MembershipChange),
        Counter("update_attempt", "Names of endpoints asked for", static s => s.UpdateAttempt),
        Counter("update_success", "Names that the nameserver answered about", static s => s.UpdateSuccess),
        Counter("update_failure", "Names that nobody could tell about", static s => s.UpdateFailure),
        Counter("update_empty", "Answers that left a name without an address", static s => s.UpdateEmpty),
        Counter("update_no_rebuild", "Answers that changed nothing", static s => s.UpdateNoRebuild),
        Counter("lb_healthy_panic", "Choices made in panic mode", static s => s.LbHealthyPanic),
        Gauge("outlier_detection.ejections_active", "Endpoints ejected now", static s => s.EjectionsActive),
        Counter("outlier_detection.ejections_enforced_total", "Ejections", static s => s.EjectionsEnforcedTotal),
        Counter("outlier_detection.ejections_overflow", "Ejections held back by maxEjectionPercent", static s => s.EjectionsOverflow),
        Counter("outlier_detection.ejections_detected_consecutive_5xx", "Series of 5xx found", static s => s.EjectionsDetectedConsecutive5xx),
        Counter("outlier_detection.ejections_enforced_consecutive_5xx", "Ejections for a series of 5xx", static s => s.EjectionsEnforcedConsecutive5xx),
        Counter("outlier_detection.ejections_detected_consecutive_gateway_failure", "Series of gateway failures found", static s => s.EjectionsDetectedConsecutiveGatewayFailure),
        Counter("outlier_detection.ejections_enforced_consecutive_gateway_failure", "Ejections for a series of gateway failures", static s => s.EjectionsEnforcedConsecutiveGatewayFailure),
        Counter("outlier_detection.ejections_detected_consecutive_local_origin_failure", "Series of local-origin failures found", static s => s.EjectionsDetectedConsecutiveLocalOriginFailure),
        Counter("outlier_detection.ejections_enforced_consecutive_local_origin_failure", "Ejections for a series of local-origin failures", static s => s.EjectionsEnforcedConsecutiveLocalOriginFailure),
        new("circuit_breakers.default.cx_open", StatType.Gauge, "1 when maxConnections is reached", static c => Open(c.Stats.CxActive, c.Limits.MaxConnections)),
        new("circuit_breakers.default.rq_pending_open", StatType.Gauge, "1 when http1MaxPendingRequests is reached", static c => Open(c.Stats.RqPendingActive, c.Limits.MaxPendingRequests)),
        new("circuit_breakers.default.rq_open", StatType.Gauge, "1 when http2MaxRequests is reached", static c => Open(c.Stats.RqActive, c.Limits.MaxRequests)),
        new("circuit_breakers.default.rq_retry_open", StatType.Gauge, "1 when maxRetries is reached", static c => Open(c.Stats.RqRetryActive, c.Limits.MaxRetries)),
        new("circuit_breakers.default.remaining_cx", StatType.Gauge, "Connections left until maxConnections", static c => Left(c.Stats.CxActive, c.Limits.MaxConnections)),
        new("circuit_breakers.default.remaining_pending", StatType.Gauge, "Places left in the queue", static c => Left(c.Stats.RqPendingActive, c.Limits.MaxPendingRequests)),
        new("circuit_breakers.default.remaining_rq", StatType.Gauge, "Requests left until http2MaxRequests", static c => Left(c.Stats.RqActive, c.Limits.MaxRequests)),
        new("circuit_breakers.default.remaining_retries", StatType.Gauge, "Retries left until maxRetries; 0 with a retry budget", static c => c.HasRetryBudget ? 0 : Left(c.Stats.RqRetryActive, c.Limits.MaxRetries)), // as Envoy
    ];

    /// <summary>Rows of clusters that have or had a circuit breaker.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> Breaker { get; } =
    [
        new("breaker_state", StatType.Gauge, "Circuit breaker: 0 closed, 1 open, 2 half-open, 3 disabled, 4 forced open, 5 metrics only", static c => c.BreakerState),
        new("breaker_calls", StatType.Gauge, "Calls in the window of the circuit breaker", static c => c.BreakerCalls),
        new("breaker_failures", StatType.Gauge, "Failed calls in the window of the circuit breaker", static c => c.BreakerFailures),
        new("breaker_slow_calls", StatType.Gauge, "Slow calls in the window of the circuit breaker", static c => c.BreakerSlow),
        new("breaker_endpoints_open", StatType.Gauge, "Endpoints whose own circuit breaker is open; 0 where all have one together", static c => c.BreakerEndpointsOpen),
        new("breaker_endpoints_half_open", StatType.Gauge, "Endpoints whose own circuit breaker is half-open; 0 where all have one together", static c => c.BreakerEndpointsHalfOpen),
        OfBreaker("breaker_rejected", "Calls that the circuit breaker refused", static b => b.Rejected),
        OfBreaker("breaker_shadow_rejected", "Calls that a circuit breaker in shadow mode would have refused", static b => b.ShadowRejected),
        OfBreaker("breaker_opened", "Times that the circuit breaker opened", static b => b.Opened),
        OfBreaker("breaker_half_opened", "Times that the circuit breaker began a trial", static b => b.HalfOpened),
        OfBreaker("breaker_closed", "Times that the circuit breaker closed", static b => b.Closed),
        OfBreaker("breaker_forced", "Times that a rule forced a state on the circuit breaker", static b => b.Forced),
        new("breaker_mesh_epoch", StatType.Gauge, "Epoch of what the control plane decided for all callers of the circuit; 0 while this sidecar decides", static c => c.BreakerEpoch),
        OfBreaker("breaker_mesh_expired", "Times that the control plane was silent for longer than its last word on the circuit held", static b => b.Expired),
        OfBreaker("breaker_mesh_stale", "Words of the control plane on the circuit that were older than the last one, and not followed", static b => b.Stale),
    ];

    /// <summary>The rows that a cluster has.</summary>
    public static IEnumerable<StatRow<ClusterStatsView>> Of(ClusterStats stats) =>
    [
        .. All, .. stats.RateLimit is null ? [] : RateLimit, .. stats.Breaker is null ? [] : Breaker, .. stats.Concurrency is null ? [] : Concurrency,
        .. stats.Fallback is null ? [] : Fallback, .. stats.MeshLimits is null ? [] : MeshLimits, .. stats.Shadow is null ? [] : ShadowStatRows.All,
        .. stats.AsyncReply is null ? [] : AsyncReply,
    ];

    /// <summary>The rows of a bulkhead, for clusters that have or had one.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> Concurrency { get; } =
    [
        new("concurrency.active", StatType.Gauge, "Calls that hold a place of the bulkhead", static c => c.ConcurrencyActive),
        new("concurrency.waiting", StatType.Gauge, "Calls that wait for a place of the bulkhead", static c => c.ConcurrencyWaiting),
        new("concurrency.limit", StatType.Gauge, "Places of the bulkhead; 0 when its rule is gone", static c => c.ConcurrencyLimit),
        OfConcurrency("concurrency.rejected", "Calls that the bulkhead refused", static s => s.Rejected),
        OfConcurrency("concurrency.shadow_rejected", "Calls that a bulkhead in shadow mode would have refused or made to wait", static s => s.ShadowRejected),
        OfConcurrency("concurrency.waited", "Calls that had to wait for a place of the bulkhead", static s => s.Waited),
        OfConcurrency("concurrency.limit_changes", "Changes of an adaptive concurrency limit", static s => s.LimitChanges),
    ];

    private static StatRow<ClusterStatsView> OfConcurrency(string name, string help, Func<ConcurrencyStats, StripedCounter> counter) =>
        new(name, StatType.Counter, help, c => c.Stats.Concurrency is { } stats ? counter(stats).Value : 0);

    /// <summary>The rows of a rate limit, for clusters that have one.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> RateLimit { get; } =
    [
        OfRateLimit("rate_limit.ok", "Requests that had a token of the rate limit, after a wait too; each of several limits counts", static s => s.Ok),
        OfRateLimit("rate_limit.limited", "Requests that the rate limit refused, and retries that were not made for want of a token", static s => s.Limited),
        OfRateLimit("rate_limit.waited", "Requests that had to wait for a token of the rate limit", static s => s.Waited),
        new("rate_limit.waiting", StatType.Gauge, "Requests that wait for a token of the rate limit", static c => c.Stats.RateLimit?.Waiting.Value ?? 0),
        OfRateLimit("rate_limit.shadow_limited", "Requests that a rate limit in shadow mode would have refused", static s => s.ShadowLimited),
        OfRateLimit("rate_limit.returned", "Tokens of a rate limit given back, since another one refused the request", static s => s.Returned),
        new("rate_limit.share", StatType.Gauge, "This sidecar's part of the tokens of a rate limit with scope mesh, of several the smallest; 0 without one", static c => c.RateLimitShare),
        new("rate_limit.plan_left", StatType.Gauge, "Requests that the plan of a rate limit still lets through in its window; 0 without a plan", static c => c.RateLimitPlanLeft),
        new("rate_limit.keys", StatType.Gauge, "Buckets of a rate limit with a key", static c => c.Stats.RateLimit?.Keys.Value ?? 0),
        OfRateLimit("rate_limit.keys_evicted", "Buckets of a rate limit that made room for others", static s => s.Evicted),
    ];

    private static StatRow<ClusterStatsView> OfRateLimit(string name, string help, Func<RateLimitStats, StripedCounter> counter) =>
        new(name, StatType.Counter, help, c => c.Stats.RateLimit is { } limit ? counter(limit).Value : 0);

    /// <summary>The rows of a cluster that has, or had, a Fallback; the others show none of them.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> Fallback { get; } =
    [
        OfFallback("fallback_stale", "Requests that got the last good answer in place of a refusal", static f => f.Stale),
        OfFallback("fallback_static", "Requests that got a fixed answer in place of a refusal", static f => f.Static),
        OfFallback("fallback_host", "Requests that another host got in place of a refusal", static f => f.Host),
        OfFallback("fallback_missed", "Requests for which a Fallback had no answer", static f => f.Missed),
        OfFallback("fallback_shadow", "Requests for which a Fallback in shadow mode had another answer", static f => f.Shadow),
        new("fallback_entries", StatType.Gauge, "Good answers kept for a Fallback", static c => c.FallbackEntries),
        new("fallback_bytes", StatType.Gauge, "Bytes of the good answers kept for a Fallback", static c => c.FallbackBytes),
    ];

    private static StatRow<ClusterStatsView> OfFallback(string name, string help, Func<FallbackStats, StripedCounter> counter) =>
        new(name, StatType.Counter, help, c => c.Stats.Fallback is { } fallback ? counter(fallback).Value : 0);

    /// <summary>The rows of late answers, for clusters whose rule asks or asked for them.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> AsyncReply { get; } =
    [
        OfAsyncReply("async_reply.in_time", "Calls that might have been answered late, and were not", static s => s.InTime),
        OfAsyncReply("async_reply.accepted", "Calls that were answered 202 because their answer had not come in time", static s => s.Accepted),
        OfAsyncReply("async_reply.full", "Calls whose caller had to wait as ever, because no more could be kept", static s => s.Full),
        OfAsyncReply("async_reply.lost", "Answers that could not be kept: too long, or broken off", static s => s.Lost),
        OfAsyncReply("async_reply.fetched", "Times that a kept answer was fetched", static s => s.Fetched),
        new("async_reply.kept", StatType.Gauge, "Calls under way and answers that are kept", static c => c.Stats.AsyncReply?.Kept.Value ?? 0),
    ];

    private static StatRow<ClusterStatsView> OfAsyncReply(string name, string help, Func<AsyncReplyStats, StripedCounter> counter) =>
        new(name, StatType.Counter, help, c => c.Stats.AsyncReply is { } late ? counter(late).Value : 0);

    /// <summary>The rows of limits that all sidecars share, for clusters that have or had them.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> MeshLimits { get; } =
    [
        new("mesh_limits.cx_share", StatType.Gauge, "This sidecar's part of meshLimits.maxConnections; 0 without it", static c => c.Stats.MeshLimits?.ConnectionShare.Value ?? 0),
        new("mesh_limits.cx_overflow", StatType.Counter, "Times that the share of meshLimits.maxConnections held a connection back", static c => c.Stats.MeshLimits?.ConnectionsHeldBack.Value ?? 0),
        new("mesh_limits.rq_share", StatType.Gauge, "This sidecar's part of meshLimits.maxRequests; 0 without it", static c => c.Stats.MeshLimits?.RequestShare.Value ?? 0),
        new("mesh_limits.rq_overflow", StatType.Counter, "Requests that the share of meshLimits.maxRequests refused", static c => c.Stats.MeshLimits?.RequestsRefused.Value ?? 0),
    ];

    private static StatRow<ClusterStatsView> OfBreaker(string name, string help, Func<BreakerStats, StripedCounter> counter) =>
        new(name, StatType.Counter, help, c => c.Stats.Breaker is { } breaker ? counter(breaker).Value : 0);

    private static StatRow<ClusterStatsView> Counter(string name, string help, Func<ClusterStats, StripedCounter> counter) =>
        new(name, StatType.Counter, help, c => counter(c.Stats).Value);

    private static StatRow<ClusterStatsView> Gauge(string name, string help, Func<ClusterStats, Gauge> gauge) =>
        new(name, StatType.Gauge, help, c => gauge(c.Stats).Value);

    private static long Open(Gauge used, uint limit) => used.Value >= limit ? 1 : 0;

    private static long Left(Gauge used, uint limit) => Math.Max(0, limit - used.Value);
}
