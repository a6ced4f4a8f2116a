using System.Collections.Immutable;
using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>What we need of a Pod. Most events of a pod change none of it.</summary>
/// <param name="Labels">Its labels, for subsets.</param>
/// <param name="Workload">Who made it: a Deployment's name rather than its ReplicaSet's.</param>
internal sealed record PodObject(ImmutableSortedDictionary<string, string> Labels, string Workload)
{
    /// <summary>Version for metrics: Istio's order of labels.</summary>
    public string Version => Labels.GetValueOrDefault("service.istio.io/canonical-revision")
        ?? Labels.GetValueOrDefault("app.kubernetes.io/version")
        ?? Labels.GetValueOrDefault("version")
        ?? "latest";

    /// <summary>Reads a Pod.</summary>
    public static PodObject Read(JsonElement obj)
    {
        JsonElement metadata = obj.Find("metadata") ?? default;
        ImmutableSortedDictionary<string, string> labels = metadata.Texts("labels");
        JsonElement owner = metadata.Items("ownerReferences").FirstOrDefault(static o => o.Bool("controller") == true);
        string workload = owner.Text("name");
        if (owner.Text("kind") == "ReplicaSet" && labels.TryGetValue("pod-template-hash", out string? hash) && workload.EndsWith("-" + hash, StringComparison.Ordinal))
        {
            workload = workload[..^(hash.Length + 1)];
        }

        return new PodObject(labels, workload.Length > 0 ? workload : metadata.Text("name"));
    }

    /// <summary>Compares labels by content.</summary>
    public bool Equals(PodObject? other) => other is not null && Workload == other.Workload && Labels.SequenceEqual(other.Labels);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Workload, Labels.Count);
}

/// <summary>What we need of a Node: where it stands. Its heartbeats change none of it.</summary>
/// <param name="Locality"><c>region/zone/subzone</c>, as far as it is labelled; empty when it is not.</param>
internal sealed record NodeObject(string Locality)
{
    /// <summary>Reads a Node.</summary>
    public static NodeObject Read(JsonElement obj)
    {
        JsonElement labels = obj.Find("metadata")?.Find("labels") ?? default;
        string locality = $"{labels.Text("topology.kubernetes.io/region")}/{labels.Text("topology.kubernetes.io/zone")}/{labels.Text("topology.istio.io/subzone")}";
        return new NodeObject(locality.TrimEnd('/'));
    }
}
