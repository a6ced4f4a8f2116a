using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>A pod, or a workload's pod template, before injection. Nothing of it is changed.</summary>
/// <param name="Metadata">Its metadata; null when there is none.</param>
/// <param name="Spec">Its spec.</param>
/// <param name="Namespace">Namespace in which it will run.</param>
/// <param name="Workload">Name of the workload it belongs to.</param>
public sealed record PodInput(JsonObject? Metadata, JsonObject Spec, string Namespace, string Workload)
{
    /// <summary>Labels of the namespace; null when the caller has chosen the namespace already (the webhook's selectors, or a person).</summary>
    public IReadOnlyDictionary<string, string>? NamespaceLabels { get; init; }
}

/// <summary>What injection gave. A pod with problems is not injected.</summary>
/// <param name="Metadata">The new metadata; null when the pod is left as it is.</param>
/// <param name="Spec">The new spec; null when the pod is left as it is.</param>
/// <param name="Reason">Why it is left as it is; empty otherwise.</param>
/// <param name="Problems">What is wrong with the pod, each with what to write instead.</param>
/// <param name="Warnings">What its author should know.</param>
public sealed record InjectionResult(
    JsonObject? Metadata, JsonObject? Spec, string Reason, ImmutableArray<string> Problems, ImmutableArray<string> Warnings)
{
    /// <summary>Whether there is a sidecar to add.</summary>
    public bool IsInjected => Spec is not null;
}

/// <summary>Collects findings while a pod is read.</summary>
internal sealed class Notes
{
    public List<string> Problems { get; } = [];

    public List<string> Warnings { get; } = [];

    public InjectionResult Left(string reason) => new(null, null, reason, [.. Problems], [.. Warnings]);

    public InjectionResult Injected(JsonObject metadata, JsonObject spec) => new(metadata, spec, "", [], [.. Warnings]);
}
