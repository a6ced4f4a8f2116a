using System.Collections.Immutable;
using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Reads fields of objects that others wrote: what is missing, null or of another type counts as absent, because an API server leaves out what is empty
/// and writes null for an empty list. Never throws. Stateless.
/// </summary>
internal static class JsonLook
{
    /// <summary>The field; null when it is absent.</summary>
    public static JsonElement? Find(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    /// <summary>The text of a field; empty when it is absent.</summary>
    public static string Text(this JsonElement element, string name) =>
        element.Find(name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : "";

    /// <summary>The whole number of a field; null when it is absent.</summary>
    public static int? Whole(this JsonElement element, string name) =>
        element.Find(name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out int number) ? number : null;

    /// <summary>The truth of a field; null when it is absent, which means something else than false in several places.</summary>
    public static bool? Bool(this JsonElement element, string name) => element.Find(name)?.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    /// <summary>The items of a list; none when it is absent.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement element, string name) =>
        element.Find(name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];

    /// <summary>A map of texts, such as labels.</summary>
    public static ImmutableSortedDictionary<string, string> Texts(this JsonElement element, string name)
    {
        ImmutableSortedDictionary<string, string>.Builder texts = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        if (element.Find(name) is { ValueKind: JsonValueKind.Object } map)
        {
            foreach (JsonProperty entry in map.EnumerateObject().Where(static e => e.Value.ValueKind == JsonValueKind.String))
            {
                texts[entry.Name] = entry.Value.GetString()!;
            }
        }

        return texts.ToImmutable();
    }
}
