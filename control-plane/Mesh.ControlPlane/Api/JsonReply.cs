using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Mesh.ControlPlane.Api;

/// <summary>Writes JSON and warnings as kubectl wants them. Stateless.</summary>
internal static class JsonReply
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions Pretty = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = true };

    /// <summary>Bytes of <paramref name="node"/>.</summary>
    public static byte[] Bytes(JsonNode node, bool pretty = false)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, pretty ? Pretty : Plain))
        {
            node.WriteTo(writer);
        }

        return stream.ToArray();
    }

    /// <summary>Answers with <paramref name="node"/>.</summary>
    public static async Task WriteAsync(HttpContext context, int status, JsonNode node, string contentType = "application/json")
    {
        bool pretty = context.Request.Query["pretty"] == "true" || context.Request.Headers.UserAgent.ToString().StartsWith("curl", StringComparison.Ordinal);
        byte[] body = Bytes(node, pretty);
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = body.Length + 1;
        await context.Response.Body.WriteAsync((byte[])[.. body, (byte)'\n'], context.RequestAborted);
    }

    /// <summary>Adds a Warning header; quotes inside would make kubectl drop it silently unless escaped.</summary>
    public static void Warn(HttpContext context, string text)
    {
        string ascii = string.Concat(text.Select(static c => c is >= ' ' and <= '~' ? c : '?'));
        string escaped = ascii.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        context.Response.Headers.Append("Warning", $"299 - \"{escaped}\"");
    }
}
