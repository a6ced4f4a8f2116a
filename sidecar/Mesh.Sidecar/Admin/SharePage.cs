using System.Globalization;
using System.Text;
using System.Text.Json;
using Mesh.Proxy.MeshShares;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>Limits that all sidecars share on the admin pages: this one's part now in <c>/clusters</c>, the rule in <c>/config_dump</c>.</summary>
internal static class SharePage
{
    /// <summary>Lines of <c>/clusters</c>; none for a cluster that shares no limit.</summary>
    public static string Text(Cluster cluster)
    {
        StringBuilder text = new();
        foreach (ShareView share in cluster.Shares)
        {
            string keys = share.Keys > 0 ? string.Create(CultureInfo.InvariantCulture, $"{share.Keys} keys with shares of their own, ") : "";
            text.Append(CultureInfo.InvariantCulture, $"{cluster.Name}::share::{share.Field}::{share.Share} of {share.Total}, in use {share.InUse}, {keys}rule {share.Rule}\n");
        }

        return text.ToString();
    }

    /// <summary>The rule as it was compiled, for <c>/config_dump</c>; null without one.</summary>
    public static void WriteConfig(Utf8JsonWriter json, MeshLimitsConfig? config)
    {
        if (config is null)
        {
            json.WriteNull("mesh_limits");
            return;
        }

        json.WriteStartObject("mesh_limits");
        json.WriteString("source", config.Source);
        json.WriteNumber("max_connections", config.MaxConnections);
        json.WriteNumber("max_requests", config.MaxRequests);
        json.WriteEndObject();
    }
}
