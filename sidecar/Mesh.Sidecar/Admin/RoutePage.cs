using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>What <c>/config_dump</c> says of virtual hosts and their routes, in Envoy's words: which route a request takes, and which rule says so. What is not set is left out.</summary>
internal static class RoutePage
{
    public static void Write(Utf8JsonWriter json, RouteConfig routes)
    {
        json.WriteStartArray("virtual_hosts");
        foreach (VirtualHostConfig host in routes.VirtualHosts)
        {
            json.WriteStartObject();
            json.WriteString("name", host.Name);
            json.WriteNumber("port", host.Port);
            WriteList(json, "domains", host.Domains);
            json.WriteStartArray("routes");
            foreach (HttpRouteConfig route in host.Routes)
            {
                WriteRoute(json, route);
            }

            if (host.Routes.IsEmpty) // no rule of routes: everything goes to the one cluster
            {
                WriteRoute(json, new HttpRouteConfig { Name = host.Name, Clusters = [new WeightedClusterConfig(host.Cluster)], Retry = host.Retry });
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteRetry(Utf8JsonWriter json, string name, RetryConfig? retry)
    {
        if (retry is null)
        {
            return;
        }

        json.WriteStartObject(name);
        WriteText(json, "source", retry.Source ?? "default");
        json.WriteNumber("num_retries", retry.Attempts);
        json.WriteString("retry_on", retry.Conditions.ToString());
        WriteList(json, "retriable_status_codes", [.. retry.StatusCodes.Select(static c => c.ToString(CultureInfo.InvariantCulture))]);
        WriteTime(json, "per_try_timeout", retry.PerTryTimeout);
        json.WriteString("retry_back_off", $"{retry.Backoff.Strategy} {Seconds(retry.Backoff.Base)} to {Seconds(retry.Backoff.Max)}, jitter {retry.Backoff.Jitter}");
        json.WriteBoolean("avoids_previous_hosts", retry.AvoidsTriedHosts);
        json.WriteBoolean("reaches_remote_localities", retry.ReachesRemoteLocalities);
        WriteList(json, "methods", retry.Methods);
        WriteTime(json, "max_retry_after", retry.MaxRetryAfter);
        json.WriteBoolean("leaves_to_caller", retry.LeavesToCaller);
        json.WriteEndObject();
    }

    private static void WriteRoute(Utf8JsonWriter json, HttpRouteConfig route)
    {
        json.WriteStartObject();
        json.WriteString("name", route.Name);
        json.WriteString("source", route.Source ?? "default");
        json.WriteStartArray("match");
        foreach (HttpMatchConfig match in route.Matches.IsEmpty ? [new HttpMatchConfig()] : route.Matches)
        {
            WriteMatch(json, match);
        }

        json.WriteEndArray();
        WriteAction(json, route);
        WriteHeaders(json, "request_headers", route.RequestHeaders);
        WriteHeaders(json, "response_headers", route.ResponseHeaders);
        if (route.Fault is { } fault)
        {
            json.WriteStartObject("fault");
            WriteTime(json, "delay", fault.Delay);
            json.WriteNumber("delay_percent", fault.DelayPercent);
            json.WriteNumber("abort_status", fault.AbortStatus);
            json.WriteNumber("abort_percent", fault.AbortPercent);
            json.WriteEndObject();
        }

        WriteCors(json, route.Cors);
        json.WriteEndObject();
    }

    private static void WriteMatch(Utf8JsonWriter json, HttpMatchConfig match)
    {
        json.WriteStartObject();
        WriteText(json, "name", match.Name);
        WriteText(json, "stat_prefix", match.StatPrefix);
        WriteComparison(json, match.Path ?? new StringMatch(StringMatchKind.Prefix, "/"), "path");
        if (match.IgnorePathCase)
        {
            json.WriteBoolean("case_sensitive", false);
        }

        WriteComparison(json, ":method", match.Method);
        WriteComparison(json, ":authority", match.Authority);
        WriteComparison(json, ":scheme", match.Scheme);
        WriteComparisons(json, "headers", match.Headers);
        WriteComparisons(json, "query_parameters", match.QueryParameters);
        json.WriteEndObject();
    }

    private static void WriteComparisons(Utf8JsonWriter json, string name, ImmutableArray<NamedMatch> matches)
    {
        if (matches.IsEmpty)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (NamedMatch match in matches)
        {
            json.WriteStartObject();
            json.WriteString("name", match.Name);
            WriteComparison(json, match.Match, "exact");
            if (match.IsInverted)
            {
                json.WriteBoolean("invert_match", true);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteComparison(Utf8JsonWriter json, string name, StringMatch? match)
    {
        if (match is not null)
        {
            json.WriteStartObject(name);
            WriteComparison(json, match, "exact");
            json.WriteEndObject();
        }
    }

    private static void WriteComparison(Utf8JsonWriter json, StringMatch match, string exact)
    {
        switch (match.Kind)
        {
            case StringMatchKind.Exact:
                json.WriteString(exact, match.Value);
                break;
            case StringMatchKind.Prefix:
                json.WriteString("prefix", match.Value);
                break;
            case StringMatchKind.Regex:
                json.WriteString("safe_regex", match.Value);
                break;
            default:
                json.WriteBoolean("present_match", true);
                break;
        }
    }

    private static void WriteAction(Utf8JsonWriter json, HttpRouteConfig route)
    {
        if (route.Redirect is { } redirect)
        {
            json.WriteStartObject("redirect");
            json.WriteNumber("response_code", redirect.Code);
            WriteText(json, "scheme_redirect", redirect.Scheme);
            WriteText(json, "host_redirect", redirect.Authority);
            WriteText(json, "port_redirect", redirect.Port?.ToString(CultureInfo.InvariantCulture) ?? (redirect.UsesRequestPort ? "of the request" : null));
            WriteText(json, "path_redirect", redirect.Path);
            WriteText(json, "prefix_rewrite", redirect.PathPrefix);
            json.WriteEndObject();
            return;
        }

        if (route.DirectResponse is { } response)
        {
            json.WriteStartObject("direct_response");
            json.WriteNumber("status", response.Status);
            json.WriteNumber("body_length", response.Body.Length);
            json.WriteEndObject();
            return;
        }

        json.WriteStartObject("route");
        WriteClusters(json, route.Clusters);
        WriteText(json, "prefix_rewrite", route.Rewrite?.Path);
        WriteText(json, "regex_rewrite", route.Rewrite?.Pattern is { } pattern ? $"{pattern} by {route.Rewrite.Substitution}" : null);
        WriteText(json, "host_rewrite_literal", route.Rewrite?.Authority);
        json.WriteString("timeout", route.Timeout > TimeSpan.Zero ? Seconds(route.Timeout) : "none");
        WriteRetry(json, "retry_policy", route.Retry);
        WriteMirrors(json, route.Mirrors);
        json.WriteEndObject();
    }

    private static void WriteClusters(Utf8JsonWriter json, ImmutableArray<WeightedClusterConfig> clusters)
    {
        json.WriteStartArray("weighted_clusters");
        foreach (WeightedClusterConfig cluster in clusters)
        {
            json.WriteStartObject();
            json.WriteString("name", cluster.Cluster);
            json.WriteNumber("weight", cluster.Weight);
            WriteText(json, "host_rewrite_literal", cluster.Authority);
            WriteHeaders(json, "request_headers", cluster.RequestHeaders);
            WriteHeaders(json, "response_headers", cluster.ResponseHeaders);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteMirrors(Utf8JsonWriter json, ImmutableArray<MirrorConfig> mirrors)
    {
        if (mirrors.IsEmpty)
        {
            return;
        }

        json.WriteStartArray("request_mirror_policies");
        foreach (MirrorConfig mirror in mirrors)
        {
            json.WriteStartObject();
            json.WriteString("cluster", mirror.Cluster);
            json.WriteNumber("percent", mirror.Percent);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteCors(Utf8JsonWriter json, CorsConfig? cors)
    {
        if (cors is null)
        {
            return;
        }

        json.WriteStartObject("cors");
        json.WriteStartArray("allow_origin_string_match");
        foreach (StringMatch origin in cors.AllowOrigins)
        {
            json.WriteStartObject();
            WriteComparison(json, origin, "exact");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteText(json, "allow_methods", cors.AllowMethods);
        WriteText(json, "allow_headers", cors.AllowHeaders);
        WriteText(json, "expose_headers", cors.ExposeHeaders);
        WriteText(json, "max_age", cors.MaxAgeSeconds?.ToString(CultureInfo.InvariantCulture));
        json.WriteBoolean("allow_credentials", cors.AllowCredentials);
        json.WriteBoolean("forward_not_matching_preflights", cors.ForwardsUnmatchedPreflights);
        json.WriteEndObject();
    }

    private static void WriteHeaders(Utf8JsonWriter json, string name, HeaderChanges changes)
    {
        if (changes.IsEmpty)
        {
            return;
        }

        json.WriteStartObject(name);
        WriteList(json, "set", [.. changes.Set.Select(static f => $"{f.Key}: {f.Value}")]);
        WriteList(json, "add", [.. changes.Add.Select(static f => $"{f.Key}: {f.Value}")]);
        WriteList(json, "remove", changes.Remove);
        json.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter json, string name, ImmutableArray<string> values)
    {
        if (values.IsEmpty)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (string value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteTime(Utf8JsonWriter json, string name, TimeSpan time) => WriteText(json, name, time > TimeSpan.Zero ? Seconds(time) : null);

    internal static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###}s");
}
