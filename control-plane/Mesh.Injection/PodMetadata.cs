using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>Labels and annotations that an injected pod gets.</summary>
internal static class PodMetadata
{
    /// <summary>Variable of the sidecar that holds Prometheus' annotations as the application had them: JSON.</summary>
    public const string MetricsVariable = "MESH_APP_METRICS";

    private const int LongestLabel = 63;
    private const string Scrape = "prometheus.io/scrape";
    private const string Port = "prometheus.io/port";
    private const string Path = "prometheus.io/path";

    /// <summary>
    /// Leads Prometheus to the page of sidecar and application together, and gives what the annotations said before; null when they stay
    /// as they are, because the pod says not to scrape it.
    /// </summary>
    public static JsonObject? MergeMetrics(JsonObject metadata)
    {
        JsonObject annotations = metadata.MapAt("annotations");
        if (annotations.Text(Scrape) == "false")
        {
            return null;
        }

        JsonObject before = new()
        {
            ["scrape"] = annotations.Text(Scrape) ?? "",
            ["path"] = annotations.Text(Path) ?? "",
            ["port"] = annotations.Text(Port) ?? "",
        };
        annotations[Scrape] = "true";
        annotations[Port] = "15020";
        annotations[Path] = "/stats/prometheus";
        return before;
    }

    /// <summary>Istio's names of the workload, the container that kubectl shows, and what was added.</summary>
    public static void Add(JsonObject metadata, JsonObject spec, PodInput pod, PodSettings settings, string revision)
    {
        JsonObject labels = metadata.MapAt("labels");
        labels[Names.CanonicalName] ??= Label(labels.Text("app.kubernetes.io/name") ?? labels.Text("app") ?? pod.Workload);
        labels[Names.CanonicalRevision] ??= Label(labels.Text("app.kubernetes.io/version") ?? labels.Text("version") ?? "latest");

        JsonObject annotations = metadata.MapAt("annotations");
        if (spec.Items("containers").Select(static c => c.Text("name")).FirstOrDefault(static n => n is not null and not Names.Proxy) is { } first)
        {
            annotations[Names.DefaultContainer] ??= first;
        }

        annotations[Names.StatusKey] = Status(settings, revision).ToJsonString();
    }

    private static JsonObject Status(PodSettings settings, string revision)
    {
        JsonArray init = settings.Mode == InterceptionMode.None ? [] : new JsonArray(Names.Init);
        JsonArray containers = [];
        (settings.IsNative ? init : containers).Add((JsonNode?)Names.Proxy);
        return new JsonObject
        {
            ["initContainers"] = init,
            ["containers"] = containers,
            ["volumes"] = new JsonArray([.. Names.Volumes.Select(static v => (JsonNode?)v)]),
            ["revision"] = revision,
        };
    }

    private static string Label(string text) => text.Length <= LongestLabel ? text : text[..LongestLabel].TrimEnd('-', '_', '.');
}
