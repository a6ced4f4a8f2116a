using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>A column that <c>kubectl get</c> prints.</summary>
/// <param name="Name">Heading.</param>
/// <param name="Type">OpenAPI type: string, integer, date.</param>
/// <param name="JsonPath">Where the value stands, as in a CRD (<c>.spec.host</c>).</param>
/// <param name="Description">One line for the reader.</param>
/// <param name="Priority">0 always, 1 only with <c>-o wide</c>.</param>
public sealed record PrinterColumn(string Name, string Type, string JsonPath, string Description, int Priority = 0);

/// <summary>One kind of rule: names, served versions, columns and schema. The list of all kinds is <c>RuleKinds.All</c>.</summary>
public sealed record RuleKind
{
    /// <summary>API group, such as <c>networking.istio.io</c>.</summary>
    public required string Group { get; init; }

    /// <summary>Served versions, the preferred one first.</summary>
    public required ImmutableArray<string> Versions { get; init; }

    /// <summary>Version that is stored.</summary>
    public required string StorageVersion { get; init; }

    /// <summary>Kind, such as <c>DestinationRule</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Plural of the resource path.</summary>
    public required string Plural { get; init; }

    /// <summary>Singular of the resource.</summary>
    public required string Singular { get; init; }

    /// <summary>Short names for kubectl.</summary>
    public required ImmutableArray<string> ShortNames { get; init; }

    /// <summary>Categories for kubectl.</summary>
    public required ImmutableArray<string> Categories { get; init; }

    /// <summary>Columns between Name and Age.</summary>
    public required ImmutableArray<PrinterColumn> Columns { get; init; }

    /// <summary>Columns of our own behind Age, so that Istio's stay where scripts expect them: for each condition of the status whether it holds.</summary>
    public static ImmutableArray<PrinterColumn> StatusColumns { get; } =
    [
        Condition("Accepted", "Whether the rule is valid"),
        Condition("Programmed", "Whether every sidecar that may see the rule runs it"),
    ];

    /// <summary>One line about the kind, for <c>kubectl explain</c>.</summary>
    public required string Description { get; init; }

    /// <summary>A fresh copy of the structural OpenAPI v3 schema of the whole object: apiVersion, kind, metadata, spec, status.</summary>
    public required Func<JsonObject> OpenApiSchema { get; init; }

    /// <summary>Reads and checks a spec; null when it is no object. Set by <see cref="RuleKinds"/>.</summary>
    internal Func<RuleNode, Cursor, object?> ReadSpec { get; init; } = static (_, _) => null;

    /// <summary>All fields of the spec. Set by <see cref="RuleKinds"/>.</summary>
    internal Func<IEnumerable<FieldEntry>> Fields { get; init; } = static () => [];

    private static PrinterColumn Condition(string type, string description) => new(type, "string", $".status.conditions[?(@.type==\"{type}\")].status", description);
}
