using System.Diagnostics.CodeAnalysis;
using Mesh.Shop.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh.Shop.Relay;

/// <summary>
/// The service <c>relay</c>: answers every GET with what the next service says, so that several of them make a chain of layers. Like a traced application it
/// passes the headers on that tie a call to the call it was made for.
/// </summary>
/// <param name="client">Pooled connections, through the proxy of the environment.</param>
/// <param name="next">The next service.</param>
/// <param name="stopping">Ends calls when the process ends.</param>
internal sealed class RelayService(HttpClient client, Uri next, CancellationToken stopping)
{
    private static readonly string[] PassedOn = ["x-request-id", "x-envoy-attempt-count", "traceparent", "tracestate"];
    private static readonly string[] PassedBack = ["age", "x-mesh-fallback"]; // whoever shows an old answer says so

    /// <summary>Adds the route.</summary>
    public void Map(WebApplication app) => app.MapGet("/{**path}", RelayAsync);

    [SuppressMessage("Usage", "CA2234", Justification = "The path is relative to the next service.")]
    private async Task RelayAsync(HttpContext context)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(next, context.Request.Path.Value));
        foreach (string name in PassedOn)
        {
            if (context.Request.Headers.TryGetValue(name, out Microsoft.Extensions.Primitives.StringValues value))
            {
                request.Headers.TryAddWithoutValidation(name, value.ToString());
            }
        }

        try
        {
            using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
            using HttpResponseMessage answer = await client.SendAsync(request, gone.Token);
            context.Response.StatusCode = (int)answer.StatusCode;
            foreach (string name in PassedBack)
            {
                if (answer.Headers.TryGetValues(name, out IEnumerable<string>? values))
                {
                    context.Response.Headers[name] = values.ToArray();
                }
            }

            await context.Response.Body.WriteAsync(await answer.Content.ReadAsByteArrayAsync(gone.Token), gone.Token);
        }
        catch (HttpRequestException e)
        {
            throw new ShopException(500, $"I/O error on GET {request.RequestUri}: {e.Message}");
        }
    }
}
