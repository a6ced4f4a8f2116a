using System.Globalization;
using System.Text.Json;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>Bulkheads on the admin pages: what they do now in <c>/clusters</c>, what they were told in <c>/config_dump</c>.</summary>
internal static class ConcurrencyPage
{
    /// <summary>Lines of <c>/clusters</c>, with the latest change of an adaptive limit and its reason; none for a cluster without a bulkhead.</summary>
    public static string Text(Cluster cluster)
    {
        if (cluster.Config.Concurrency is not { } config || cluster.Stats.Concurrency is not { } stats)
        {
            return "";
        }

        string at = $"{cluster.Name}::concurrency::";
        string change = cluster.ConcurrencyChanges is [.., var last] ? $"{at}last_change::{Sentence(last)}\n" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{at}limit::{cluster.ConcurrencyLimit}\n{at}active::{cluster.ConcurrencyActive}\n{at}waiting::{cluster.ConcurrencyWaiting}\n{at}rejected::{(config.IsShadow ? stats.ShadowRejected : stats.Rejected).Value}\n{change}{at}rule::{config.Source}\n");
    }

    /// <summary>The bulkhead as it is now, with the latest changes, for <c>/clusters?format=json</c>; nothing for a cluster without one.</summary>
    public static void WriteState(Utf8JsonWriter json, Cluster cluster)
    {
        if (cluster.Config.Concurrency is not { } config)
        {
            return;
        }

        json.WriteStartObject("concurrency");
        json.WriteNumber("limit", cluster.ConcurrencyLimit);
        json.WriteNumber("active", cluster.ConcurrencyActive);
        json.WriteNumber("waiting", cluster.ConcurrencyWaiting);
        json.WriteString("rule", config.Source);
        json.WriteStartArray("changes");
        foreach (ConcurrencyEvent change in cluster.ConcurrencyChanges)
        {
            json.WriteRawValue(EjectionLog.Format(change));
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The rule as it was compiled, for <c>/config_dump</c>; null without one.</summary>
    public static void WriteConfig(Utf8JsonWriter json, ConcurrencyConfig? config)
    {
        if (config is null)
        {
            json.WriteNull("concurrency");
            return;
        }

        json.WriteStartObject("concurrency");
        json.WriteString("source", config.Source);
        json.WriteBoolean("shadow", config.IsShadow);
        json.WriteNumber("max_concurrent_calls", config.MaxCalls);
        json.WriteString("max_wait_duration", RoutePage.Seconds(config.MaxWait));
        json.WriteNumber("max_queue", config.MaxQueue);
        if (config.Adaptive is { } adaptive)
        {
            json.WriteStartObject("adaptive");
            json.WriteNumber("min_concurrency", adaptive.MinCalls);
            json.WriteNumber("max_concurrency", adaptive.MaxCalls);
            json.WriteString("concurrency_update_interval", RoutePage.Seconds(adaptive.UpdateInterval));
            json.WriteNumber("request_count", adaptive.RequestCount);
            json.WriteNumber("buffer", adaptive.BufferPercent);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("adaptive");
        }

        json.WriteEndObject();
    }

    private static string Sentence(ConcurrencyEvent change) => string.Create(
        CultureInfo.InvariantCulture,
        $"{change.From} -> {change.To} at {change.Timestamp.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}: {change.Why} ({change.Latency.TotalMilliseconds:0.#} ms, usually {change.Usual.TotalMilliseconds:0.#} ms; {change.Answers} answers, at most {change.Active} at once)");
}
