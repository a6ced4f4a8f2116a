using System.Collections.Immutable;

namespace Mesh.Rules.Schema;

/// <summary>What a node of a rule's tree is; JSON's six.</summary>
internal enum RuleNodeKind
{
    Null,
    Bool,
    Number,
    Text,
    List,
    Map,
}

/// <summary>A field of a map: its name, where the name stands, and its value.</summary>
internal readonly record struct RuleField(string Name, int Line, int Column, RuleNode Value);

/// <summary>A YAML or JSON value that knows where it stood in the text. Immutable.</summary>
internal sealed class RuleNode
{
    private RuleNode(RuleNodeKind kind, string text, int line, int column)
    {
        Kind = kind;
        Text = text;
        Line = line;
        Column = column;
    }

    /// <summary>Deepest nesting that is read; what lies deeper is refused, so that no walk over a tree can exhaust the stack.</summary>
    public const int MaxDepth = 64;

    public RuleNodeKind Kind { get; }

    /// <summary>A scalar's value: the text, the number as JSON writes it, <c>true</c> or <c>false</c>; empty for the others.</summary>
    public string Text { get; }

    /// <summary>Line in the text from 1; 0 when unknown.</summary>
    public int Line { get; }

    /// <summary>Column in the text from 1; 0 when unknown.</summary>
    public int Column { get; }

    /// <summary>Items of a list.</summary>
    public ImmutableArray<RuleNode> Items { get; private init; } = [];

    /// <summary>Fields of a map, in the order written, names unique.</summary>
    public ImmutableArray<RuleField> Fields { get; private init; } = [];

    public static RuleNode Scalar(RuleNodeKind kind, string text, int line = 0, int column = 0) => new(kind, text, line, column);

    public static RuleNode List(ImmutableArray<RuleNode> items, int line = 0, int column = 0) =>
        new(RuleNodeKind.List, "", line, column) { Items = items };

    public static RuleNode Map(ImmutableArray<RuleField> fields, int line = 0, int column = 0) =>
        new(RuleNodeKind.Map, "", line, column) { Fields = fields };

    /// <summary>The field of that name, or null.</summary>
    public RuleField? Find(string name)
    {
        foreach (RuleField field in Fields)
        {
            if (field.Name == name)
            {
                return field;
            }
        }

        return null;
    }

    /// <summary>The node in a few words, for a message: <c>the text "abc"</c>, <c>a list</c>.</summary>
    public string Describe() => Kind switch
    {
        RuleNodeKind.Null => "null",
        RuleNodeKind.Bool => Text,
        RuleNodeKind.Number => $"the number {Excerpt(Text)}",
        RuleNodeKind.Text => $"the text {Quote(Text)}",
        RuleNodeKind.List => "a list",
        _ => "an object",
    };

    /// <summary>A text in quotes, shortened so that a message stays readable.</summary>
    public static string Quote(string text) => $"\"{Excerpt(text)}\"";

    private static string Excerpt(string text) => text.Length <= 80 ? text : text[..77] + "...";
}
