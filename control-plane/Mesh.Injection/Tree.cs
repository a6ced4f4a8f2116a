using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>Reads and extends a pod's JSON without trusting its shape: what is missing, or of another type, reads as nothing.</summary>
internal static class Tree
{
    /// <summary>A text of <paramref name="map"/>, or null.</summary>
    public static string? Text(this JsonObject? map, string name) =>
        map?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    /// <summary>A whole number of <paramref name="map"/>, or null.</summary>
    public static int? Number(this JsonObject? map, string name) =>
        map?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.Number
        && int.TryParse(value.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) ? number : null;

    /// <summary>Whether <paramref name="name"/> is there and true.</summary>
    public static bool Flag(this JsonObject? map, string name) => map?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.True;

    /// <summary>An object of <paramref name="map"/>, or null.</summary>
    public static JsonObject? Map(this JsonObject? map, string name) => map?[name] as JsonObject;

    /// <summary>The objects in a list of <paramref name="map"/>.</summary>
    public static IEnumerable<JsonObject> Items(this JsonObject? map, string name) => (map?[name] as JsonArray ?? []).OfType<JsonObject>();

    /// <summary>Whether the list <paramref name="list"/> holds an object of that name.</summary>
    public static bool HasNamed(this JsonObject? map, string list, string name) => map.Items(list).Any(item => item.Text("name") == name);

    /// <summary>The object at <paramref name="name"/>, made when it is not there.</summary>
    public static JsonObject MapAt(this JsonObject map, string name)
    {
        if (map[name] is not JsonObject found)
        {
            map[name] = found = [];
        }

        return found;
    }

    /// <summary>The list at <paramref name="name"/>, made when it is not there.</summary>
    public static JsonArray ListAt(this JsonObject map, string name)
    {
        if (map[name] is not JsonArray found)
        {
            map[name] = found = [];
        }

        return found;
    }

    /// <summary>The texts of a map, such as labels.</summary>
    public static Dictionary<string, string> Texts(this JsonObject? map)
    {
        Dictionary<string, string> texts = new(StringComparer.Ordinal);
        foreach ((string name, JsonNode? _) in map ?? [])
        {
            if (map.Text(name) is { } text)
            {
                texts[name] = text;
            }
        }

        return texts;
    }
}
