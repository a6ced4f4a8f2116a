using System.Collections.Immutable;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Mesh.Rules.Reading;

/// <summary>Turns YAML text into trees with line and column. One instance reads one text.</summary>
internal sealed class YamlTree
{
    /// <summary>Longest text that is read, in characters; far above any folder of rules, far below what would hurt.</summary>
    public const int MaxLength = 8 * 1024 * 1024;

    private readonly Parser _parser;
    private readonly List<Diagnostic> _problems = [];
    private readonly YamlReferences? _references;

    private YamlTree(string text, bool withReferences)
    {
        _parser = new Parser(new StringReader(text));
        _references = withReferences ? new YamlReferences() : null;
    }

    /// <summary>A document and what was wrong with it; the root is null when it could not be read at all.</summary>
    public readonly record struct Document(RuleNode? Root, ImmutableArray<Diagnostic> Problems);

    /// <summary>Reads all documents of a text. After a syntax error nothing more is read, for no later line can be trusted.</summary>
    /// <param name="text">The text.</param>
    /// <param name="withReferences">Whether <c>*name</c> and <c>&lt;&lt;</c> are followed: people write them in manifests; rules have no need of them.</param>
    public static List<Document> ReadAll(string text, bool withReferences = false)
    {
        List<Document> documents = [];
        if (text.Length > MaxLength)
        {
            documents.Add(Failed(0, 0, $"the text has {text.Length} characters; split it into files of at most {MaxLength}"));
            return documents;
        }

        YamlTree tree = new(text, withReferences);
        try
        {
            tree.ReadStream(documents);
        }
        catch (YamlException e)
        {
            int tab = LineIndentedByTab(text, (int)e.Start.Line);
            documents.Add(tab > 0
                ? Failed(tab, 1, "not readable as YAML: the line is indented with a tab; indent with spaces")
                : Failed((int)e.Start.Line, (int)e.Start.Column, $"not readable as YAML: {e.Message.TrimEnd('.')}"));
        }

        return documents;
    }

    /// <summary>The line where the error is or the next one, if it begins with a tab; the parser's own words do not say so.</summary>
    private static int LineIndentedByTab(string text, int errorLine)
    {
        int line = 0;
        foreach (ReadOnlySpan<char> content in text.AsSpan().EnumerateLines())
        {
            line++;
            if (line >= errorLine && content.TrimStart(' ') is ['\t', ..])
            {
                return line;
            }

            if (line > errorLine)
            {
                break;
            }
        }

        return 0;
    }

    private static Document Failed(int line, int column, string message) =>
        new(null, [new Diagnostic(Severity.Error, DiagnosticCode.Syntax, "", line, column, message)]);

    private void ReadStream(List<Document> documents)
    {
        Next();
        while (Next() && _parser.Current is not StreamEnd)
        {
            Next(); // past the document's start
            _problems.Clear();
            _references?.Clear();
            RuleNode root = ReadNode("", 0);
            Next(); // to the document's end
            documents.Add(new Document(root, [.. _problems]));
        }
    }

    private bool Next()
    {
        try
        {
            return _parser.MoveNext();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // The parser's slips on some malformed texts (a bare value broken off in a flow list); to the author a syntax error like any other.
            Mark place = _parser.Current?.End ?? Mark.Empty;
            throw new YamlException(place, place, "broken off or misplaced value after this point", e);
        }
    }

    /// <summary>Reads the node that begins at the current event, and moves past it to its last event.</summary>
    private RuleNode ReadNode(string path, int depth)
    {
        ParsingEvent current = _parser.Current!;
        if (depth > RuleNode.MaxDepth)
        {
            throw new YamlException(current.Start, current.End, $"nested deeper than {RuleNode.MaxDepth} levels");
        }

        RuleNode node = ReadNode(current, path, depth);
        if (_references is not null && current is NodeEvent { Anchor.IsEmpty: false } named)
        {
            _references.Keep(named.Anchor.Value, node);
        }

        return node;
    }

    private RuleNode ReadNode(ParsingEvent current, string path, int depth)
    {
        (int line, int column) = ((int)current.Start.Line, (int)current.Start.Column);
        switch (current)
        {
            case Scalar scalar:
                return ReadScalar(scalar, line, column);
            case AnchorAlias alias when _references is not null:
                return _references.Follow(alias, depth);
            case SequenceStart:
                List<RuleNode> items = [];
                while (Next() && _parser.Current is not SequenceEnd)
                {
                    items.Add(ReadNode($"{path}[{items.Count}]", depth + 1));
                }

                return RuleNode.List([.. items], line, column);
            case MappingStart:
                return ReadMap(path, depth, line, column);
            default:
                // As a value may appear many times over, a few lines could stand for gigabytes; rules have no need of it.
                throw new YamlException(current.Start, current.End, "references (*name) are not supported; write the value out");
        }
    }

    private RuleNode ReadMap(string path, int depth, int line, int column)
    {
        List<RuleField> fields = [];
        List<RuleField> merged = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        while (Next() && _parser.Current is not MappingEnd)
        {
            if (_parser.Current is not Scalar key)
            {
                throw new YamlException(_parser.Current!.Start, _parser.Current.End, "the name of a field must be a plain text");
            }

            (int keyLine, int keyColumn) = ((int)key.Start.Line, (int)key.Start.Column);
            string fieldPath = path.Length == 0 ? key.Value : $"{path}.{key.Value}";
            Next();
            RuleNode value = ReadNode(fieldPath, depth + 1);
            if (key.Value == "<<" && key.Style == ScalarStyle.Plain && _references is not null)
            {
                YamlReferences.Collect(value, merged, current: _parser.Current!);
            }
            else if (names.Add(key.Value))
            {
                fields.Add(new RuleField(key.Value, keyLine, keyColumn, value));
            }
            else
            {
                _problems.Add(Duplicate(fieldPath, key.Value, keyLine, keyColumn));
            }
        }

        fields.AddRange(merged.Where(field => names.Add(field.Name))); // what the map says itself goes before what it takes over
        return RuleNode.Map([.. fields], line, column);
    }

    /// <summary>The finding for a field that is written twice.</summary>
    internal static Diagnostic Duplicate(string path, string name, int line, int column) =>
        new(Severity.Error, DiagnosticCode.DuplicateField, path, line, column, $"duplicate field \"{name}\"; remove one of the two");

    private static RuleNode ReadScalar(Scalar scalar, int line, int column)
    {
        string tag = scalar.Tag.IsEmpty ? "" : scalar.Tag.Value;
        bool quoted = scalar.Style is not (ScalarStyle.Plain or ScalarStyle.Any);
        bool text = tag switch
        {
            "" => quoted,
            "!" or "tag:yaml.org,2002:str" => true,
            "tag:yaml.org,2002:int" or "tag:yaml.org,2002:float" or "tag:yaml.org,2002:bool" or "tag:yaml.org,2002:null" => false,
            _ => throw new YamlException(scalar.Start, scalar.End, $"the tag {tag} is not supported; remove it"),
        };
        if (text)
        {
            return RuleNode.Scalar(RuleNodeKind.Text, scalar.Value, line, column);
        }

        RuleNodeKind kind = PlainScalar.Resolve(scalar.Value, out string value);
        return RuleNode.Scalar(kind, value, line, column);
    }
}
