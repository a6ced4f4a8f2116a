using System.Globalization;
using System.Text;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Concurrency;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http;

/// <summary>An answer that the proxy gives itself: status, flag, body and details as Envoy's, and the decision behind it. Made only in <see cref="ProxyErrors"/>.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Flag">Response flag.</param>
/// <param name="Body">Body text; may be empty.</param>
/// <param name="Details">Response code details for the access log.</param>
/// <param name="Decision">Why.</param>
/// <param name="TransportFailure">The system's words for a failed connection, or null.</param>
/// <param name="Headers">Fields of the answer besides the usual ones, or null.</param>
internal readonly record struct ProxyError(
    int Status, ResponseFlag Flag, string Body, string Details, DecisionRecord Decision, string? TransportFailure = null, HeaderEdits? Headers = null)
{
    /// <summary>State of the circuit breaker that refuses, the value of <c>x-mesh-breaker</c>; null when none does.</summary>
    public string? Breaker { get; init; }

    /// <summary>When to come back, for <c>retry-after</c>, in whole seconds; 0 says nothing.</summary>
    public int RetryAfterSeconds { get; init; }

    /// <summary>What a Fallback answers in the place of all this; null for nothing.</summary>
    public StandIn? StandIn { get; init; }

    /// <summary>Age of <see cref="StandIn"/> in seconds when it is an answer that was kept; negative when it is a fixed one.</summary>
    public long StandInAge { get; init; } = -1;

    /// <summary>Status that the caller sees.</summary>
    public int SentStatus => StandIn?.Status ?? Status;

    /// <summary>Whether the answer carries <c>x-envoy-overloaded</c>.</summary>
    public bool IsOverload => Flag == ResponseFlag.UO;

    /// <summary>Whether the answer carries <c>x-envoy-ratelimited</c>.</summary>
    public bool IsRateLimit => Flag == ResponseFlag.RL;

    /// <summary>The same, said after a retry: its body tells that it is the last of several failures.</summary>
    public ProxyError AfterRetry() => this with
    {
        Body = Body.Replace(ProxyErrors.ResetReason, "retried and the latest " + ProxyErrors.ResetReason, StringComparison.Ordinal),
    };

    /// <summary>The same with 204 and nothing to read, for a caller that asked for it.</summary>
    public ProxyError Quiet() => this with { Status = 204, Body = "" };
}

/// <summary>The table of local answers (semantics 5.2): one row for each way in which a request ends without its upstream's answer.</summary>
internal static class ProxyErrors
{
    /// <summary>What stands before the reason in the body of an answer for a lost request.</summary>
    public const string ResetReason = "reset reason: ";
    private const string ResetPrefix = "upstream connect error or disconnect/reset before headers. " + ResetReason;

    // Ready made: an answer of overload must allocate nothing.
    private static readonly ProxyError Overflow = Reset(503, ResponseFlag.UO, "overflow", default);
    private static readonly ProxyError Closed = Reset(503, ResponseFlag.UC, "connection termination", new DecisionRecord(DecisionReason.UpstreamClosed));
    private static readonly ProxyError Protocol = Reset(502, ResponseFlag.UPE, "protocol error", new DecisionRecord(DecisionReason.UpstreamProtocolError));

    /// <summary>The answer for a rent that gave no connection.</summary>
    public static ProxyError NoConnection(in RentResult rent) => rent.Status switch
    {
        RentStatus.Overflow when rent.Decision.Reason == DecisionReason.DnsCacheOverflow =>
            new(503, ResponseFlag.UO, "DNS cache overflow", "dns_cache_overflow", rent.Decision),
        RentStatus.Overflow => Overflow with { Decision = rent.Decision },
        RentStatus.NoHealthyUpstream => new(503, ResponseFlag.UH, "no healthy upstream", "no_healthy_upstream", rent.Decision),
        RentStatus.NameNotResolved when rent.Decision.Reason == DecisionReason.Loop => Loop(),
        RentStatus.NameNotResolved => new(503, ResponseFlag.DF, "DNS resolution failure", "dns_resolution_failure", rent.Decision),
        RentStatus.PendingTimeout => Reset(503, ResponseFlag.UO, "pending timeout", rent.Decision),
        RentStatus.ConnectTimeout => Reset(503, ResponseFlag.UF, "connection timeout", rent.Decision),
        _ => Reset(503, ResponseFlag.UF, "remote connection failure", rent.Decision, rent.FailureText),
    };

    /// <summary>The circuit breaker lets no call through; <paramref name="rule"/> is its rule.</summary>
    public static ProxyError CircuitOpen(in BreakerRefusal refusal, string? rule) =>
        new(503, ResponseFlag.UO, "circuit breaker open", "circuit_breaker_open", DecisionOf(refusal, rule))
        {
            Breaker = refusal.State == BreakerState.Closed ? "recovering" : BreakerText.Of(refusal.State),
            RetryAfterSeconds = Seconds(refusal.RetryAfter),
        };

    private static DecisionRecord DecisionOf(in BreakerRefusal refusal, string? rule) =>
        new(DecisionReason.CircuitOpen, rule, refusal.Field is { Length: > 0 } field ? field : null, refusal.Limit, refusal.Now)
        {
            Detail = refusal.Place ?? refusal.Field switch { "" => "opened by hand", BreakerRefusal.ProbersField => "other callers are trying", _ => null },
            Scope = refusal.IsMesh ? DecisionScope.Mesh : DecisionScope.Sidecar,
        };

    /// <summary>The rate limit has no token; <paramref name="rule"/> is its rule.</summary>
    public static ProxyError RateLimited(in LimitVerdict verdict, string? rule) =>
        RateLimited(
            new DecisionRecord(verdict.IsClosed ? DecisionReason.OutsideAllowedHours : DecisionReason.RateLimited, rule, verdict.Field, verdict.Limit, verdict.Now)
            {
                Scope = verdict.IsMesh ? DecisionScope.Mesh : DecisionScope.Sidecar,
            },
            verdict.RetryAfter);

    /// <summary>The request was waiting for a token when the drain began: nobody waits for what comes later.</summary>
    public static ProxyError RateLimitedAtDrain(TimeSpan left, string? rule) => RateLimited(new DecisionRecord(DecisionReason.Draining, rule, "whenExceeded.wait"), left);

    private static ProxyError RateLimited(in DecisionRecord decision, TimeSpan retryAfter) =>
        new(429, ResponseFlag.RL, "local_rate_limited", "local_rate_limited", decision) { RetryAfterSeconds = Seconds(retryAfter) };

    /// <summary>The bulkhead has no place; <paramref name="rule"/> is its rule. Envoy's words for its adaptive concurrency, with the flag of an overflow.</summary>
    /// <param name="verdict">What decided.</param>
    /// <param name="rule">Its rule.</param>
    /// <param name="isDrain">The request was waiting when the drain began.</param>
    public static ProxyError ConcurrencyOverflow(in BulkheadVerdict verdict, string? rule, bool isDrain) => new(
        503, ResponseFlag.UO, "reached concurrency limit", "reached_concurrency_limit",
        isDrain ? new DecisionRecord(DecisionReason.Draining, rule, verdict.Field) : new DecisionRecord(DecisionReason.ConcurrencyOverflow, rule, verdict.Field, verdict.Limit, verdict.Now));

    /// <summary>The upstream closed or reset before the head of its answer.</summary>
    /// <param name="failure">Why, if the connection knows: over TLS the server refuses a client certificate only now.</param>
    public static ProxyError UpstreamClosed(string? failure = null) =>
        failure is null ? Closed : Reset(503, ResponseFlag.UC, "connection termination", Closed.Decision, failure);

    /// <summary>The upstream's answer breaks HTTP.</summary>
    public static ProxyError UpstreamProtocol() => Protocol;

    /// <summary>The upstream's own answer, for which a Fallback has another: no refusal of ours, so no flag and no reason.</summary>
    public static ProxyError UpstreamAnswer(int status) => new(status, ResponseFlag.None, "", "via_upstream", default);

    /// <summary>A route names a cluster that is not there.</summary>
    public static ProxyError NoCluster() =>
        new(503, ResponseFlag.NC, "", "cluster_not_found", new DecisionRecord(DecisionReason.UnknownCluster));

    /// <summary>The host has routes, and none fits the request.</summary>
    public static ProxyError NoRoute() => new(404, ResponseFlag.NR, "", "route_not_found", new DecisionRecord(DecisionReason.NoRoute));

    /// <summary>What a rule says is to be answered at once, redirects too. No refusal, so no reason.</summary>
    public static ProxyError DirectResponse(int status, string body, HeaderEdits? headers) =>
        new(status, ResponseFlag.None, status is 204 or 205 or 304 ? "" : body, "direct_response", default, Headers: headers);

    /// <summary>A question of a browser that the route's cross-origin policy answers.</summary>
    public static ProxyError Preflight(HeaderEdits? headers) => new(200, ResponseFlag.None, "", "cors_response", default, Headers: headers);

    /// <summary>The answer is not there yet, and its caller asked not to wait for it (RFC 7240): where it will be.</summary>
    /// <param name="call">The call.</param>
    /// <param name="isFirst">This answers the call itself, not one who came back.</param>
    public static ProxyError AsyncReplyPending(KeptCall call, bool isFirst)
    {
        List<KeyValuePair<string, string>> fields =
            [KeyValuePair.Create("location", call.Location), KeyValuePair.Create("retry-after", call.RetryAfter), KeyValuePair.Create("cache-control", "no-store")];
        if (isFirst)
        {
            fields.Add(KeyValuePair.Create("preference-applied", "respond-async"));
        }

        return new(202, ResponseFlag.None, "", "async_reply_pending", default, Headers: HeaderEdits.Of(new HeaderChanges([.. fields], [], [])));
    }

    /// <summary>Nothing is kept under this id.</summary>
    public static ProxyError AsyncReplyUnknown() => new(
        404, ResponseFlag.None, "no such call: its answer was kept for as long as asyncReply.keepFor says, or was in a sidecar that has started anew", "async_reply_unknown", default);

    /// <summary>An answer that is kept can only be read.</summary>
    public static ProxyError AsyncReplyMethod() => new(
        405, ResponseFlag.None, "an answer that is kept is fetched with GET", "async_reply_method", default,
        Headers: HeaderEdits.Of(new HeaderChanges([KeyValuePair.Create("allow", "GET, HEAD")], [], [])));

    /// <summary>One who came back gets the answer.</summary>
    public static ProxyError AsyncReplyFetched(int status) => new(status, ResponseFlag.None, "", "async_reply", default);

    /// <summary>What is kept in the place of an answer that broke off.</summary>
    public static StandIn AsyncReplyLost() => AsyncReplyWithout(503, "the call was cut off before its answer was whole");

    /// <summary>What is kept in the place of an answer that was not whole in time.</summary>
    public static StandIn AsyncReplyLate(AsyncReplyConfig config) => AsyncReplyWithout(
        504, string.Create(CultureInfo.InvariantCulture, $"the call was cut off: its answer was not whole within asyncReply.keepFor of {config.Source}, {config.KeepFor.TotalSeconds}s"));

    /// <summary>What is kept in the place of an answer that is too long.</summary>
    public static StandIn AsyncReplyTooLong(AsyncReplyConfig config) => AsyncReplyWithout(
        502, string.Create(CultureInfo.InvariantCulture, $"the answer, fields and body, was longer than asyncReply.maxBytes of {config.Source}, {config.MaxBytes} bytes, and was not kept"));

    private static StandIn AsyncReplyWithout(int status, string why) => new(status, [.. "content-type: text/plain\r\nx-mesh-outcome: unknown\r\n"u8], Encoding.ASCII.GetBytes(why));

    /// <summary>A rule asks for this failure.</summary>
    public static ProxyError FaultAbort(int status, string? source) => new(
        status, ResponseFlag.FI, status is 204 or 205 or 304 ? "" : "fault filter abort", "fault_filter_abort", new DecisionRecord(DecisionReason.FaultAbort, source, "fault.abort"));

    /// <summary>No service of this name is known and the policy is REGISTRY_ONLY.</summary>
    public static ProxyError UnknownService() =>
        new(502, ResponseFlag.None, "", "direct_response", new DecisionRecord(DecisionReason.UnknownService));

    /// <summary>The target is one of this sidecar's own listeners.</summary>
    public static ProxyError Loop() => new(502, ResponseFlag.None, "", "loop_detected", new DecisionRecord(DecisionReason.Loop));

    /// <summary>The request breaks HTTP.</summary>
    public static ProxyError BadRequest(int status, string details) =>
        new(status, ResponseFlag.DPE, "", details, new DecisionRecord(DecisionReason.BadRequest));

    /// <summary>The head took longer than <see cref="ConnectionLimits.RequestHeaders"/>.</summary>
    public static ProxyError HeadTimeout(TimeSpan limit) => new(
        408, ResponseFlag.SI, "request header timeout", "request_header_timeout", Timeout(DecisionReason.RequestHeaderTimeout, limit));

    /// <summary>Nothing moved for <see cref="ConnectionLimits.StreamIdle"/>: the client's doing as long as it owes bytes of its request.</summary>
    public static ProxyError StreamIdle(bool isRequestComplete, TimeSpan limit) => new(
        isRequestComplete ? 504 : 408, ResponseFlag.SI, "stream timeout", "stream_idle_timeout", Timeout(DecisionReason.StreamIdleTimeout, limit));

    /// <summary>All attempts together took longer than the route allows.</summary>
    public static ProxyError RouteTimeout(string? source, TimeSpan limit) =>
        UpstreamTimeout("response_timeout", new DecisionRecord(DecisionReason.RouteTimeout, source, "timeout", (long)limit.TotalMilliseconds));

    /// <summary>The caller waits no more.</summary>
    public static ProxyError CallerDeadline(TimeSpan limit) =>
        UpstreamTimeout("caller_deadline_exceeded", new DecisionRecord(DecisionReason.CallerDeadline, Limit: (long)limit.TotalMilliseconds));

    /// <summary>An attempt took longer than one may, and there is no other.</summary>
    public static ProxyError PerTryTimeout(string? source, TimeSpan limit) => UpstreamTimeout(
        "upstream_per_try_timeout", new DecisionRecord(DecisionReason.PerTryTimeout, source, "perTryTimeout", (long)limit.TotalMilliseconds));

    /// <summary>A call on trial of the circuit breaker <paramref name="rule"/> took longer than one may.</summary>
    public static ProxyError TrialTimeout(string? rule, TimeSpan limit) => UpstreamTimeout(
        "upstream_per_try_timeout", new DecisionRecord(DecisionReason.PerTryTimeout, rule, "callTimeoutInHalfOpenState", (long)limit.TotalMilliseconds));

    /// <summary>The upstream took no byte of the request for too long.</summary>
    public static ProxyError WriteTimeout(string? source, TimeSpan limit) => UpstreamTimeout(
        "upstream_write_timeout", new DecisionRecord(DecisionReason.UpstreamWriteTimeout, source, "writeTimeout", (long)limit.TotalMilliseconds));

    private static ProxyError UpstreamTimeout(string details, in DecisionRecord decision) =>
        new(504, ResponseFlag.UT, "upstream request timeout", details, decision);

    private static int Seconds(TimeSpan time) => (int)Math.Min(int.MaxValue, Math.Ceiling(time.TotalSeconds));

    private static DecisionRecord Timeout(DecisionReason reason, TimeSpan limit) => new(reason, Limit: (long)limit.TotalMilliseconds);

    private static ProxyError Reset(int status, ResponseFlag flag, string reason, in DecisionRecord decision, string? failure = null)
    {
        string transport = failure is null ? "" : ", transport failure reason: " + failure;
        string details = failure is null ? reason : reason + "|" + failure;
        return new ProxyError(
            status, flag, ResetPrefix + reason + transport, "upstream_reset_before_response_started{" + details.Replace(' ', '_') + "}", decision, failure);
    }
}
