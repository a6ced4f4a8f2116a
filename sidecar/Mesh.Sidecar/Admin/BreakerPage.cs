using System.Globalization;
using System.Text.Json;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>Circuit breakers on the admin pages: what they do now in <c>/clusters</c>, what they were told in <c>/config_dump</c>.</summary>
internal static class BreakerPage
{
    /// <summary>Lines of <c>/clusters</c>; none for a cluster without a breaker.</summary>
    public static string Text(Cluster cluster) => string.Concat(cluster.Breakers().Select(b => Text(cluster.Name, b)));

    private static string Text(string cluster, BreakerView breaker)
    {
        BreakerFigures figures = breaker.Figures;
        string at = breaker switch
        {
            { Endpoint: { } endpoint } => $"{cluster}::{endpoint}::breaker::",
            { Route: { } route } => $"{cluster}::breaker::route::{route}::",
            _ => $"{cluster}::breaker::",
        };
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{at}state::{BreakerText.Of(breaker.State)}\n{at}calls::{figures.Calls}\n{at}failure_rate::{figures.FailureRate:0.#}\n{at}slow_call_rate::{figures.SlowRate:0.#}\n{at}rule::{breaker.Config.Source}\n{TextOfOrder(at, breaker.Config, breaker.Order)}");
    }

    private static string TextOfOrder(string at, BreakerConfig config, OrderInForce? inForce) => (config.IsMesh, inForce) switch
    {
        (false, _) => "",
        (_, { } mesh) => string.Create(
            CultureInfo.InvariantCulture,
            $"{at}decided_by::mesh\n{at}epoch::{mesh.Order.Epoch}\n{at}holds_for::{RoutePage.Seconds(mesh.Left)}\n{at}trials::{mesh.Taken}/{mesh.Order.Trials}\n"),
        _ => $"{at}decided_by::sidecar\n", // the control plane has said nothing, or not for too long
    };

    /// <summary>The breaker as it is now, for <c>/clusters?format=json</c>; nothing for a cluster without one.</summary>
    public static void WriteState(Utf8JsonWriter json, Cluster cluster)
    {
        foreach (BreakerView breaker in cluster.Breakers())
        {
            BreakerFigures figures = breaker.Figures;
            json.WriteStartObject(breaker switch
            {
                { Endpoint: { } endpoint } => $"breaker of endpoint {endpoint}",
                { Route: { } route } => $"breaker of route {route}",
                _ => "breaker",
            });
            json.WriteString("state", BreakerText.Of(breaker.State));
            json.WriteNumber("calls", figures.Calls);
            json.WriteNumber("failures", figures.Failures);
            json.WriteNumber("slow_calls", figures.Slow);
            json.WriteString("rule", breaker.Config.Source);
            if (breaker.Config.IsMesh)
            {
                WriteOrder(json, breaker.Order);
            }

            json.WriteEndObject();
        }
    }

    private static void WriteOrder(Utf8JsonWriter json, OrderInForce? inForce)
    {
        json.WriteString("decided_by", inForce is null ? "sidecar" : "mesh");
        if (inForce is { } mesh)
        {
            json.WriteNumber("epoch", mesh.Order.Epoch);
            json.WriteString("holds_for", RoutePage.Seconds(mesh.Left));
            json.WriteNumber("trials_taken", mesh.Taken);
            json.WriteNumber("trials", mesh.Order.Trials);
        }
    }

    /// <summary>The rules as they were compiled, for <c>/config_dump</c>; null without one.</summary>
    public static void WriteConfig(Utf8JsonWriter json, ClusterConfig cluster)
    {
        if (cluster.Breaker is { } own)
        {
            WriteConfig(json, "circuit_breaker", own);
        }
        else
        {
            json.WriteNull("circuit_breaker");
        }

        if (cluster.RouteBreakers is { } routes)
        {
            json.WriteStartObject("circuit_breakers_of_routes");
            foreach ((string route, BreakerConfig config) in routes.ByRoute)
            {
                WriteConfig(json, route, config);
            }

            json.WriteEndObject();
        }
    }

    private static void WriteConfig(Utf8JsonWriter json, string name, BreakerConfig config)
    {
        json.WriteStartObject(name);
        json.WriteString("source", config.Source);
        json.WriteString("state", config.Mode.ToString());
        json.WriteBoolean("shadow", config.IsShadow);
        json.WriteString("scope", config.IsMesh ? "mesh" : "sidecar");
        json.WriteString("per", config.IsPerEndpoint ? "endpoint" : "host");
        json.WriteString("sliding_window_type", config.IsTimeBased ? "TIME_BASED" : "COUNT_BASED");
        json.WriteNumber("sliding_window_size", config.WindowSize);
        json.WriteNumber("minimum_number_of_calls", config.MinimumCalls);
        json.WriteNumber("failure_rate_threshold", config.FailureRate);
        json.WriteNumber("slow_call_rate_threshold", config.SlowRate);
        json.WriteString("slow_call_duration_threshold", RoutePage.Seconds(config.SlowCall));
        json.WriteString("wait_duration_in_open_state", RoutePage.Seconds(config.OpenTime));
        json.WriteNumber("wait_duration_growth", config.OpenTimeGrowth);
        json.WriteString("max_wait_duration_in_open_state", RoutePage.Seconds(config.LongestOpenTime));
        json.WriteNumber("permitted_number_of_calls_in_half_open_state", config.TrialCalls);
        json.WriteString("max_wait_duration_in_half_open_state", RoutePage.Seconds(config.LongestTrial));
        json.WriteString("call_timeout_in_half_open_state", RoutePage.Seconds(config.TrialTimeout));
        json.WriteString("recovery_duration", RoutePage.Seconds(config.Recovery));
        json.WriteString("failures", config.Failures.ToString());
        WriteAll(json, "failure_codes", config.FailureCodes.AsSpan());
        WriteAll(json, "ignored_codes", config.IgnoredCodes.AsSpan());
        json.WriteStartArray("exempt_paths");
        foreach (string path in config.ExemptPaths)
        {
            json.WriteStringValue(path);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteAll(Utf8JsonWriter json, string name, ReadOnlySpan<int> codes)
    {
        json.WriteStartArray(name);
        foreach (int code in codes)
        {
            json.WriteNumberValue(code);
        }

        json.WriteEndArray();
    }
}
