using System.Globalization;
using System.Text.Json;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>Fallbacks on the admin pages: what is kept now in <c>/clusters</c>, what they were told in <c>/config_dump</c>.</summary>
internal static class FallbackPage
{
    /// <summary>Lines of <c>/clusters</c>; none for a cluster without a fallback.</summary>
    public static string Text(Cluster cluster)
    {
        string at = $"{cluster.Name}::fallback::";
        return cluster.Config.Fallback is not { } config ? "" : string.Create(
            CultureInfo.InvariantCulture,
            $"{at}entries::{cluster.FallbackEntries}\n{at}bytes::{cluster.FallbackBytes}\n{at}rule::{config.Source}\n");
    }

    /// <summary>The rule as it was compiled, for <c>/config_dump</c>; null without one.</summary>
    public static void WriteConfig(Utf8JsonWriter json, FallbackConfig? config)
    {
        if (config is null)
        {
            json.WriteNull("fallback");
            return;
        }

        json.WriteStartObject("fallback");
        json.WriteString("source", config.Source);
        json.WriteBoolean("shadow", config.IsShadow);
        json.WriteString("triggers", config.Causes.ToString());
        json.WriteString("codes", string.Join(',', config.Codes));
        json.WriteString("methods", string.Join(',', config.Methods));
        if (config.LastGood is { } lastGood)
        {
            json.WriteStartObject("last_good");
            json.WriteString("max_age", RoutePage.Seconds(lastGood.MaxAge));
            json.WriteNumber("max_entries", lastGood.MaxEntries);
            json.WriteNumber("max_bytes", lastGood.MaxBytes);
            json.WriteString("vary", string.Join(',', lastGood.Vary));
            json.WriteBoolean("shared", lastGood.IsShared);
            json.WriteEndObject();
        }

        json.WriteString("destination", config.Cluster);
        if (config.Static is { } answer)
        {
            json.WriteStartObject("static");
            json.WriteNumber("status", answer.Status);
            json.WriteString("content_type", answer.ContentType);
            json.WriteString("headers", string.Join(',', answer.Headers.Select(static h => h.Key)));
            json.WriteNumber("body_characters", answer.Body.Length);
            json.WriteString("languages", string.Join(',', answer.Bodies.Select(static b => b.Key)));
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
