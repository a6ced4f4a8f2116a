using System.Globalization;
using System.Text.Json;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>Rate limits on the admin pages: what they do now in <c>/clusters</c>, what they were told in <c>/config_dump</c>.</summary>
internal static class RateLimitPage
{
    /// <summary>Lines of <c>/clusters</c>; none for a cluster without a limit.</summary>
    public static string Text(Cluster cluster)
    {
        if (cluster.Config.RateLimits is not { } limits || cluster.Stats.RateLimit is not { } stats)
        {
            return "";
        }

        string at = $"{cluster.Name}::rate_limit::";
        string plan = limits.All.FirstOrDefault(static l => l.Plan is not null)?.Plan is { } p
            ? string.Create(CultureInfo.InvariantCulture, $"{at}plan_left::{cluster.RateLimitPlanLeft} of {p.Total}\n") : "";
        string rules = string.Concat(limits.All.Select(l => $"{at}rule::{l.Source}\n"));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{at}limited::{stats.Limited.Value}\n{at}shadow_limited::{stats.ShadowLimited.Value}\n{at}waiting::{stats.Waiting.Value}\n{at}keys::{stats.Keys.Value}\n{plan}{rules}");
    }

    /// <summary>The rules as they were compiled, in the order in which they are asked, for <c>/config_dump</c>.</summary>
    public static void WriteConfig(Utf8JsonWriter json, RateLimitConfigs? configs)
    {
        json.WriteStartArray("rate_limits");
        foreach (RateLimitConfig config in configs?.All ?? [])
        {
            Write(json, config);
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, RateLimitConfig config)
    {
        json.WriteStartObject();
        json.WriteString("source", config.Source);
        json.WriteBoolean("shadow", config.IsShadow);
        json.WriteString("scope", config.IsMesh ? "mesh" : "sidecar");
        json.WriteNumber("tokens", config.Tokens);
        json.WriteString("interval", RoutePage.Seconds(config.Interval));
        json.WriteNumber("burst", config.Burst);
        json.WriteString("plan", config.Plan is { } plan ? string.Create(CultureInfo.InvariantCulture, $"{plan.Total} in {RoutePage.Seconds(plan.Window)}") : null);
        json.WriteString("key", config.KeySource == RateLimitKeySource.None ? null : $"{config.KeySource}{(config.KeyName.Length > 0 ? ":" : "")}{config.KeyName}");
        json.WriteNumber("max_keys", config.MaxKeys);
        WriteAll(json, "paths", config.Paths);
        WriteAll(json, "exempt_paths", config.ExemptPaths);
        WriteAll(json, "headers", config.Headers.Select(static h => h.Match.Kind == StringMatchKind.Present ? h.Name : $"{h.Name}: {h.Match.Kind} {h.Match.Value}"));
        json.WriteString("max_wait", config.MaxQueue > 0 ? RoutePage.Seconds(config.MaxWait) : null);
        json.WriteNumber("max_queue", config.MaxQueue);
        json.WriteString("allowed_hours", config.AllowedHours is { } hours ? string.Create(CultureInfo.InvariantCulture, $"{hours.From:HH:mm}-{hours.To:HH:mm} {hours.TimeZone}") : null);
        json.WriteEndObject();
    }

    private static void WriteAll(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }
}
