using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Schema;

/// <summary>A whole number within limits.</summary>
/// <param name="Min">Smallest value.</param>
/// <param name="Max">Largest value.</param>
/// <param name="Format">int32 or int64.</param>
/// <param name="OutOfRange">Istio's text for a value outside; null for ours.</param>
internal sealed class WholeType(long Min, long Max, string Format, string? OutOfRange = null) : FieldType<long>
{
    public static readonly WholeType Int32 = new(int.MinValue, int.MaxValue, "int32");

    public override bool TryRead(RuleNode node, Cursor at, out long value)
    {
        value = 0;
        if (node.Kind != RuleNodeKind.Number)
        {
            at.TypeError($"must be a whole number, was {node.Describe()}{Advice(node)}");
            return false;
        }

        if (!double.TryParse(node.Text, CultureInfo.InvariantCulture, out double number) || number != Math.Floor(number))
        {
            at.TypeError($"must be a whole number, was {node.Describe()}");
            return false;
        }

        if (!long.TryParse(node.Text, CultureInfo.InvariantCulture, out value))
        {
            value = number is >= long.MinValue and < long.MaxValue ? (long)number : number < 0 ? long.MinValue : long.MaxValue;
        }

        if (value < Min || value > Max)
        {
            at.Error(OutOfRange is null
                ? $"must be in {Min}..{Max}, was {node.Text}"
                : $"{OutOfRange}, was {node.Text}");
            return false;
        }

        return true;
    }

    public override JsonObject OpenApi()
    {
        JsonObject schema = new() { ["type"] = "integer", ["format"] = Format };
        if (Min > (Format == "int32" ? int.MinValue : long.MinValue))
        {
            schema["minimum"] = Min;
        }

        if (Max < (Format == "int32" ? int.MaxValue : long.MaxValue))
        {
            schema["maximum"] = Max;
        }

        return schema;
    }

    private static string Advice(RuleNode node)
    {
        if (node.Kind != RuleNodeKind.Text)
        {
            return "";
        }

        string trimmed = node.Text.Trim();
        if (long.TryParse(trimmed, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long quoted))
        {
            return $"; remove the quotes: {quoted}";
        }

        return trimmed.EndsWith('%') && long.TryParse(trimmed[..^1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long percent)
            ? $"; write {percent}"
            : "";
    }
}

/// <summary>A number within limits.</summary>
internal sealed class NumberType(double Min, double Max, string? OutOfRange = null) : FieldType<double>
{
    public override bool TryRead(RuleNode node, Cursor at, out double value)
    {
        value = 0;
        if (node.Kind != RuleNodeKind.Number || !double.TryParse(node.Text, CultureInfo.InvariantCulture, out value) || !double.IsFinite(value))
        {
            at.TypeError($"must be a number, was {node.Describe()}");
            return false;
        }

        if (value < Min || value > Max)
        {
            string limits = string.Create(CultureInfo.InvariantCulture, $"must be in {Min}..{Max}");
            at.Error($"{OutOfRange ?? limits}, was {node.Text}");
            return false;
        }

        return true;
    }

    public override JsonObject OpenApi()
    {
        JsonObject schema = new() { ["type"] = "number", ["format"] = "double" };
        if (Min > double.MinValue)
        {
            schema["minimum"] = Min;
        }

        if (Max < double.MaxValue)
        {
            schema["maximum"] = Max;
        }

        return schema;
    }
}

/// <summary>Any text.</summary>
internal sealed class TextType : FieldType<string>
{
    public static readonly TextType Any = new();

    public override bool TryRead(RuleNode node, Cursor at, out string value)
    {
        value = node.Text;
        if (node.Kind == RuleNodeKind.Text)
        {
            return true;
        }

        string advice = node.Kind is RuleNodeKind.Number or RuleNodeKind.Bool ? $"; put it in quotes: {RuleNode.Quote(node.Text)}" : "";
        at.TypeError($"must be a text, was {node.Describe()}{advice}");
        return false;
    }

    public override JsonObject OpenApi() => new() { ["type"] = "string" };
}

/// <summary>One of a closed list of words.</summary>
internal sealed class EnumType(params string[] words) : FieldType<string>
{
    public override bool TryRead(RuleNode node, Cursor at, out string value)
    {
        if (!TextType.Any.TryRead(node, at, out value))
        {
            return false;
        }

        if (words.Contains(value, StringComparer.Ordinal))
        {
            return true;
        }

        string known = string.Join(", ", words.Where(static word => word.Length > 0));
        at.Error($"unsupported value {RuleNode.Quote(value)}; write one of {known}{Suggestion.For(value, words)}", DiagnosticCode.NotSupported);
        return false;
    }

    public override JsonObject OpenApi() =>
        new() { ["type"] = "string", ["enum"] = new JsonArray([.. words.Select(static word => (JsonNode)word)]) };
}

/// <summary>True or false.</summary>
internal sealed class FlagType : FieldType<bool>
{
    public static readonly FlagType Any = new();

    public override bool TryRead(RuleNode node, Cursor at, out bool value)
    {
        value = node.Text == "true";
        if (node.Kind == RuleNodeKind.Bool)
        {
            return true;
        }

        string advice = node is { Kind: RuleNodeKind.Text, Text: "true" or "false" } ? "; remove the quotes" : "";
        at.TypeError($"must be true or false, was {node.Describe()}{advice}");
        return false;
    }

    public override JsonObject OpenApi() => new() { ["type"] = "boolean" };
}

/// <summary>A duration under Istio's rules: at least 1 ms, in whole milliseconds.</summary>
internal sealed class DurationType(bool AllowZero) : FieldType<TimeSpan>
{
    public override bool TryRead(RuleNode node, Cursor at, out TimeSpan value)
    {
        value = default;
        if (node.Kind != RuleNodeKind.Text)
        {
            string advice = node.Kind == RuleNodeKind.Number ? $"; add the unit: {node.Text}s or {node.Text}ms" : " such as 10s, 250ms or 1m30s";
            at.TypeError($"must be a duration, was {node.Describe()}{advice}");
            return false;
        }

        if (DurationText.Check(node.Text, AllowZero, out value) is not { } problem)
        {
            return true;
        }

        at.Error(problem);
        return false;
    }

    public override JsonObject OpenApi() => new() { ["type"] = "string" };
}
