namespace Mesh.Proxy.Telemetry;

/// <summary>Envoy's statistics of one cluster. A new one is one property here, one <c>Add()</c> where it happens.</summary>
public sealed class ClusterStats
{
    private ShadowStats? _shadow;

    /// <summary>upstream_cx_total.</summary>
    public StripedCounter CxTotal { get; } = new();

    /// <summary>upstream_cx_active (gauge; the breaker's count).</summary>
    public Gauge CxActive { get; } = new();

    /// <summary>upstream_cx_connect_fail.</summary>
    public StripedCounter CxConnectFail { get; } = new();

    /// <summary>upstream_cx_connect_timeout.</summary>
    public StripedCounter CxConnectTimeout { get; } = new();

    /// <summary>upstream_cx_connect_attempts_exceeded (TCP).</summary>
    public StripedCounter CxConnectAttemptsExceeded { get; } = new();

    /// <summary>upstream_cx_overflow.</summary>
    public StripedCounter CxOverflow { get; } = new();

    /// <summary>upstream_cx_idle_timeout.</summary>
    public StripedCounter CxIdleTimeout { get; } = new();

    /// <summary>upstream_cx_max_requests.</summary>
    public StripedCounter CxMaxRequests { get; } = new();

    /// <summary>upstream_cx_max_duration_reached.</summary>
    public StripedCounter CxMaxDurationReached { get; } = new();

    /// <summary>upstream_cx_none_healthy.</summary>
    public StripedCounter CxNoneHealthy { get; } = new();

    /// <summary>upstream_cx_destroy.</summary>
    public StripedCounter CxDestroy { get; } = new();

    /// <summary>upstream_cx_destroy_local.</summary>
    public StripedCounter CxDestroyLocal { get; } = new();

    /// <summary>upstream_cx_destroy_remote.</summary>
    public StripedCounter CxDestroyRemote { get; } = new();

    /// <summary>upstream_cx_destroy_with_active_rq.</summary>
    public StripedCounter CxDestroyWithActiveRq { get; } = new();

    /// <summary>upstream_cx_rx_bytes_total.</summary>
    public StripedCounter CxRxBytes { get; } = new();

    /// <summary>upstream_cx_tx_bytes_total.</summary>
    public StripedCounter CxTxBytes { get; } = new();

    /// <summary>upstream_cx_protocol_error: answers that broke HTTP.</summary>
    public StripedCounter CxProtocolError { get; } = new();

    /// <summary>ssl.handshake.</summary>
    public StripedCounter SslHandshake { get; } = new();

    /// <summary>ssl.connection_error: handshakes that failed for another reason than the server's certificate.</summary>
    public StripedCounter SslConnectionError { get; } = new();

    /// <summary>ssl.fail_verify_error.</summary>
    public StripedCounter SslFailVerifyError { get; } = new();

    /// <summary>ssl.fail_verify_no_cert.</summary>
    public StripedCounter SslFailVerifyNoCert { get; } = new();

    /// <summary>ssl.fail_verify_san.</summary>
    public StripedCounter SslFailVerifySan { get; } = new();

    /// <summary>client_ssl_socket_factory.upstream_context_secrets_not_ready.</summary>
    public StripedCounter SslNotReady { get; } = new();

    /// <summary>upstream_cx_http1_total.</summary>
    public StripedCounter CxHttp1Total { get; } = new();

    /// <summary>upstream_rq_total: attempts attached to a connection.</summary>
    public StripedCounter RqTotal { get; } = new();

    /// <summary>upstream_rq_active (gauge; the breaker's count).</summary>
    public Gauge RqActive { get; } = new();

    /// <summary>upstream_rq_pending_total: admitted to the queue.</summary>
    public StripedCounter RqPendingTotal { get; } = new();

    /// <summary>upstream_rq_pending_active (gauge; the breaker's count).</summary>
    public Gauge RqPendingActive { get; } = new();

    /// <summary>upstream_rq_pending_overflow.</summary>
    public StripedCounter RqPendingOverflow { get; } = new();

    /// <summary>upstream_rq_active_overflow.</summary>
    public StripedCounter RqActiveOverflow { get; } = new();

    /// <summary>upstream_rq_pending_failure_eject.</summary>
    public StripedCounter RqPendingFailureEject { get; } = new();

    /// <summary>upstream_rq_cancelled.</summary>
    public StripedCounter RqCancelled { get; } = new();

    /// <summary>upstream_rq_timeout.</summary>
    public StripedCounter RqTimeout { get; } = new();

    /// <summary>upstream_rq_rx_reset.</summary>
    public StripedCounter RqRxReset { get; } = new();

    /// <summary>upstream_rq_tx_reset.</summary>
    public StripedCounter RqTxReset { get; } = new();

    /// <summary>upstream_rq_replayed: requests sent again because the reused connection had been closed (ours; Envoy leaves that to retry policies).</summary>
    public StripedCounter RqReplayed { get; } = new();

    /// <summary>upstream_rq_per_try_timeout.</summary>
    public StripedCounter RqPerTryTimeout { get; } = new();

    /// <summary>upstream_rq_pending_timeout: requests that waited too long for a connection (ours).</summary>
    public StripedCounter RqPendingTimeout { get; } = new();

    /// <summary>upstream_rq_write_timeout: requests of which the upstream took no byte for too long (ours).</summary>
    public StripedCounter RqWriteTimeout { get; } = new();

    /// <summary>upstream_rq_caller_deadline: requests not sent because their caller waits no more (ours).</summary>
    public StripedCounter RqCallerDeadline { get; } = new();

    /// <summary>upstream_rq_retry.</summary>
    public StripedCounter RqRetry { get; } = new();

    /// <summary>upstream_rq_retry_success.</summary>
    public StripedCounter RqRetrySuccess { get; } = new();

    /// <summary>upstream_rq_retry_overflow: retries that maxRetries or the budget refused.</summary>
    public StripedCounter RqRetryOverflow { get; } = new();

    /// <summary>upstream_rq_retry_limit_exceeded: requests that still failed after their last retry.</summary>
    public StripedCounter RqRetryLimitExceeded { get; } = new();

    /// <summary>Retries that wait or run now (the breaker's count).</summary>
    public Gauge RqRetryActive { get; } = new();

    /// <summary>retry_or_shadow_abandoned: bodies that became too long to be kept for a retry or a copy.</summary>
    public StripedCounter RetryOrShadowAbandoned { get; } = new();

    /// <summary>upstream_rq_shadow_dropped: copies for this cluster that were not sent, because a bound of their number or of their bytes was reached (ours).</summary>
    public StripedCounter RqShadowDropped { get; } = new();

    /// <summary>Retries by the condition that led to them: why there are so many.</summary>
    public RetryCounters RetriesOn { get; } = new();

    /// <summary>Answers that were thrown away for a retry, by status code: retry.upstream_rq_&lt;code&gt;.</summary>
    public CodeCounters RetryRqByCode { get; } = new();

    /// <summary>upstream_rq_completed: responses charged to the cluster, local replies included.</summary>
    public StripedCounter RqCompleted { get; } = new();

    /// <summary>Responses by status code, 0..599; upstream_rq_&lt;code&gt; and upstream_rq_Nxx are read from it.</summary>
    public CodeCounters RqByCode { get; } = new();

    /// <summary>Counters of the rate limit; null until there is one.</summary>
    public RateLimitStats? RateLimit { get; internal set; }

    /// <summary>Numbers of the limits that all sidecars share; null until there is one.</summary>
    public MeshLimitStats? MeshLimits { get; internal set; }

    /// <summary>Counters of the circuit breaker; null until there is one.</summary>
    public BreakerStats? Breaker { get; internal set; }

    /// <summary>Counters of the bulkhead; null until there is one.</summary>
    public ConcurrencyStats? Concurrency { get; internal set; }

    /// <summary>Counters of late answers; null until a rule asks for them.</summary>
    public AsyncReplyStats? AsyncReply { get; internal set; }

    /// <summary>Counters of the fallback; null until there is one.</summary>
    public FallbackStats? Fallback { get; internal set; }

    /// <summary>Counters of rules in shadow mode; null until there is one.</summary>
    public ShadowStats? Shadow => Volatile.Read(ref _shadow);

    /// <summary>The same, there from now on.</summary>
    internal ShadowStats NeededShadow => LazyInitializer.EnsureInitialized(ref _shadow);

    /// <summary>membership_total.</summary>
    public Gauge MembershipTotal { get; } = new();

    /// <summary>membership_healthy.</summary>
    public Gauge MembershipHealthy { get; } = new();

    /// <summary>membership_change.</summary>
    public StripedCounter MembershipChange { get; } = new();

    /// <summary>update_attempt: a name among the endpoints was asked for.</summary>
    public StripedCounter UpdateAttempt { get; } = new();

    /// <summary>update_success: the nameserver answered, be it that there is no such name.</summary>
    public StripedCounter UpdateSuccess { get; } = new();

    /// <summary>update_failure: nobody could tell.</summary>
    public StripedCounter UpdateFailure { get; } = new();

    /// <summary>update_empty: the answer left the name without an address.</summary>
    public StripedCounter UpdateEmpty { get; } = new();

    /// <summary>update_no_rebuild: the answer was the same as before.</summary>
    public StripedCounter UpdateNoRebuild { get; } = new();

    /// <summary>lb_healthy_panic.</summary>
    public StripedCounter LbHealthyPanic { get; } = new();

    /// <summary>outlier_detection.ejections_active.</summary>
    public Gauge EjectionsActive { get; } = new();

    /// <summary>outlier_detection.ejections_enforced_total.</summary>
    public StripedCounter EjectionsEnforcedTotal { get; } = new();

    /// <summary>outlier_detection.ejections_overflow.</summary>
    public StripedCounter EjectionsOverflow { get; } = new();

    /// <summary>outlier_detection.ejections_detected_consecutive_5xx.</summary>
    public StripedCounter EjectionsDetectedConsecutive5xx { get; } = new();

    /// <summary>outlier_detection.ejections_enforced_consecutive_5xx.</summary>
    public StripedCounter EjectionsEnforcedConsecutive5xx { get; } = new();

    /// <summary>outlier_detection.ejections_detected_consecutive_gateway_failure.</summary>
    public StripedCounter EjectionsDetectedConsecutiveGatewayFailure { get; } = new();

    /// <summary>outlier_detection.ejections_enforced_consecutive_gateway_failure.</summary>
    public StripedCounter EjectionsEnforcedConsecutiveGatewayFailure { get; } = new();

    /// <summary>outlier_detection.ejections_detected_consecutive_local_origin_failure.</summary>
    public StripedCounter EjectionsDetectedConsecutiveLocalOriginFailure { get; } = new();

    /// <summary>outlier_detection.ejections_enforced_consecutive_local_origin_failure.</summary>
    public StripedCounter EjectionsEnforcedConsecutiveLocalOriginFailure { get; } = new();

    /// <summary>A request has got its answer, from an upstream or from us.</summary>
    /// <param name="status">Its status code.</param>
    internal void Complete(int status)
    {
        RqByCode.Add(status);
        RqCompleted.Add();
    }
}
