using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Reading;

/// <summary>What a rule needs of Kubernetes' metadata; the other fields are known, and left to the API server.</summary>
internal sealed record ObjectMetadata
{
    public string? Name { get; init; }

    public string? GenerateName { get; init; }

    public string? Namespace { get; init; }

    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    public ImmutableSortedDictionary<string, string> Annotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    public DateTimeOffset? CreationTimestamp { get; init; }

    public long Generation { get; init; }

    public static ObjectSchema<ObjectMetadata> Schema { get; } = new ObjectSchema<ObjectMetadata>()
        .Text("name", static (o, v) => o with { Name = v }, "Name, unique for the kind in the namespace.")
        .Text("generateName", static (o, v) => o with { GenerateName = v }, "Beginning of a name that the API completes.")
        .Text("namespace", static (o, v) => o with { Namespace = v }, "Namespace.")
        .TextMap("labels", static (o, v) => o with { Labels = v }, "Labels.")
        .TextMap("annotations", static (o, v) => o with { Annotations = v }, "Annotations.")
        .Field("creationTimestamp", TimestampType.Any, static (o, v) => o with { CreationTimestamp = v }, "When the object was created.")
        .Long("generation", static (o, v) => o with { Generation = v }, "Number of changes of the spec.")
        .Field("selfLink", AnyType.Any, static (o, _) => o, "Ignored.")
        .Field("uid", AnyType.Any, static (o, _) => o, "Unique id.")
        .Field("resourceVersion", AnyType.Any, static (o, _) => o, "Version of the object.")
        .Field("deletionTimestamp", AnyType.Any, static (o, _) => o, "When deletion began.")
        .Field("deletionGracePeriodSeconds", AnyType.Any, static (o, _) => o, "Ignored.")
        .Field("ownerReferences", AnyType.Any, static (o, _) => o, "Owners.")
        .Field("finalizers", AnyType.Any, static (o, _) => o, "Who must agree before the object goes.")
        .Field("managedFields", AnyType.Any, static (o, _) => o, "Who set which field.");

    private sealed class AnyType : FieldType<string>
    {
        public static readonly AnyType Any = new();

        public override bool TryRead(RuleNode node, Cursor at, out string value)
        {
            value = "";
            return true;
        }

        public override JsonObject OpenApi() => [];
    }

    private sealed class TimestampType : FieldType<DateTimeOffset>
    {
        public static readonly TimestampType Any = new();

        public override bool TryRead(RuleNode node, Cursor at, out DateTimeOffset value)
        {
            bool good = DateTimeOffset.TryParse(node.Text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out value);
            if (!good)
            {
                at.TypeError($"must be a time such as 2026-01-31T12:00:00Z, was {node.Describe()}");
            }

            return good;
        }

        public override JsonObject OpenApi() => new() { ["type"] = "string", ["format"] = "date-time" };
    }
}
