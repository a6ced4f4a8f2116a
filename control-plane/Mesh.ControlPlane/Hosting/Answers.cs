using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Short answers and request bodies of our own routes.</summary>
internal static class Answers
{
    private const int MaxBodyBytes = 1024 * 1024;

    /// <summary>Answers with one line of text.</summary>
    public static Task TextAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text.EndsWith('\n') ? text : text + "\n", context.RequestAborted);
    }

    /// <summary>Answers with indented JSON, for people and scripts.</summary>
    public static Task JsonAsync(HttpContext context, JsonNode json)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(json.ToJsonString(Indented) + "\n", context.RequestAborted);
    }

    /// <summary>The body as <typeparamref name="T"/>; null after answering 400 with what is wrong.</summary>
    public static async Task<T?> BodyAsync<T>(HttpContext context, JsonTypeInfo<T> type, int maxBytes = MaxBodyBytes)
        where T : class
    {
        string problem = "the body is null";
        try
        {
            if (context.Request.ContentLength > maxBytes)
            {
                problem = $"the body has more than {maxBytes} bytes";
            }
            else if (await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted) is { } body)
            {
                return body;
            }
        }
        catch (JsonException error)
        {
            problem = error.Message;
        }

        await TextAsync(context, StatusCodes.Status400BadRequest, $"the body cannot be read as {typeof(T).Name}: {problem}");
        return null;
    }

    private static JsonSerializerOptions Indented { get; } = new() { WriteIndented = true, TypeInfoResolver = JsonTypeInfoResolver.Combine() };
}
