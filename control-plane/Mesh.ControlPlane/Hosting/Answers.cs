using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

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
        string tooLong = $"the body has more than {maxBytes} bytes";
        try
        {
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            {
                limit.MaxRequestBodySize = maxBytes; // also holds for a body that does not say its length
            }

            if (context.Request.ContentLength > maxBytes)
            {
                problem = tooLong;
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
        catch (BadHttpRequestException error) when (error.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            problem = tooLong;
        }

        await TextAsync(context, StatusCodes.Status400BadRequest, $"the body cannot be read as {typeof(T).Name}: {problem}");
        return null;
    }

    private static JsonSerializerOptions Indented { get; } = new() { WriteIndented = true, TypeInfoResolver = JsonTypeInfoResolver.Combine() };
}
