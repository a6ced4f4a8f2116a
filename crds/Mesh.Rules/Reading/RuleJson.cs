using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Reading;

/// <summary>
/// Turns the text of one object, YAML or JSON, into a <see cref="JsonObject"/>. Never throws on bad input; duplicates are reported and the
/// first one is kept. Stateless.
/// </summary>
public static class RuleJson
{
    /// <summary>Reads one YAML document (JSON is YAML too).</summary>
    /// <returns>The object, null when the text holds no single object; and all findings (syntax, duplicate fields).</returns>
    public static (JsonObject? Object, ImmutableArray<Diagnostic> Diagnostics) FromYaml(string text) => OneObject(YamlTree.ReadAll(text));

    /// <summary>Reads one YAML document of any kind, as <c>kubectl</c> does: references (<c>*name</c>, <c>&lt;&lt;</c>) are followed.</summary>
    /// <returns>The object, null when the text holds no single object; and all findings (syntax, duplicate fields).</returns>
    public static (JsonObject? Object, ImmutableArray<Diagnostic> Diagnostics) FromManifest(string text) =>
        OneObject(YamlTree.ReadAll(text, withReferences: true));

    private static (JsonObject? Object, ImmutableArray<Diagnostic> Diagnostics) OneObject(List<YamlTree.Document> documents)
    {
        ImmutableArray<Diagnostic> problems = [.. documents.SelectMany(static document => document.Problems)];
        if (documents.Exists(static document => document.Root is null))
        {
            return (null, problems);
        }

        documents.RemoveAll(static document => document.Root!.Kind == RuleNodeKind.Null);
        return documents is [{ Root: { Kind: RuleNodeKind.Map } root }]
            ? ((JsonObject)ToJson(root)!, problems)
            : (null, problems.Add(NoObject(documents.Count == 1 ? documents[0].Root! : null, documents.Count)));
    }

    /// <summary>Reads a JSON object from UTF-8.</summary>
    /// <returns>The object, null when the bytes hold none; and all findings with line and column.</returns>
    public static (JsonObject? Object, ImmutableArray<Diagnostic> Diagnostics) FromJson(ReadOnlySpan<byte> utf8)
    {
        RuleNode? root = JsonTree.Read(utf8, out ImmutableArray<Diagnostic> problems);
        return root switch
        {
            null => (null, problems),
            { Kind: RuleNodeKind.Map } => ((JsonObject)ToJson(root)!, problems),
            _ => (null, problems.Add(NoObject(root, 1))),
        };
    }

    /// <summary>Removes the fields that the kind's schema does not know, as a Kubernetes API server prunes; metadata stays as it is.</summary>
    /// <param name="obj">The object; changed in place.</param>
    /// <param name="kind">Its kind.</param>
    public static void PruneUnknownFields(JsonObject obj, Kinds.RuleKind kind) => Prune(obj, kind.OpenApiSchema());

    private static void Prune(JsonNode? value, JsonObject schema)
    {
        if (value is JsonArray list && schema["items"] is JsonObject itemSchema)
        {
            foreach (JsonNode? item in list)
            {
                Prune(item, itemSchema);
            }
        }
        else if (value is JsonObject map && schema["properties"] is JsonObject properties)
        {
            foreach (string name in map.Select(static field => field.Key).ToArray())
            {
                if (properties[name] is JsonObject known)
                {
                    Prune(map[name], known);
                }
                else
                {
                    map.Remove(name);
                }
            }
        }
    }

    internal static JsonNode? ToJson(RuleNode node)
    {
        switch (node.Kind)
        {
            case RuleNodeKind.Null:
                return null;
            case RuleNodeKind.Bool:
                return JsonValue.Create(node.Text == "true");
            case RuleNodeKind.Text:
                return JsonValue.Create(node.Text);
            case RuleNodeKind.Number:
                return Number(node.Text);
            case RuleNodeKind.List:
                return new JsonArray([.. node.Items.Select(ToJson)]);
            default:
                JsonObject result = [];
                foreach (RuleField field in node.Fields)
                {
                    result[field.Name] = ToJson(field.Value);
                }

                return result;
        }
    }

    private static JsonValue Number(string text)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole))
        {
            return JsonValue.Create(whole);
        }

        using JsonDocument document = JsonDocument.Parse(text); // keeps every digit
        return JsonValue.Create(document.RootElement.Clone())!;
    }

    internal static Diagnostic NoObject(RuleNode? node, int documents) => new(
        Severity.Error,
        DiagnosticCode.Syntax,
        "",
        node?.Line ?? 0,
        node?.Column ?? 0,
        node is null && documents > 1
            ? $"one object expected, found {documents} documents; send them one by one"
            : $"not a Kubernetes object, was {node?.Describe() ?? "empty"}; it begins with apiVersion, kind, metadata and spec");
}
