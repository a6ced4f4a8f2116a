using Mesh.Proxy.Telemetry;
using Xunit;

namespace Mesh.Proxy.Tests.Telemetry;

/// <summary>Every metric name in one place: a rename breaks somebody's dashboard and must be seen in review.</summary>
public sealed class StatNamesTests
{
    private const string Breaker = """
        breaker_calls breaker_closed breaker_endpoints_half_open breaker_endpoints_open breaker_failures breaker_forced breaker_half_opened breaker_mesh_epoch breaker_mesh_expired breaker_mesh_stale
        breaker_opened breaker_rejected
        breaker_shadow_rejected breaker_slow_calls breaker_state
        """;

    private const string RateLimit =
        "rate_limit.keys rate_limit.keys_evicted rate_limit.limited rate_limit.ok rate_limit.plan_left rate_limit.returned rate_limit.share rate_limit.shadow_limited rate_limit.waited rate_limit.waiting";

    private const string Concurrency = """
        concurrency.active concurrency.limit concurrency.limit_changes concurrency.rejected concurrency.shadow_rejected concurrency.waited concurrency.waiting
        """;

    private const string Fallback = """
        fallback_bytes fallback_entries fallback_host fallback_missed fallback_shadow fallback_stale fallback_static
        """;

    private const string Shadow = """
        shadow_cx_connect_timeout shadow_cx_max shadow_cx_mesh_overflow shadow_cx_overflow shadow_cx_rejected shadow_ejections shadow_ejections_active shadow_ejections_overflow
        shadow_rq_delayed shadow_rq_evaluated shadow_rq_judged shadow_rq_max shadow_rq_mesh_overflow shadow_rq_overflow shadow_rq_pending_max shadow_rq_pending_overflow
        shadow_rq_pending_timeout shadow_rq_retry shadow_rq_retry_evaluated shadow_rq_retry_max shadow_rq_retry_overflow shadow_rq_retry_spared shadow_rq_skipped shadow_rq_write_timeout
        """;

    private const string MeshLimits = "mesh_limits.cx_overflow mesh_limits.cx_share mesh_limits.rq_overflow mesh_limits.rq_share";

    private const string AsyncReply = "async_reply.accepted async_reply.fetched async_reply.full async_reply.in_time async_reply.kept async_reply.lost";

    private const string Cluster = """
        circuit_breakers.default.cx_open circuit_breakers.default.remaining_cx circuit_breakers.default.remaining_pending
        circuit_breakers.default.remaining_retries circuit_breakers.default.remaining_rq circuit_breakers.default.rq_open
        circuit_breakers.default.rq_pending_open circuit_breakers.default.rq_retry_open
        lb_healthy_panic membership_change membership_healthy membership_total
        outlier_detection.ejections_active
        outlier_detection.ejections_detected_consecutive_5xx
        outlier_detection.ejections_detected_consecutive_gateway_failure
        outlier_detection.ejections_detected_consecutive_local_origin_failure
        outlier_detection.ejections_enforced_consecutive_5xx
        outlier_detection.ejections_enforced_consecutive_gateway_failure
        outlier_detection.ejections_enforced_consecutive_local_origin_failure
        outlier_detection.ejections_enforced_total outlier_detection.ejections_overflow
        ssl.connection_error ssl.fail_verify_error ssl.fail_verify_no_cert ssl.fail_verify_san ssl.handshake
        client_ssl_socket_factory.upstream_context_secrets_not_ready
        upstream_cx_active upstream_cx_connect_attempts_exceeded upstream_cx_connect_fail upstream_cx_connect_timeout
        update_attempt update_empty update_failure update_no_rebuild update_success
        upstream_cx_destroy upstream_cx_destroy_local upstream_cx_destroy_remote upstream_cx_destroy_with_active_rq
        upstream_cx_http1_total upstream_cx_idle_timeout upstream_cx_max_duration_reached upstream_cx_max_requests
        upstream_cx_none_healthy upstream_cx_overflow upstream_cx_protocol_error upstream_cx_rx_bytes_total upstream_cx_total upstream_cx_tx_bytes_total
        retry_or_shadow_abandoned
        upstream_rq_active upstream_rq_active_overflow upstream_rq_caller_deadline upstream_rq_cancelled upstream_rq_completed
        upstream_rq_pending_active upstream_rq_pending_failure_eject upstream_rq_pending_overflow upstream_rq_pending_timeout upstream_rq_pending_total
        upstream_rq_per_try_timeout upstream_rq_replayed
        upstream_rq_retry upstream_rq_retry_active upstream_rq_retry_limit_exceeded upstream_rq_retry_overflow upstream_rq_retry_success
        upstream_rq_retry_on_5xx upstream_rq_retry_on_cancelled upstream_rq_retry_on_connect_failure upstream_rq_retry_on_deadline_exceeded
        upstream_rq_retry_on_envoy_ratelimited upstream_rq_retry_on_gateway_error upstream_rq_retry_on_internal upstream_rq_retry_on_refused_stream
        upstream_rq_retry_on_reset upstream_rq_retry_on_reset_before_request upstream_rq_retry_on_resource_exhausted
        upstream_rq_retry_on_retriable_4xx upstream_rq_retry_on_retriable_headers upstream_rq_retry_on_retriable_status_codes
        upstream_rq_retry_on_unavailable
        upstream_rq_rx_reset upstream_rq_shadow_dropped upstream_rq_timeout upstream_rq_total upstream_rq_tx_reset upstream_rq_write_timeout
        """;

    private const string Downstream = """
        downstream_cx_active downstream_cx_drain_close downstream_cx_idle_timeout downstream_cx_loop downstream_cx_max_requests_reached
        downstream_cx_not_redirected downstream_cx_overload_reject downstream_cx_protocol_error downstream_cx_rx_bytes_total
        downstream_cx_total downstream_cx_tx_bytes_total downstream_rq_active downstream_rq_header_timeout
        downstream_rq_idle_timeout downstream_rq_total
        """;

    private const string Server = """
        accept_error_total concurrency config_applied_total config_rejected_total live memory_allocated memory_physical_size state
        tls_files_read_total tls_files_rejected_total
        unexpected_exception_total uptime
        """;

    [Fact]
    public void BreakerNames_AreThese() => Assert.Equal(Words(Breaker), ClusterStatRows.Breaker.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void RateLimitNames_AreThese() => Assert.Equal(Words(RateLimit), ClusterStatRows.RateLimit.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void ConcurrencyNames_AreThese() => Assert.Equal(Words(Concurrency), ClusterStatRows.Concurrency.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void FallbackNames_AreThese() => Assert.Equal(Words(Fallback), ClusterStatRows.Fallback.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void ShadowNames_AreThese() => Assert.Equal(Words(Shadow), ShadowStatRows.All.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void MeshLimitNames_AreThese() => Assert.Equal(Words(MeshLimits), ClusterStatRows.MeshLimits.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void AsyncReplyNames_AreThese() => Assert.Equal(Words(AsyncReply), ClusterStatRows.AsyncReply.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void ClusterNames_AreThese() => Assert.Equal(Words(Cluster), ClusterStatRows.All.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void DownstreamNames_AreThese() => Assert.Equal(Words(Downstream), ProxyStatRows.Downstream.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void ServerNames_AreThese() => Assert.Equal(Words(Server), ProxyStatRows.Server.Select(static r => r.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void EveryCounterOfACluster_HasARowThatReadsIt()
    {
        ClusterStats stats = new();
        int count = 0;
        foreach (System.Reflection.PropertyInfo property in typeof(ClusterStats).GetProperties())
        {
            switch (property.GetValue(stats))
            {
                case StripedCounter counter:
                    counter.Add(1000 + count++);
                    break;
                case Gauge gauge:
                    gauge.Set(1000 + count++);
                    break;
                default:
                    break;
            }
        }

        ClusterStatsView view = new("c", stats, new());
        HashSet<long> read = [.. ClusterStatRows.All.Select(row => row.Read(view))];

        Assert.All(Enumerable.Range(1000, count), value => Assert.Contains(value, read));
    }

    private static IEnumerable<string> Words(string text) => text.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal);
}
