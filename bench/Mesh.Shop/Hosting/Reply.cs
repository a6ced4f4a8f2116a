using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Mesh.Shop.Hosting;

/// <summary>Reads and writes JSON bodies.</summary>
internal static class Reply
{
    /// <summary>Answers <paramref name="body"/>.</summary>
    public static Task JsonAsync<T>(HttpContext context, int status, T body, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(body, type);
    }

    /// <summary>Answers an error in the shape of the original's framework.</summary>
    public static Task ErrorAsync(HttpContext context, int status, string message) => JsonAsync(
        context, status, new ErrorBody(status, status == 500 ? "Internal Server Error" : $"Error {status}", message, context.Request.Path), ShopJson.Default.ErrorBody);

    /// <summary>The request's body. A body that is no such JSON is 400.</summary>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        try
        {
            return await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted) ?? throw new ShopException(400, "the body is empty");
        }
        catch (JsonException e)
        {
            throw new ShopException(400, $"JSON parse error: {e.Message}");
        }
    }

    /// <summary>The <c>{id}</c> of the path. Anything but a number is 400.</summary>
    public static long Id(HttpContext context) =>
        long.TryParse(context.Request.RouteValues["id"] as string, out long id) ? id : throw new ShopException(400, "the id must be a number");

    /// <summary>Address of an object as its caller named this service.</summary>
    public static string Href(HttpContext context, string path) => $"http://{context.Request.Host}{path}";
}
