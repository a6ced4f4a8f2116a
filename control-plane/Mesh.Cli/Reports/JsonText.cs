using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Cli.Reports;

/// <summary>Indented JSON as the reports print it.</summary>
internal static class JsonText
{
    // Printed for people and tools, never put into a page: quotes in messages stay readable.
    private static readonly JsonWriterOptions Options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The text of an object that somebody else wrote.</summary>
    public static string Of(JsonObject page) => Object(json =>
    {
        foreach ((string name, JsonNode? value) in page)
        {
            json.WritePropertyName(name);
            if (value is null)
            {
                json.WriteNullValue();
            }
            else
            {
                value.WriteTo(json);
            }
        }
    });

    /// <summary>The text of one object, whose fields <paramref name="fields"/> writes.</summary>
    public static string Object(Action<Utf8JsonWriter> fields)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes, Options))
        {
            json.WriteStartObject();
            fields(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length) + "\n";
    }
}
