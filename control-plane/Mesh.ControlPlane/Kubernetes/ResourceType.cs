using System.Collections.Immutable;
using Mesh.Rules.Kinds;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>A resource of an API server, and the versions of it that this build reads.</summary>
/// <param name="Group">API group; empty for the core.</param>
/// <param name="Plural">Plural, as in paths.</param>
/// <param name="Versions">Versions that this build reads, the best first.</param>
internal sealed record ResourceType(string Group, string Plural, ImmutableArray<string> Versions)
{
    /// <summary>Services.</summary>
    public static ResourceType Services { get; } = new("", "services", ["v1"]);

    /// <summary>Pods.</summary>
    public static ResourceType Pods { get; } = new("", "pods", ["v1"]);

    /// <summary>Nodes.</summary>
    public static ResourceType Nodes { get; } = new("", "nodes", ["v1"]);

    /// <summary>Addresses behind services.</summary>
    public static ResourceType EndpointSlices { get; } = new("discovery.k8s.io", "endpointslices", ["v1"]);

    /// <summary>Namespaces.</summary>
    public static ResourceType Namespaces { get; } = new("", "namespaces", ["v1"]);

    /// <summary>The ConfigMaps of one name, in all namespaces: a right to see them can name it, too.</summary>
    public static ResourceType ConfigMapsNamed(string name) => new("", "configmaps", ["v1"]) { Only = name };

    /// <summary>A kind of rule; its versions are views of one object, so any served one will do.</summary>
    public static ResourceType Of(RuleKind kind) => new(kind.Group, kind.Plural, kind.Versions);

    /// <summary>Name of the objects that are wanted; null for all.</summary>
    public string? Only { get; init; }

    /// <summary>What a list and a watch have in their query so that they bring only what is wanted; empty, or beginning with <c>&amp;</c>.</summary>
    public string Query => Only is null ? "" : $"&fieldSelector={Uri.EscapeDataString($"metadata.name={Only}")}";

    /// <summary>As kubectl names it: <c>destinationrules.networking.istio.io</c>.</summary>
    public string Name => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    /// <summary>Path of all objects in all namespaces.</summary>
    public string Path(string version) => $"{Root(version)}/{Plural}";

    /// <summary>Path of the objects of a namespace.</summary>
    public string Path(string version, string inNamespace) => $"{Root(version)}/namespaces/{inNamespace}/{Plural}";

    /// <summary>Path of a group and version.</summary>
    public string Root(string version) => Group.Length == 0 ? $"/api/{version}" : $"/apis/{Group}/{version}";
}

/// <summary>Namespace and name of an object; the namespace is empty for one that stands in none.</summary>
internal readonly record struct ObjectKey(string Namespace, string Name)
{
    /// <summary>The key of an object.</summary>
    public static ObjectKey Of(System.Text.Json.JsonElement obj) => obj.Find("metadata") is { } metadata
        ? new ObjectKey(metadata.Text("namespace"), metadata.Text("name"))
        : default;

    /// <inheritdoc/>
    public override string ToString() => Namespace.Length == 0 ? Name : $"{Namespace}/{Name}";
}
