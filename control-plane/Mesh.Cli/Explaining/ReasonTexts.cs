using System.Globalization;

namespace Mesh.Cli.Explaining;

/// <summary>What a reason means.</summary>
/// <param name="Because">Why, as a sentence without a full stop.</param>
/// <param name="WouldPass">The smallest changes, each of which alone would have let it pass.</param>
/// <param name="Kind">Kind of the rule whose field it is when the path does not tell; null when it always does.</param>
/// <param name="IsCounted">Whether it counted against an endpoint, for outlier detection.</param>
internal sealed record ReasonText(Func<Decision, string> Because, Func<Decision, string[]> WouldPass, string? Kind = null, bool IsCounted = false);

/// <summary>A sentence for each word that <c>x-mesh-reason</c> may begin with. One that is not in the table yet is explained by its limit.</summary>
internal static class ReasonTexts
{
    private static readonly Dictionary<string, ReasonText> All = new(StringComparer.Ordinal)
    {
        ["pending_overflow"] = new(
            static d => Full(d, "request", "waiting for a connection"), static d => [OneMore(d), .. More(d)], "ResiliencePolicy"),
        ["request_overflow"] = new(static d => Full(d, "request", "in progress"), static d => [OneMore(d)], "ResiliencePolicy"),
        ["connection_overflow"] = new(static d => Full(d, "connection", "open"), static d => [OneMore(d)], "ResiliencePolicy"),
        ["no_healthy_upstream"] = new(
            static d => $"of {Count(d.Limit, "endpoint")} {Math.Max(0, d.Now)} can take requests: the others are ejected or unhealthy",
            static d => [$"one endpoint of {d.Host} were healthy again (an ejection ends by itself: see /outlier_events of the sidecar)"]),
        ["no_endpoints"] = new(static d => $"{d.Host} has no endpoints{Detail(d)}", static d => [$"{d.Host} had an endpoint"]),
        ["connect_failure"] = new(static d => $"{Endpoint(d)} refused the connection, or broke it off", static d => [$"{Endpoint(d)} accepted connections"], IsCounted: true),
        ["connect_timeout"] = new(static d => $"{Endpoint(d)} did not accept the connection within {d.Limit} ms", static d => [$"{Endpoint(d)} accepted it sooner", $"{d.Field} were longer"], IsCounted: true),
        ["upstream_closed"] = new(static d => $"{Endpoint(d)} closed the connection before its answer began", static d => [$"{Endpoint(d)} answered; its own log says why it did not"], IsCounted: true),
        ["upstream_protocol_error"] = new(static d => $"the answer of {Endpoint(d)} breaks HTTP", static d => [$"{Endpoint(d)} answered in HTTP"], IsCounted: true),
        ["unknown_service"] = new(
            static d => $"no service of the mesh is called {d.Host}, and others may not be called",
            static d => [$"a ServiceEntry named {d.Host}", "the Sidecar's outboundTrafficPolicy were ALLOW_ANY"]),
        ["unknown_cluster"] = new(static _ => "the route leads to a host or subset that is not there", static _ => ["a service, and a subset in a DestinationRule, had the name in the route (meshctl validate shows it)"]),
        ["loop"] = new(static _ => "its target is a listener of this sidecar itself", static _ => ["it asked for another address"]),
        ["bad_request"] = new(static _ => "the request breaks HTTP", static _ => ["the caller wrote it by RFC 9112 (response_code_details in the access log says what is wrong)"]),
        ["draining"] = new(static _ => "the sidecar is on its way out, and waits for nothing any more", static _ => ["it were sent again: another instance takes it"]),
        ["not_redirected"] = new(static _ => "the connection came neither by redirection nor from this machine", static _ => ["it came from the application's own pod"]),
        ["request_header_timeout"] = new(static d => $"its head was not complete after {d.Limit} ms", static _ => ["the caller sent its head at once"]),
        ["stream_idle_timeout"] = new(static d => $"nothing moved for {d.Limit} ms", static _ => ["caller or upstream sent something in that time"]),
        ["route_timeout"] = new(static d => $"all attempts together took longer than {d.Limit} ms", static d => [$"{d.Host} answered sooner", "timeout were longer"], IsCounted: true),
        ["per_try_timeout"] = new(static d => $"the attempt took longer than {d.Limit} ms", static d => [$"{Endpoint(d)} answered sooner", $"{d.Field} were longer"], IsCounted: true),
        ["pending_timeout"] = new(static d => $"it waited for a connection for {d.Limit} ms", static d => [$"{d.Field} were longer", .. More(d)], "ResiliencePolicy"),
        ["upstream_write_timeout"] = new(static d => $"{Endpoint(d)} took no byte of the request for {d.Limit} ms", static d => [$"{d.Field} were longer"], "ResiliencePolicy", IsCounted: true),
        ["no_route"] = new(static d => $"no route of {d.Host} fits {d.Text("method")} {d.Text("path")}", static _ => ["a VirtualService of the host had a route that fits it"], "VirtualService"),
        ["fault_abort"] = new(static _ => "a rule asks for this failure, to see what its callers do", static _ => ["the route had no fault.abort"], "VirtualService"),
        ["caller_deadline"] = new(static d => $"the caller waits {d.Limit} ms (x-envoy-expected-rq-timeout-ms), and they were over", static _ => ["the caller gave it more time"]),
        ["dns_failure"] = new(static d => $"the name of the host could not be resolved{Detail(d)}", static _ => ["DNS knew the name"]),
        ["dns_cache_overflow"] = new(static d => $"requests have asked for {Count(d.Now, "different name")}, and no more than {d.Limit} are kept", static _ => ["a ServiceEntry named the hosts, in place of a wildcard"]),
        ["no_original_destination"] = new(static _ => "the upstream is where the caller was going, and the connection was not redirected", static _ => ["the caller's connection were redirected, or the ServiceEntry had resolution DNS or STATIC"]),
        ["destination_overflow"] = new(static _ => "connections to too many different destinations at once", static _ => ["fewer destinations were in use"]),
        ["circuit_open"] = new(Circuit, CircuitPasses, "CircuitBreaker"),
        ["rate_limited"] = new(Rate, RatePasses, "RateLimit"),
        ["concurrency_overflow"] = new(Crowd, CrowdPasses, "ResiliencePolicy"),
        ["outside_allowed_hours"] = new(
            static _ => "such requests pass only at certain hours", static d => [Later(d), "allowedHours were others"], "RateLimit"),
    };

    /// <summary>What is known of a decision's reason.</summary>
    public static ReasonText Of(Decision d) =>
        d.Reason.StartsWith("upstream_", StringComparison.Ordinal) && int.TryParse(d.Reason["upstream_".Length..], CultureInfo.InvariantCulture, out int status)
            ? new ReasonText(_ => $"the upstream answered {status}", _ => [], IsCounted: status >= 500)
            : All.GetValueOrDefault(d.Reason) ?? new ReasonText(
                static d => d.Limit >= 0 ? $"{d.Field} is {d.Limit}{(d.Now >= 0 ? $", and it stood at {d.Now}" : "")}" : d.Reason.Replace('_', ' '),
                static d => d.Limit >= 0 && d.Now >= 0 && d.Field.Length > 0 ? [AtLeast(d.Field, d.Now + 1)] : []);

    /// <summary>The words that have a sentence.</summary>
    public static IReadOnlyCollection<string> Known => All.Keys;

    private static string Full(Decision d, string noun, string doing) =>
        $"{(d.Now >= 0 ? $"{Count(d.Now, noun)} already {doing}" : $"all the {noun}s {doing} that there may be")}, and no more than {d.Limit} may be";

    // Of a limit that all sidecars share, a sidecar knows its share.
    private static string OneMore(Decision d) => d.Field.StartsWith("meshLimits", StringComparison.Ordinal)
        ? $"{d.Field} were higher, or another sidecar needed less: {d.Limit} is this one's share" : AtLeast(d.Field, Math.Max(d.Now, d.Limit) + 1);

    private static string Crowd(Decision d) => d.Field switch
    {
        "concurrency.maxWaitDuration" => $"{d.Host} takes a limited number of {Noun(d)}s at once, and no place was free within {d.Limit} ms",
        "concurrency.maxQueue" => Full(d, Noun(d), "waiting for a place"),
        "concurrency.adaptive" => $"{Full(d, Noun(d), "under way")}: the limit follows the latency of {d.Host}",
        _ => Full(d, Noun(d), "under way"),
    };

    // Bytes have no method.
    private static string Noun(Decision d) => d.Text("method") is { Length: > 0 } ? "call" : "connection";

    private static string[] CrowdPasses(Decision d) => d.Field switch
    {
        "concurrency.maxWaitDuration" => [$"a {Noun(d)} under way had ended sooner", "maxWaitDuration were longer"],
        "concurrency.adaptive" => [$"{d.Host} were as fast as it can be: the limit then grows by itself", "concurrency.adaptive were not set"],
        _ => [OneMore(d), "concurrency.maxWaitDuration let it wait"],
    };

    // Where each endpoint has a breaker, the detail says which will be tried first.
    private static string Circuit(Decision d) =>
        d.Text("detail") is { Length: > 0 } detail && d.Field is not ("" or "probers") ? $"{CircuitState(d)}; {detail}" : CircuitState(d);

    private static string CircuitState(Decision d) => d.Field switch
    {
        "state" => "the rule of the circuit breaker holds it open",
        _ when ByHand(d) => "somebody opened the circuit by hand, for all callers",
        "probers" => "the circuit is on trial, and other callers are trying",
        _ when d.Text("breaker") is "half_open" => $"the circuit is on trial: {Count(d.Limit, "call")} may go out, and all of them have",
        _ when d.Text("breaker") is "recovering" => "the circuit has just closed, and takes its calls back bit by bit",
        "slowCallRateThreshold" => $"the circuit is open: {d.Now}% of the calls were slow, and from {d.Limit}% on it opens",
        "failureRateThreshold" => $"the circuit is open: {d.Now}% of the calls failed, and from {d.Limit}% on it opens",
        _ => "the circuit is open",
    };

    private static string[] CircuitPasses(Decision d) => d.Field switch
    {
        "state" => ["state were auto"],
        _ when ByHand(d) => [$"somebody lifted it: meshctl breaker auto {d.Host}", Later(d)],
        _ when d.Text("breaker") is "half_open" or "recovering" => [Later(d)],
        _ when d.Field.EndsWith("RateThreshold", StringComparison.Ordinal) && d.Now is >= 0 and < 100 => [Later(d), $"{d.Field} were above {d.Now}"],
        _ => [Later(d)],
    };

    private static bool ByHand(Decision d) => d.Text("detail") == "opened by hand";

    private static string Rate(Decision d) => d.Field switch
    {
        "whenExceeded.wait.maxWait" => $"its token would have come after {d.Now} ms, and it may wait {d.Limit} ms",
        "whenExceeded.wait.maxQueue" => $"{Count(d.Now, "request")} already waiting for tokens, and no more than {d.Limit} may wait",
        _ when d.Verdict == "waited" => $"there was no token for it at once: {d.Limit} come in an interval",
        _ => $"there was no token left: {d.Limit} come in an interval",
    };

    private static string[] RatePasses(Decision d) => d.Field switch
    {
        "whenExceeded.wait.maxWait" => [$"maxWait were at least {d.Now}ms", Later(d)],
        "whenExceeded.wait.maxQueue" => [AtLeast("maxQueue", d.Now + 1), Later(d)],
        _ => [Later(d), "tokens or burst were higher", "whenExceeded.wait let it wait"],
    };

    // What else holds a request back that waits for a connection.
    private static IEnumerable<string> More(Decision d)
    {
        if (d.LoadNumber("max_connections") is >= 0 and long limit && d.LoadNumber("connections") >= limit)
        {
            yield return AtLeast("tcp.maxConnections", limit + 1);
        }

        if (d.LoadNumber("max_requests_per_connection") == 1)
        {
            yield return "http.maxRequestsPerConnection were not 1: then a connection that is there can be used again";
        }
    }

    private static string Later(Decision d) => d.RetryAfter > 0 ? $"it came {d.RetryAfter} s later" : "it came later";

    private static string AtLeast(string field, long value) => $"{field} were at least {value}";

    private static string Count(long number, string noun) => number == 1 ? $"1 {noun}" : $"{number} {noun}s";

    private static string Endpoint(Decision d) => d.Text("endpoint") is { Length: > 0 } address ? address : "the endpoint";

    private static string Detail(Decision d) => d.Text("detail") is { Length: > 0 } detail ? $" ({detail})" : "";
}
