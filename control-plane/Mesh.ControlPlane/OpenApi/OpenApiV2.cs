using System.Text.Json.Nodes;
using Mesh.Rules.Kinds;

namespace Mesh.ControlPlane.OpenApi;

/// <summary>
/// The OpenAPI v2 document in gnostic's protobuf form, which kubectl 1.20 needs for explain, diff, dry runs and its own validation. Field numbers are those of
/// gnostic's OpenAPIv2.proto.
/// </summary>
internal static class OpenApiV2
{
    private const string GroupVersionKind = "x-kubernetes-group-version-kind";

    public static byte[] Write() => new ProtoWriter()
        .Text(1, "2.0")
        .Message(2, static info => info.Text(1, "Mesh").Text(2, "0.1.0"))
        .Message(8, static paths => ForEachVersion((kind, version) => paths.Message(2, path => Path(path, kind, version))))
        .Message(9, static definitions => ForEachVersion((kind, version) => definitions.Message(1, d => Definition(d, kind, version))))
        .ToArray();

    private static void ForEachVersion(Action<RuleKind, string> visit)
    {
        foreach (RuleKind kind in RuleKinds.All)
        {
            foreach (string version in kind.Versions)
            {
                visit(kind, version);
            }
        }
    }

    private static void Path(ProtoWriter path, RuleKind kind, string version) => path
        .Text(1, $"/apis/{kind.Group}/{version}/namespaces/{{namespace}}/{kind.Plural}/{{name}}")
        .Message(2, item => item.Message(8, patch => patch // PathItem.patch
            .Message(8, static p => Query(p, "dryRun"))
            .Message(8, static p => Query(p, "fieldManager"))
            .Message(9, static _ => { })
            .Message(13, x => Extension(x, Gvk(kind, version, "")))));

    // ParametersItem.parameter.non_body_parameter.query_parameter_sub_schema
    private static void Query(ProtoWriter item, string name) => item.Message(1, parameter => parameter.Message(2, nonBody => nonBody.Message(
        3, query => query.Text(2, "query").Text(4, name).Text(6, "string"))));

    private static void Definition(ProtoWriter named, RuleKind kind, string version) => named
        .Text(1, Documents.SchemaName(kind, version))
        .Message(2, schema =>
        {
            Schema(schema, kind.OpenApiSchema());
            schema.Message(31, x => Extension(x, Gvk(kind, version, "- ")));
        });

    private static void Schema(ProtoWriter writer, JsonObject schema)
    {
        writer.Text(2, (string?)schema["format"]).Text(4, (string?)schema["description"]);
        foreach (JsonNode? required in schema["required"] as JsonArray ?? [])
        {
            writer.Text(19, (string?)required);
        }

        if (schema["additionalProperties"] is JsonObject values)
        {
            writer.Message(21, item => item.Message(1, inner => Schema(inner, values)));
        }

        bool isOpen = schema["x-kubernetes-preserve-unknown-fields"] is not null || schema["x-kubernetes-int-or-string"] is not null;
        if (!isOpen && (string?)schema["type"] is { } type)
        {
            writer.Message(22, item => item.Text(1, type));
        }

        if (schema["items"] is JsonObject items)
        {
            writer.Message(23, item => item.Message(1, inner => Schema(inner, items)));
        }

        if (schema["properties"] is JsonObject { Count: > 0 } properties)
        {
            writer.Message(25, all =>
            {
                foreach ((string name, JsonNode? property) in properties)
                {
                    all.Message(1, named => named.Text(1, name).Message(2, inner => Schema(inner, (JsonObject)property!)));
                }
            });
        }
    }

    // NamedAny with YAML text, as gnostic keeps extensions.
    private static void Extension(ProtoWriter named, string yaml) => named.Text(1, GroupVersionKind).Message(2, any => any.Text(2, yaml));

    private static string Gvk(RuleKind kind, string version, string first)
    {
        string indent = new(' ', first.Length);
        return $"{first}group: {kind.Group}\n{indent}kind: {kind.Kind}\n{indent}version: {version}\n";
    }
}
