using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace Mesh.Peers.Backend;

/// <summary>The proxy a .NET team would write: Kestrel in front, <see cref="SocketsHttpHandler"/> behind, no rules.</summary>
internal sealed class Forwarder : IAsyncDisposable
{
    private static readonly HashSet<string> HopByHop = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade", "Host",
    };

    private readonly HttpMessageInvoker _upstream = new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
    });

    private readonly WebApplication _app;
    private readonly int _metricsPort;
    private readonly string _target;

    /// <summary>Creates it; <see cref="RunAsync"/> makes it listen on loopback.</summary>
    public Forwarder(int port, int metricsPort, int upstreamPort)
    {
        _metricsPort = metricsPort;
        _target = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{upstreamPort}");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.Listen(IPAddress.Loopback, metricsPort);
        });
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    /// <summary>Serves until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using CancellationTokenRegistration ending = stop.UnsafeRegister(static app => ((WebApplication)app!).Lifetime.StopApplication(), _app);
        await _app.RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _upstream.Dispose();
    }

    private Task AnswerAsync(HttpContext context) => context.Connection.LocalPort == _metricsPort
        ? context.Response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"mesh_gc_allocated_bytes_total {GC.GetTotalAllocatedBytes()}\n"))
        : ForwardAsync(context);

    private async Task ForwardAsync(HttpContext context)
    {
        HttpRequest incoming = context.Request;
        using HttpRequestMessage request = new(HttpMethod.Parse(incoming.Method), _target + incoming.Path + incoming.QueryString);
        if (incoming.ContentLength > 0 || incoming.Headers.TransferEncoding.Count > 0)
        {
            request.Content = new StreamContent(incoming.Body);
        }

        foreach (KeyValuePair<string, StringValues> header in incoming.Headers)
        {
            if (!HopByHop.Contains(header.Key) && !request.Headers.TryAddWithoutValidation(header.Key, (IEnumerable<string?>)header.Value))
            {
                request.Content?.Headers.TryAddWithoutValidation(header.Key, (IEnumerable<string?>)header.Value);
            }
        }

        request.Headers.Host = incoming.Host.Value;
        request.Headers.TryAddWithoutValidation("x-forwarded-for", context.Connection.RemoteIpAddress?.ToString());
        using HttpResponseMessage response = await _upstream.SendAsync(request, context.RequestAborted);
        context.Response.StatusCode = (int)response.StatusCode;
        Copy(response.Headers, context.Response);
        Copy(response.Content.Headers, context.Response);
        await response.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    private static void Copy(System.Net.Http.Headers.HttpHeaders from, HttpResponse to)
    {
        foreach (KeyValuePair<string, System.Net.Http.Headers.HeaderStringValues> header in from.NonValidated)
        {
            if (!HopByHop.Contains(header.Key))
            {
                to.Headers[header.Key] = header.Value.Count == 1 ? header.Value.ToString() : new StringValues([.. header.Value]);
            }
        }
    }
}
