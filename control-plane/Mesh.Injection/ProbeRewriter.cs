using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>
/// Leads kubelet's probes of the application to the sidecar, which makes them and passes the answer on (semantics 9.7). A probe of a captured port would
/// otherwise meet the sidecar: a connection always succeeds, and one that demands TLS never does.
/// </summary>
internal static class ProbeRewriter
{
    /// <summary>Variable of the sidecar that holds the original probes: JSON, by path.</summary>
    public const string Variable = "MESH_APP_PROBERS";

    private static readonly (string Field, string Path)[] Probes = [("livenessProbe", "livez"), ("readinessProbe", "readyz"), ("startupProbe", "startupz")];
    private static readonly (string Field, string Path)[] Hooks = [("postStart", "poststartz"), ("preStop", "prestopz")];
    private static readonly string[] Handlers = ["httpGet", "tcpSocket", "grpc"];

    /// <summary>Rewrites those of all containers in <paramref name="spec"/>, in which the sidecar is not yet; gives the originals by path.</summary>
    public static JsonObject Rewrite(JsonObject spec, Notes notes)
    {
        JsonObject originals = [];
        IEnumerable<JsonObject> native = spec.Items("initContainers").Where(static c => c.Text("restartPolicy") == "Always");
        foreach (JsonObject container in spec.Items("containers").Concat(native))
        {
            foreach ((string field, string path) in Probes)
            {
                Rewrite(container, container.Map(field), path, originals, notes);
            }

            foreach ((string field, string path) in Hooks)
            {
                Rewrite(container, container.Map("lifecycle").Map(field), path, originals, notes);
            }
        }

        return originals;
    }

    private static void Rewrite(JsonObject container, JsonObject? probe, string path, JsonObject originals, Notes notes)
    {
        if (Handlers.FirstOrDefault(h => probe.Map(h) is not null) is not { } kind)
        {
            return; // no probe, or a command inside the container
        }

        JsonObject handler = probe.Map(kind)!;
        string place = $"container {container.Text("name")}, {path}";
        if (handler.Text("host") is { Length: > 0 })
        {
            return; // it does not ask this pod, so nothing captures it
        }

        if (PortOf(container, handler) is not { } port)
        {
            notes.Warnings.Add($"{place}: its port {handler["port"]?.ToJsonString() ?? "is missing,"} is not among the container's ports; the probe is left as it is");
            return;
        }

        JsonObject original = (JsonObject)handler.DeepClone();
        original["port"] = port;
        JsonObject kept = new() { [kind] = original };
        if (probe.Number("timeoutSeconds") is { } timeout)
        {
            kept["timeoutSeconds"] = timeout;
        }

        string target = $"/app-health/{container.Text("name")}/{path}";
        originals[target] = kept;
        probe!.Remove(kind);
        probe["httpGet"] = new JsonObject { ["path"] = target, ["port"] = Names.AgentPort };
    }

    private static int? PortOf(JsonObject container, JsonObject handler) =>
        handler.Number("port") ?? (handler.Text("port") is { } name
            ? container.Items("ports").FirstOrDefault(p => p.Text("name") == name).Number("containerPort") ?? Numeral(name)
            : null);

    private static int? Numeral(string text) => Values.IsNumber(text, 1, out int port) && port <= 65535 ? port : null;
}
