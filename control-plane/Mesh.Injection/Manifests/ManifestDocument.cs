using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Injection.Manifests;

/// <summary>One document of a text, to the letter: with the line <c>---</c> it begins with, if it does.</summary>
/// <param name="Line">Line of the text at which it begins, from 1.</param>
/// <param name="Text">The document.</param>
internal readonly record struct ManifestDocument(int Line, string Text)
{
    private const string Marker = "---";

    /// <summary>True when it holds no value: only comments, blank lines and directives.</summary>
    public bool IsEmpty
    {
        get
        {
            bool isFirst = true;
            foreach (ReadOnlySpan<char> line in Text.AsSpan().EnumerateLines())
            {
                ReadOnlySpan<char> content = (isFirst && IsMarker(line) ? line[Marker.Length..] : line).Trim();
                isFirst = false;
                if (content.Length > 0 && content[0] is not ('#' or '%') && content is not "...")
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Cuts at lines that begin with <c>---</c>: YAML lets none stand inside a value, and kubectl cuts there too.</summary>
    public static IEnumerable<ManifestDocument> Split(string text)
    {
        int start = 0;
        int startLine = 1;
        int line = 1;
        for (int at = 0; at < text.Length; line++)
        {
            if (at > start && IsMarker(text.AsSpan(at)))
            {
                yield return new ManifestDocument(startLine, text[start..at]);
                (start, startLine) = (at, line);
            }

            int end = text.IndexOf('\n', at);
            at = end < 0 ? text.Length : end + 1;
        }

        if (start < text.Length)
        {
            yield return new ManifestDocument(startLine, text[start..]);
        }
    }

    /// <summary>The object; JSON is read as JSON, because it may be indented with tabs.</summary>
    public (JsonObject? Object, ImmutableArray<Diagnostic> Problems) Read()
    {
        if (Text.AsSpan().TrimStart() is ['{', ..] && RuleJson.FromJson(Encoding.UTF8.GetBytes(Text)) is ({ } json, []))
        {
            return (json, []);
        }

        return RuleJson.FromManifest(Text);
    }

    private static bool IsMarker(ReadOnlySpan<char> line) =>
        line.StartsWith(Marker, StringComparison.Ordinal) && (line.Length == Marker.Length || char.IsWhiteSpace(line[Marker.Length]));
}
