using System.Text.Json.Nodes;

namespace Mesh.Injection.Manifests;

/// <summary>Knows which kinds run pods, and where their templates stand.</summary>
internal static class Workload
{
    /// <summary>The workloads of an object: itself, or those in its list.</summary>
    public static IEnumerable<JsonObject> In(JsonObject root) =>
        root.Text("kind") is { } kind && kind.EndsWith("List", StringComparison.Ordinal) ? root.Items("items").SelectMany(In)
        : PathOf(root) is null ? [] : [root];

    /// <summary>The pod or pod template of <paramref name="workload"/>, with metadata and spec; null when it is not there.</summary>
    public static JsonObject? TemplateOf(JsonObject workload)
    {
        JsonObject? at = workload;
        foreach (string step in PathOf(workload)!)
        {
            at = at.Map(step);
        }

        return at;
    }

    /// <summary>Name of a workload.</summary>
    public static string NameOf(JsonObject workload)
    {
        JsonObject? metadata = workload.Map("metadata");
        return workload.Text("kind") == "Pod" ? WorkloadName.Of(metadata) : metadata.Text("name") ?? metadata.Text("generateName")?.TrimEnd('-') ?? "";
    }

    private static string[]? PathOf(JsonObject root) => (root.Text("apiVersion") ?? "", root.Text("kind")) switch
    {
        ("v1", "Pod") => [],
        ("v1", "ReplicationController") => ["spec", "template"],
        (['a', 'p', 'p', 's', '/', ..], "Deployment" or "StatefulSet" or "DaemonSet" or "ReplicaSet") => ["spec", "template"],
        (['b', 'a', 't', 'c', 'h', '/', ..], "Job") => ["spec", "template"],
        (['b', 'a', 't', 'c', 'h', '/', ..], "CronJob") => ["spec", "jobTemplate", "spec", "template"],
        _ => null,
    };
}
