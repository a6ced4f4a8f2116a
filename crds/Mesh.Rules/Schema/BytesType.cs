using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.Rules.Schema;

/// <summary>A number of bytes, at least 1, as Kubernetes writes quantities: 4096, 512Ki, 1Mi, 1M.</summary>
internal sealed class BytesType : FieldType<long>
{
    public static readonly BytesType Any = new();

    private static readonly (string Suffix, long Factor)[] Units =
        [("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000)];

    public override bool TryRead(RuleNode node, Cursor at, out long value)
    {
        (string suffix, long factor) = Array.Find(Units, u => node.Text.EndsWith(u.Suffix, StringComparison.Ordinal));
        string digits = node.Text[..^(suffix?.Length ?? 0)];
        factor = suffix is null ? 1 : factor;
        value = 0;
        if (node.Kind is RuleNodeKind.Text or RuleNodeKind.Number && long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            && count is > 0 && count <= (1L << 40) / factor)
        {
            value = count * factor;
            return true;
        }

        at.TypeError($"must be a number of bytes such as 512Ki or 1Mi, was {node.Describe()}");
        return false;
    }

    public override JsonObject OpenApi() => new() { ["x-kubernetes-int-or-string"] = true };
}
