using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Text.Json.Serialization.Metadata;
using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Control;

/// <summary>The calls a sidecar makes. Failures of transport and refusals are <see cref="HttpRequestException"/>; a call that takes too long too.</summary>
/// <param name="client">Client without proxy and without a timeout of its own.</param>
/// <param name="roots">Addresses of the control plane's replicas, in the order in which they are tried.</param>
/// <param name="time">Clock of the timeouts.</param>
internal sealed class ControlPlaneApi(HttpMessageInvoker client, IReadOnlyList<Uri> roots, TimeProvider time)
{
    /// <summary>A stream on which nothing came for so long, not even one of the comments that are sent each 5 s, is dead.</summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(5);
    private static readonly SidecarOrders NoOrders = new();
    private const int LongestRefusal = 300; // of an answer's text in the log
    private int _current;

    /// <summary>Whom to take for the control plane; null leaves that to the system's roots. The client must ask it too.</summary>
    public ControlPlaneTrust? Trust { get; init; }

    /// <summary>What the control plane is shown; null shows nothing.</summary>
    public ControlPlaneToken? Token { get; init; }

    /// <summary>How many addresses there are to try.</summary>
    public int Count => roots.Count;

    private Uri Root => roots[_current];

    /// <summary>The calls from now on go to the next address. Not while one is under way.</summary>
    public void MoveOn() => _current = (_current + 1) % roots.Count;

    /// <summary>A client that goes straight to the control plane and takes only whom <paramref name="trust"/> accepts for it.</summary>
    public static HttpMessageInvoker CreateClient(ControlPlaneTrust? trust)
    {
        // A sidecar must not go through a proxy, least of all through itself, whatever http_proxy says; nor carry its token wherever an answer sends it.
        SocketsHttpHandler handler = new()
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(2),
            AutomaticDecompression = DecompressionMethods.GZip,
            // A node that dies says nothing, and TCP would hold the one connection of HTTP/2 for a quarter of an hour.
            KeepAlivePingDelay = TimeSpan.FromSeconds(2),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(3),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
        };
        handler.SslOptions.RemoteCertificateValidationCallback = trust is null ? null : (_, certificate, chain, errors) => trust.Accepts(certificate, chain, errors);
        return new HttpMessageInvoker(handler);
    }

    /// <summary>Whether a call failed in a way that only a new registration, or another token, can mend; anything else passes, and is no reason to end a stream that is well.</summary>
    public static bool EndsSession(HttpRequestException failure) =>
        failure.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound or HttpStatusCode.Gone;

    /// <summary>Registers the sidecar.</summary>
    public async Task<SidecarRegistered> RegisterAsync(SidecarRegistration registration, CancellationToken stop)
    {
        TrustOf(Root)?.Require(); // before a handshake, which could only say that it failed
        using HttpResponseMessage answer =
            await PostAsync("/mesh/v1/sidecars", registration, WireJson.Default.SidecarRegistration, stop);
        await RequireSuccessAsync(answer, stop);
        return await answer.Content.ReadFromJsonAsync(WireJson.Default.SidecarRegistered, stop)
            ?? throw new HttpRequestException("the answer to the registration is empty");
    }

    /// <summary>Answers a version.</summary>
    public async Task AckAsync(string id, SidecarAck ack, CancellationToken stop)
    {
        using HttpResponseMessage answer = await PostAsync($"{PathOf(id)}/ack", ack, WireJson.Default.SidecarAck, stop);
        await RequireSuccessAsync(answer, stop);
    }

    /// <summary>Reports; null when the control plane does not know the id: register anew. Else what it orders, which may be nothing.</summary>
    public async Task<SidecarOrders?> ReportAsync(string id, SidecarReport report, CancellationToken stop)
    {
        using HttpResponseMessage answer = await PostAsync($"{PathOf(id)}/report", report, WireJson.Default.SidecarReport, stop);
        if (answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            return null;
        }

        await RequireSuccessAsync(answer, stop);
        return answer.StatusCode == HttpStatusCode.OK ? await answer.Content.ReadFromJsonAsync(WireJson.Default.SidecarOrders, stop) ?? NoOrders : NoOrders;
    }

    /// <summary>The events of the stream, until it ends or is silent for <see cref="LongestSilence"/>.</summary>
    /// <param name="id">Id of the sidecar.</param>
    /// <param name="lastEventId">Version already in hand, or empty.</param>
    /// <param name="stop">Ends the stream.</param>
    public async IAsyncEnumerable<SseItem<string>> StreamAsync(string id, string lastEventId, [EnumeratorCancellation] CancellationToken stop)
    {
        using SilenceWatch silence = new(LongestSilence, time, stop);
        using HttpResponseMessage answer = await silence.GuardAsync(end => SendAsync(Request, end));
        await RequireSuccessAsync(answer, stop);
        await using Stream body = new WatchedStream(await answer.Content.ReadAsStreamAsync(stop), silence);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(stop))
        {
            yield return item;
        }

        HttpRequestMessage Request()
        {
            HttpRequestMessage request = new(HttpMethod.Get, new Uri(Root, $"{PathOf(id)}/stream"));
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
            if (lastEventId.Length > 0)
            {
                request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
            }

            return request;
        }
    }

    // The control plane's own words say what to do; the status alone does not.
    private async Task RequireSuccessAsync(HttpResponseMessage answer, CancellationToken stop)
    {
        if (!answer.IsSuccessStatusCode)
        {
            using CancellationTokenSource timeout = new(CallTimeout, time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stop, timeout.Token);
            string text = (await answer.Content.ReadAsStringAsync(either.Token)).Trim().ReplaceLineEndings(" ");
            throw new ControlPlaneRefusal($"it answers {(int)answer.StatusCode}{(text.Length > 0 ? ": " : "")}{text[..Math.Min(text.Length, LongestRefusal)]}", answer.StatusCode)
            {
                RetryAfter = answer.Headers.RetryAfter?.Delta ?? TimeSpan.Zero,
            };
        }
    }

    private ControlPlaneTrust? TrustOf(Uri url) => url.Scheme == "https" ? Trust : null;

    private static string PathOf(string id) => $"/mesh/v1/sidecars/{Uri.EscapeDataString(id)}";

    private async Task<HttpResponseMessage> PostAsync<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken stop)
    {
        using CancellationTokenSource timeout = new(CallTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stop, timeout.Token);
        try
        {
            return await SendAsync(() => new HttpRequestMessage(HttpMethod.Post, new Uri(Root, path)) { Content = JsonContent.Create(body, type) }, either.Token);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            throw new HttpRequestException($"no answer within {CallTimeout.TotalSeconds:0} s");
        }
    }

    // A token may be replaced between reading it and its arrival; an answer to a newer one counts.
    private async Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> request, CancellationToken stop)
    {
        string? token = Token?.Read();
        HttpResponseMessage answer = await SendAsync(request(), token, stop);
        if (answer.StatusCode == HttpStatusCode.Unauthorized && Token?.Read() is { } newer && newer != token)
        {
            answer.Dispose();
            answer = await SendAsync(request(), newer, stop);
        }

        return answer;
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, string? token, CancellationToken stop)
    {
        using (request)
        {
            request.Version = HttpVersion.Version20; // over TLS all calls share one connection, and so reach one replica, where several stand behind one address
            request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
            try
            {
                return await client.SendAsync(request, stop);
            }
            catch (HttpRequestException refusal) when (refusal.InnerException is AuthenticationException)
            {
                throw new HttpRequestException(TrustOf(Root)?.Problem ?? refusal.InnerException.Message, refusal);
            }
        }
    }
}

/// <summary>The control plane said no.</summary>
internal sealed class ControlPlaneRefusal(string message, HttpStatusCode status) : HttpRequestException(message, null, status)
{
    /// <summary>How long it wants to be left alone; zero when it did not say.</summary>
    public TimeSpan RetryAfter { get; init; }
}
