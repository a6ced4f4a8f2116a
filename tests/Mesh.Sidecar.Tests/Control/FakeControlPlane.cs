using System.Buffers;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Mesh.Rules.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Sidecar.Tests.Control;

/// <summary>The control plane's side of the sidecar messages: hands out what the test pushes, keeps what the sidecar says.</summary>
internal sealed class FakeControlPlane : IAsyncDisposable
{
    private readonly WebApplication _app;
    private Channel<string> _events = Channel.CreateUnbounded<string>();

    private FakeControlPlane(WebApplication app) => _app = app;

    public Channel<SidecarRegistration> Registrations { get; } = Channel.CreateUnbounded<SidecarRegistration>();

    public Channel<int> Refusals { get; } = Channel.CreateUnbounded<int>();

    public Channel<SidecarAck> Acks { get; } = Channel.CreateUnbounded<SidecarAck>();

    public Channel<SidecarReport> Reports { get; } = Channel.CreateUnbounded<SidecarReport>();

    public Channel<string> LastEventIds { get; } = Channel.CreateUnbounded<string>();

    /// <summary>When false, reports are answered with 404.</summary>
    public bool KnowsIds { get; set; } = true;

    /// <summary>The answer to reports; null for an empty one.</summary>
    public SidecarOrders? Orders { get; set; }

    /// <summary>Decides on each report and answer: 0 takes it, anything else is the status.</summary>
    public Func<string, int> Refuses { get; set; } = static _ => 0;

    /// <summary>The certificate of the next handshakes.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>Tells whether a caller with this Authorization header is let in.</summary>
    public Func<string, bool> LetsIn { get; set; } = static _ => true;

    /// <summary>Seconds of Retry-After with which registrations are refused; null takes them.</summary>
    public int? BusyFor { get; set; }

    public Uri Address { get; private set; } = null!;

    public static async Task<FakeControlPlane> StartAsync(int port = 0, X509Certificate2? certificate = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        FakeControlPlane? fake = null;
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(o => o.Listen(IPAddress.Loopback, port, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(https => https.ServerCertificateSelector = (_, _) => fake!.Certificate);
            }
        }));
        fake = new(builder.Build()) { Certificate = certificate };
        fake._app.Run(fake.AnswerAsync);
        await fake._app.StartAsync();
        fake.Address = new Uri(fake._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return fake;
    }

    /// <summary>Sends a push to whoever follows the stream, now or next.</summary>
    public void Push(PushMessage message) => Push(message.Version, PushMessageWriter.Write(message));

    /// <summary>Sends orders to whoever follows the stream.</summary>
    public void Push(SidecarOrders orders) =>
        _events.Writer.TryWrite($"event: {SseWriter.OrdersEvent}\ndata: {JsonSerializer.Serialize(orders, WireJson.Default.SidecarOrders)}\n\n");

    public void Push(string version, string text)
    {
        ArrayBufferWriter<byte> output = new();
        SseWriter.WriteEvent(output, version, SseWriter.PushEvent, text);
        _events.Writer.TryWrite(Encoding.UTF8.GetString(output.WrittenSpan));
    }

    /// <summary>Ends the stream.</summary>
    public void CutStream() => Interlocked.Exchange(ref _events, Channel.CreateUnbounded<string>()).Writer.Complete();

    public static async Task<T> NextAsync<T>(Channel<T> channel) => await channel.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));

    public async ValueTask DisposeAsync()
    {
        CutStream();
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        if (!LetsIn(context.Request.Headers.Authorization.ToString()))
        {
            context.Response.StatusCode = 401;
            await context.Response.WriteAsync("the token is not valid");
            return;
        }

        if (context.Request.Method == "POST" && Refuses(context.Request.Path.Value![(context.Request.Path.Value!.LastIndexOf('/') + 1)..]) is > 0 and int status)
        {
            context.Response.StatusCode = status;
            return;
        }

        switch (context.Request.Method, context.Request.Path.Value)
        {
            case ("POST", "/mesh/v1/sidecars") when BusyFor is { } seconds:
                Refusals.Writer.TryWrite(seconds);
                context.Response.StatusCode = 503;
                context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
                break;
            case ("POST", "/mesh/v1/sidecars"):
                Registrations.Writer.TryWrite((await context.Request.ReadFromJsonAsync(WireJson.Default.SidecarRegistration))!);
                await context.Response.WriteAsJsonAsync(new SidecarRegistered("s 1", 200, 600), WireJson.Default.SidecarRegistered);
                break;
            case ("GET", "/mesh/v1/sidecars/s 1/stream"):
                LastEventIds.Writer.TryWrite(context.Request.Headers["Last-Event-ID"].ToString());
                await StreamAsync(context);
                break;
            case ("POST", "/mesh/v1/sidecars/s 1/ack"):
                Acks.Writer.TryWrite((await context.Request.ReadFromJsonAsync(WireJson.Default.SidecarAck))!);
                context.Response.StatusCode = 204;
                break;
            case ("POST", "/mesh/v1/sidecars/s 1/report"):
                Reports.Writer.TryWrite((await context.Request.ReadFromJsonAsync(WireJson.Default.SidecarReport))!);
                if (KnowsIds && Orders is { } orders)
                {
                    await context.Response.WriteAsJsonAsync(orders, WireJson.Default.SidecarOrders);
                    break;
                }

                context.Response.StatusCode = KnowsIds ? 204 : 404;
                break;
            default:
                context.Response.StatusCode = 404;
                break;
        }
    }

    private async Task StreamAsync(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        await context.Response.Body.FlushAsync();
        await foreach (string text in _events.Reader.ReadAllAsync(context.RequestAborted))
        {
            await context.Response.WriteAsync(text);
            await context.Response.Body.FlushAsync();
        }
    }
}
