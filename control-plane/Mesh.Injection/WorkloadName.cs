using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>Finds what a pod belongs to when only the pod is seen, as the webhook does. Pure.</summary>
public static class WorkloadName
{
    /// <summary>
    /// Name of the workload: the owner's; of a Deployment's pod the Deployment's, which is the owner's (a ReplicaSet's) without the hash that the pod bears
    /// as a label. A pod without owner is its own workload.
    /// </summary>
    /// <param name="metadata">The pod's metadata; null when it has none.</param>
    public static string Of(JsonObject? metadata)
    {
        JsonObject? owner = metadata.Items("ownerReferences").FirstOrDefault(static o => o.Flag("controller"))
            ?? metadata.Items("ownerReferences").FirstOrDefault();
        string name = owner.Text("name") ?? metadata.Text("name") ?? metadata.Text("generateName")?.TrimEnd('-') ?? "";
        return metadata.Map("labels").Text("pod-template-hash") is { Length: > 0 } hash && name.EndsWith($"-{hash}", StringComparison.Ordinal)
            ? name[..^(hash.Length + 1)] : name;
    }
}
