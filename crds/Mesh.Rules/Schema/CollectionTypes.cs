using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Rules.Schema;

/// <summary>A list of values; items that cannot be read are reported and left out.</summary>
internal sealed class ListType<TItem>(FieldType<TItem> item) : FieldType<ImmutableArray<TItem>>
{
    public override bool TryRead(RuleNode node, Cursor at, out ImmutableArray<TItem> value)
    {
        value = [];
        if (node.Kind != RuleNodeKind.List)
        {
            at.TypeError($"must be a list, was {node.Describe()}; begin each item with a dash: \"- \"");
            return false;
        }

        ImmutableArray<TItem>.Builder items = ImmutableArray.CreateBuilder<TItem>(node.Items.Length);
        for (int i = 0; i < node.Items.Length; i++)
        {
            if (item.TryRead(node.Items[i], at.Item(i), out TItem read))
            {
                items.Add(read);
            }
        }

        value = items.ToImmutable();
        return true;
    }

    public override JsonObject OpenApi() => new() { ["type"] = "array", ["items"] = item.OpenApi() };

    public override IEnumerable<FieldEntry> Fields => item.Fields;
}

/// <summary>A map from free names to values.</summary>
internal sealed class MapType<TItem>(FieldType<TItem> item) : FieldType<ImmutableSortedDictionary<string, TItem>>
{
    public override bool TryRead(RuleNode node, Cursor at, out ImmutableSortedDictionary<string, TItem> value)
    {
        value = ImmutableSortedDictionary.Create<string, TItem>(StringComparer.Ordinal);
        if (node.Kind != RuleNodeKind.Map)
        {
            at.TypeError($"must be an object, was {node.Describe()}");
            return false;
        }

        foreach (RuleField field in node.Fields)
        {
            if (item.TryRead(field.Value, at.Field(field.Name), out TItem read))
            {
                value = value.SetItem(field.Name, read);
            }
        }

        return true;
    }

    public override JsonObject OpenApi() => new() { ["type"] = "object", ["additionalProperties"] = item.OpenApi() };

    public override IEnumerable<FieldEntry> Fields => item.Fields;
}
