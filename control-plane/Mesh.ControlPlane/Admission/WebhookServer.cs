using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Admission;

/// <summary>The listener of the admission webhooks. Start once, stop once.</summary>
internal sealed class WebhookServer : IAsyncDisposable
{
    /// <summary>Longest review that is read: an object and its former self, each at most what an API server stores, with room.</summary>
    public const int MaxBodyBytes = 4 * 1024 * 1024;

    // An API server waits 10 s; who sends slower is none.
    private static readonly TimeSpan ReadTime = TimeSpan.FromSeconds(8);

    private readonly WebApplication _app;
    private readonly IPEndPoint _address;
    private readonly TimeProvider _time;

    /// <summary>Puts it together; nothing listens yet.</summary>
    /// <param name="address">Where to listen.</param>
    /// <param name="certificates">The certificate of each handshake.</param>
    /// <param name="injection">Answers <c>/inject</c>.</param>
    /// <param name="rules">Answers <c>/validate</c>.</param>
    /// <param name="runtime">Clock and log.</param>
    public WebhookServer(
        IPEndPoint address, IServerCertificates certificates, InjectionWebhook injection, RuleWebhook rules, (TimeProvider Time, ILoggerProvider Log) runtime)
    {
        _address = address;
        _time = runtime.Time;
        Stats = new WebhookStats(() => certificates.Current);
        _app = WebHost.Create(address, listener => listener.UseHttps(new OwnHandshakes(certificates).Options), runtime.Log);
        _app.MapPost("/inject", context => CountAsync(context, "/inject", injection.Answer));
        _app.MapPost("/validate", context => CountAsync(context, "/validate", rules.Answer));
    }

    /// <summary>Counters, for the page of metrics.</summary>
    public WebhookStats Stats { get; }

    /// <summary>Binds; throws <see cref="IOException"/> when the address cannot be bound.</summary>
    /// <param name="print">Receives <c>webhook listening on URL</c>.</param>
    public async Task StartAsync(Action<string> print)
    {
        try
        {
            await _app.StartAsync();
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            throw new IOException($"--webhook-listen {_address}: {error.GetBaseException().Message.ReplaceLineEndings(" ")}; choose another address, or port 0 for any", error);
        }

        print($"webhook listening on {WebHost.AddressOf(_app)}");
    }

    /// <summary>Answers what is under way, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task CountAsync(HttpContext context, string path, Func<AdmissionRequest, AdmissionAnswer> answer)
    {
        long begin = _time.GetTimestamp();
        WebhookResult result = WebhookResult.Failed;
        try
        {
            result = await AnswerAsync(context, answer);
        }
        finally
        {
            Stats.Count(path, result, _time.GetElapsedTime(begin));
        }
    }

    private async Task<WebhookResult> AnswerAsync(HttpContext context, Func<AdmissionRequest, AdmissionAnswer> answer)
    {
        string type = context.Request.ContentType ?? "";
        if (!type.Split(';')[0].Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            await Answers.TextAsync(context, StatusCodes.Status415UnsupportedMediaType, $"the body is '{type}'; send application/json");
            return WebhookResult.Invalid;
        }

        if (await ReadAsync(context) is not { } body)
        {
            await Answers.TextAsync(context, StatusCodes.Status413PayloadTooLarge, $"the review has more than {MaxBodyBytes} bytes");
            return WebhookResult.Invalid;
        }

        (AdmissionRequest? request, string? problem) = AdmissionRequest.Read(body);
        if (request is null)
        {
            await Answers.TextAsync(context, StatusCodes.Status400BadRequest, problem!);
            return WebhookResult.Invalid;
        }

        AdmissionAnswer answered = answer(request);
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(answered.ToReview(request.Uid).ToJsonString(), context.RequestAborted);
        return answered.IsAllowed ? WebhookResult.Allowed : WebhookResult.Refused;
    }

    /// <summary>The whole body; null when it is too long.</summary>
    private async Task<byte[]?> ReadAsync(HttpContext context)
    {
        if (context.Request.ContentLength > MaxBodyBytes)
        {
            return null;
        }

        using CancellationTokenSource late = new(ReadTime, _time);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(late.Token, context.RequestAborted);
        ArrayBufferWriter<byte> body = new();
        while (body.WrittenCount <= MaxBodyBytes)
        {
            int read = await context.Request.Body.ReadAsync(body.GetMemory(4096), end.Token);
            if (read == 0)
            {
                return body.WrittenSpan.ToArray();
            }

            body.Advance(read);
        }

        return null;
    }
}
