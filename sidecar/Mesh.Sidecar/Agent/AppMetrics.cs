using System.Globalization;
using System.Text.Json;

namespace Mesh.Sidecar.Agent;

/// <summary>Where the application has its metrics, by its Prometheus annotations before injection.</summary>
/// <param name="Path">Path of the page.</param>
/// <param name="Port">Its port.</param>
internal sealed record AppMetrics(string Path, int Port)
{
    /// <summary>False when <paramref name="json"/> is no object of texts; null in <paramref name="metrics"/> when the application is not to be scraped.</summary>
    public static bool TryRead(string json, out AppMetrics? metrics)
    {
        metrics = null;
        if (json.Length == 0)
        {
            return true;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            string port = Text(document.RootElement, "port", "80");
            string path = Text(document.RootElement, "path", "/metrics");
            bool isWished = Text(document.RootElement, "scrape", "false").Equals("true", StringComparison.OrdinalIgnoreCase);
            bool isPort = ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out ushort number) && number > 0;
            metrics = isPort && isWished ? new AppMetrics(path.StartsWith('/') ? path : "/" + path, number) : null;
            return isPort;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static string Text(JsonElement element, string name, string otherwise) =>
        element.TryGetProperty(name, out JsonElement value) && value.GetString() is { Length: > 0 } text ? text : otherwise;
}
