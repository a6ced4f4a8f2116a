using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Reading;

/// <summary>Turns JSON into trees: from bytes with line and column, or from a <see cref="JsonNode"/> without.</summary>
internal static class JsonTree
{
    /// <summary>Reads bytes; null with a finding when they are no JSON.</summary>
    public static RuleNode? Read(ReadOnlySpan<byte> utf8, out ImmutableArray<Diagnostic> problems)
    {
        List<Diagnostic> found = [];
        RuleNode? root = null;
        try
        {
            Utf8JsonReader reader = new(utf8, new JsonReaderOptions { MaxDepth = RuleNode.MaxDepth });
            if (reader.Read())
            {
                root = ReadNode(ref reader, new Source(utf8), "", found);
                reader.Read(); // throws when something follows
            }
        }
        catch (JsonException e)
        {
            root = null;
            found.Add(Broken($"not readable as JSON: {e.Message}", (int)(e.LineNumber ?? -1) + 1, (int)(e.BytePositionInLine ?? -1) + 1));
        }
        catch (InvalidOperationException e)
        {
            // Thrown by GetString for text that is no UTF-8 or holds half a surrogate pair.
            root = null;
            found.Add(Broken($"not readable as JSON: {e.Message}", 0, 0));
        }

        problems = [.. found];
        return root;
    }

    /// <summary>Converts a node; null with a finding when it is nested too deep or holds a field twice.</summary>
    public static RuleNode? Convert(JsonNode? json, out ImmutableArray<Diagnostic> problems)
    {
        problems = [];
        try
        {
            return Convert(json, 0);
        }
        catch (JsonException e)
        {
            problems = [Broken(e.Message, 0, 0)];
        }
        catch (ArgumentException e)
        {
            // How JsonObject, filled only when first asked, reports a name that occurs twice.
            problems = [new Diagnostic(Severity.Error, DiagnosticCode.DuplicateField, "", 0, 0, $"duplicate field: {e.Message}")];
        }

        return null;
    }

    private static RuleNode Convert(JsonNode? json, int depth)
    {
        if (depth > RuleNode.MaxDepth)
        {
            throw new JsonException($"nested deeper than {RuleNode.MaxDepth} levels");
        }

        switch (json)
        {
            case null:
                return RuleNode.Scalar(RuleNodeKind.Null, "");
            case JsonObject map:
                return RuleNode.Map([.. map.Select(pair => new RuleField(pair.Key, 0, 0, Convert(pair.Value, depth + 1)))]);
            case JsonArray list:
                return RuleNode.List([.. list.Select(item => Convert(item, depth + 1))]);
        }

        return json.GetValueKind() switch
        {
            JsonValueKind.True => RuleNode.Scalar(RuleNodeKind.Bool, "true"),
            JsonValueKind.False => RuleNode.Scalar(RuleNodeKind.Bool, "false"),
            JsonValueKind.Number => RuleNode.Scalar(RuleNodeKind.Number, json.ToJsonString()),
            JsonValueKind.String => RuleNode.Scalar(RuleNodeKind.Text, json.GetValue<string>()),
            _ => RuleNode.Scalar(RuleNodeKind.Null, ""),
        };
    }

    private static RuleNode ReadNode(ref Utf8JsonReader reader, Source source, string path, List<Diagnostic> problems)
    {
        (int line, int column) = source.Position(reader.TokenStartIndex);
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                return ReadMap(ref reader, source, path, problems);
            case JsonTokenType.StartArray:
                List<RuleNode> items = [];
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    items.Add(ReadNode(ref reader, source, $"{path}[{items.Count}]", problems));
                }

                return RuleNode.List([.. items], line, column);
            case JsonTokenType.String:
                return RuleNode.Scalar(RuleNodeKind.Text, reader.GetString()!, line, column);
            case JsonTokenType.Number:
                return RuleNode.Scalar(RuleNodeKind.Number, System.Text.Encoding.UTF8.GetString(reader.ValueSpan), line, column);
            case JsonTokenType.True or JsonTokenType.False:
                return RuleNode.Scalar(RuleNodeKind.Bool, reader.GetBoolean() ? "true" : "false", line, column);
            default:
                return RuleNode.Scalar(RuleNodeKind.Null, "", line, column);
        }
    }

    private static RuleNode ReadMap(ref Utf8JsonReader reader, Source source, string path, List<Diagnostic> problems)
    {
        (int line, int column) = source.Position(reader.TokenStartIndex);
        List<RuleField> fields = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string name = reader.GetString()!;
            string fieldPath = path.Length == 0 ? name : $"{path}.{name}";
            (int nameLine, int nameColumn) = source.Position(reader.TokenStartIndex);
            reader.Read();
            RuleNode value = ReadNode(ref reader, source, fieldPath, problems);
            if (names.Add(name))
            {
                fields.Add(new RuleField(name, nameLine, nameColumn, value));
            }
            else
            {
                problems.Add(YamlTree.Duplicate(fieldPath, name, nameLine, nameColumn));
            }
        }

        return RuleNode.Map([.. fields], line, column);
    }

    private static Diagnostic Broken(string message, int line, int column) =>
        new(Severity.Error, DiagnosticCode.Syntax, "", line, column, message);

    /// <summary>Finds line and column of a byte by the table of line starts.</summary>
    private sealed class Source
    {
        private readonly List<int> _lineStarts = [0];

        public Source(ReadOnlySpan<byte> utf8)
        {
            for (int i = 0; i < utf8.Length; i++)
            {
                if (utf8[i] == (byte)'\n')
                {
                    _lineStarts.Add(i + 1);
                }
            }
        }

        public (int Line, int Column) Position(long index)
        {
            int found = _lineStarts.BinarySearch((int)index);
            int line = found >= 0 ? found : ~found - 1;
            return (line + 1, (int)index - _lineStarts[line] + 1);
        }
    }
}
