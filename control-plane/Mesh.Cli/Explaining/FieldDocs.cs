using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.Rules.Kinds;

namespace Mesh.Cli.Explaining;

/// <summary>What the schema of a kind says of its fields: one line each, and the default where there is one.</summary>
/// <param name="kind">The kind.</param>
internal sealed partial class FieldDocs(RuleKind kind)
{
    private readonly JsonObject _schema = kind.OpenApiSchema();

    /// <summary>The line about a field; empty when there is none.</summary>
    /// <param name="path"><c>spec.http[0].timeout</c>.</param>
    public string Of(string path) => Find(path)?["description"]?.ToString() ?? "";

    /// <summary>Fields of the block at <paramref name="path"/> that have a default, with it.</summary>
    public IEnumerable<(string Name, string Default, string Doc)> DefaultsIn(string path)
    {
        foreach ((string name, JsonNode? field) in Find(path)?["properties"]?.AsObject() ?? [])
        {
            string doc = field?["description"]?.ToString() ?? "";
            if (AsSentence().Match(doc) is { Success: true } sentence)
            {
                yield return (name, sentence.Groups[1].Value, doc);
            }
            else if (AsRemark().Match(doc) is { Success: true } remark)
            {
                yield return (name, remark.Groups[1].Value, doc);
            }
        }
    }

    private JsonNode? Find(string path)
    {
        JsonNode? at = _schema;
        foreach (string step in path.Split(['.', '['], StringSplitOptions.RemoveEmptyEntries))
        {
            at = step.EndsWith(']') ? at?["items"] : at?["properties"]?[step] ?? at?["additionalProperties"];
        }

        return at;
    }

    // "Default 60s." and "sidecar (default)".
    [GeneratedRegex(@"Default (.+?)(?:\.(?:\s|$)|: )")]
    private static partial Regex AsSentence();

    [GeneratedRegex(@"([A-Za-z0-9_.-]+) \(default\)")]
    private static partial Regex AsRemark();
}
