using Mesh.Rules.Schema;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Mesh.Rules.Reading;

/// <summary>The named values (<c>&amp;name</c>) of one YAML document. A few lines could stand for gigabytes, so what references add is counted.</summary>
internal sealed class YamlReferences
{
    /// <summary>Most values that the references of a document may add; far above any manifest.</summary>
    public const int MaxAdded = 100_000;

    private readonly Dictionary<string, (RuleNode Node, int Size, int Depth)> _named = new(StringComparer.Ordinal);
    private int _added;

    /// <summary>Forgets all: names hold for one document.</summary>
    public void Clear()
    {
        _named.Clear();
        _added = 0;
    }

    /// <summary>Gives <paramref name="node"/> a name; the last one of that name counts.</summary>
    public void Keep(string name, RuleNode node)
    {
        (int size, int depth) = Measure(node);
        _named[name] = (node, size, depth);
    }

    /// <summary>The value that is meant. It is shared, for nodes do not change.</summary>
    public RuleNode Follow(AnchorAlias alias, int depth)
    {
        if (!_named.TryGetValue(alias.Value.Value, out (RuleNode Node, int Size, int Depth) found))
        {
            throw new YamlException(alias.Start, alias.End, $"*{alias.Value.Value}: no &{alias.Value.Value} stands before it");
        }

        _added += found.Size;
        if (_added > MaxAdded || depth + found.Depth > RuleNode.MaxDepth)
        {
            throw new YamlException(alias.Start, alias.End, $"*{alias.Value.Value}: references stand for more than {MaxAdded} values or {RuleNode.MaxDepth} levels; write the value out");
        }

        return found.Node;
    }

    /// <summary>The fields that <c>&lt;&lt;</c> takes over from a map or a list of maps; of one name the first counts.</summary>
    public static void Collect(RuleNode value, List<RuleField> fields, ParsingEvent current)
    {
        foreach (RuleNode map in value.Kind == RuleNodeKind.List ? value.Items : [value])
        {
            if (map.Kind != RuleNodeKind.Map)
            {
                throw new YamlException(current.Start, current.End, "<< takes over a map, or a list of maps");
            }

            fields.AddRange(map.Fields);
        }
    }

    // Bounded: what is measured was read, and what it refers to was counted.
    private static (int Size, int Depth) Measure(RuleNode node)
    {
        int size = 1;
        int depth = 0;
        foreach (RuleNode child in node.Kind == RuleNodeKind.Map ? node.Fields.Select(static f => f.Value) : node.Items)
        {
            (int below, int levels) = Measure(child);
            size += below;
            depth = Math.Max(depth, levels + 1);
        }

        return (size, depth);
    }
}
