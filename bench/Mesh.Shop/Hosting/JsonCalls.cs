using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Mesh.Shop.Hosting;

/// <summary>Calls to other services: no retry, no time limit; whatever is not 2xx becomes a 500 of the caller.</summary>
/// <param name="client">Pooled connections, through the proxy of the environment.</param>
/// <param name="stopping">Ends calls when the process ends.</param>
internal sealed class JsonCalls(HttpClient client, CancellationToken stopping)
{
    /// <summary>GET.</summary>
    public Task<T> GetAsync<T>(Uri url, JsonTypeInfo<T> type) => SendAsync(new HttpRequestMessage(HttpMethod.Get, url), type);

    /// <summary>Sends a body and reads one.</summary>
    public Task<TAnswer> SendAsync<TBody, TAnswer>(HttpMethod method, Uri url, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> type) =>
        SendAsync(new HttpRequestMessage(method, url) { Content = JsonContent.Create(body, bodyType) }, type);

    private async Task<T> SendAsync<T>(HttpRequestMessage request, JsonTypeInfo<T> type)
    {
        using HttpRequestMessage owned = request;
        try
        {
            using HttpResponseMessage answer = await client.SendAsync(request, stopping);
            if (!answer.IsSuccessStatusCode)
            {
                throw new ShopException(500, $"{(int)answer.StatusCode} {answer.ReasonPhrase} from {request.Method} {request.RequestUri}");
            }

            return await answer.Content.ReadFromJsonAsync(type, stopping) ?? throw new ShopException(500, $"empty answer from {request.RequestUri}");
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            throw new ShopException(500, $"I/O error on {request.Method} {request.RequestUri}: {e.Message}");
        }
    }
}
