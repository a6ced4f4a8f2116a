using System.Text.Json.Nodes;

namespace Mesh.Cli.Explaining;

/// <summary>A value in force as a sidecar's <c>/policies</c> has it.</summary>
/// <param name="Field">Field.</param>
/// <param name="Value">Value with its unit.</param>
/// <param name="Now">What it stands at; empty where nothing moves.</param>
/// <param name="Kind">Kind of rule that can set it.</param>
/// <param name="Rule">Rule and path, or <c>default</c>.</param>
internal sealed record PolicyLine(string Field, string Value, string Now, string Kind, string Rule)
{
    /// <summary>The values of a cluster or route.</summary>
    public static IReadOnlyList<PolicyLine> Of(JsonObject owner) =>
        [.. ((owner["values"] as JsonArray)?.OfType<JsonObject>() ?? []).Select(static v => new PolicyLine(Text(v, "field"), Text(v, "value"), Text(v, "now"), Text(v, "kind"), Text(v, "rule")))];

    /// <summary>A text of an object; empty when it is not there.</summary>
    public static string Text(JsonObject from, string name) => from[name]?.ToString() ?? "";
}

/// <summary>Values in force, in columns. Pure.</summary>
internal static class PolicyTable
{
    /// <summary>A line for each value: field, value, now, origin.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<PolicyLine> values, RulePlaces places)
    {
        int field = Width(static v => v.Field);
        int value = Width(static v => v.Value);
        int now = Width(static v => v.Now.Length == 0 ? "" : "now " + v.Now);
        return values.Select(v => $"{v.Field.PadRight(field)}  {v.Value.PadRight(value)}  {(v.Now.Length == 0 ? "" : "now " + v.Now).PadRight(now)}  {Origin(v, places)}");

        int Width(Func<PolicyLine, string> text) => values.Count == 0 ? 0 : values.Max(v => text(v).Length);
    }

    private static string Origin(PolicyLine value, RulePlaces places)
    {
        if (value.Rule == "default")
        {
            return "built-in default";
        }

        string place = places.Of(value.Rule, value.Field, value.Kind) is { } known ? $"   {known}" : "";
        return $"{value.Kind} {value.Rule}{place}";
    }
}
