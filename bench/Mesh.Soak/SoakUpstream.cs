using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Mesh.Soak;

/// <summary>One upstream instance: every answer carries what was asked, so that a client can tell its own from another's. Also echoes TCP.</summary>
internal static class SoakUpstream
{
    private static int _delayMs;

    /// <summary>Serves until the process ends.</summary>
    public static async Task<int> RunAsync(string http, string tcp)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPEndPoint.Parse(http));
            kestrel.Limits.MinRequestBodyDataRate = null;
        });
        await using WebApplication app = builder.Build();
        app.MapGet("/item/{id}", ItemAsync);
        app.MapPost("/echo/{id}", EchoAsync);
        app.MapPut("/delay/{ms:int}", static (HttpContext _, int ms) => { _delayMs = ms; });
        using TcpListener listener = new(IPEndPoint.Parse(tcp));
        listener.Start();
        await app.StartAsync();
        Console.WriteLine($"upstream listening on http://{http}");
        while (true)
        {
            _ = EchoAsync(await listener.AcceptSocketAsync());
        }
    }

    /// <summary>The body of an item, at least <paramref name="size"/> bytes of it telling whose it is.</summary>
    public static byte[] Item(string id, int size)
    {
        StringBuilder text = new(size + 64);
        while (text.Length < size)
        {
            text.Append(id).Append(';');
        }

        return Encoding.ASCII.GetBytes(text.ToString());
    }

    private static async Task ItemAsync(HttpContext context)
    {
        string id = (string)context.Request.RouteValues["id"]!;
        if (_delayMs > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(_delayMs), TimeProvider.System, context.RequestAborted);
        }

        byte[] body = Item(id, int.TryParse(context.Request.Query["size"], out int size) ? size : 100);
        context.Response.Headers["x-id"] = id;
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body);
    }

    // The answer starts with the first bytes of the request's body, in chunks.
    private static Task EchoAsync(HttpContext context)
    {
        context.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = null;
        context.Response.Headers["x-id"] = (string)context.Request.RouteValues["id"]!;
        return context.Request.Body.CopyToAsync(context.Response.Body);
    }

    private static async Task EchoAsync(Socket socket)
    {
        using (socket)
        {
            byte[] buffer = new byte[16 * 1024];
            try
            {
                while (await socket.ReceiveAsync(buffer) is > 0 and int read)
                {
                    for (int sent = 0; sent < read;)
                    {
                        sent += await socket.SendAsync(buffer.AsMemory(sent, read - sent));
                    }
                }

                socket.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // The peer went away, as some do on purpose.
            }
        }
    }
}
