using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Control;

/// <summary>The calls a sidecar makes. Failures of transport and refusals are <see cref="HttpRequestException"/>; a call that takes too long too.</summary>
/// <param name="client">Client without proxy and without a timeout of its own.</param>
/// <param name="root">Address of the control plane.</param>
/// <param name="time">Clock of the timeouts.</param>
internal sealed class ControlPlaneApi(HttpMessageInvoker client, Uri root, TimeProvider time)
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Registers the sidecar.</summary>
    public async Task<SidecarRegistered> RegisterAsync(SidecarRegistration registration, CancellationToken stop)
    {
        using HttpResponseMessage answer =
            await PostAsync("/mesh/v1/sidecars", JsonContent.Create(registration, WireJson.Default.SidecarRegistration), stop);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadFromJsonAsync(WireJson.Default.SidecarRegistered, stop)
            ?? throw new HttpRequestException("the answer to the registration is empty");
    }

    /// <summary>Answers a version.</summary>
    public async Task AckAsync(string id, SidecarAck ack, CancellationToken stop)
    {
        using HttpResponseMessage answer = await PostAsync($"{PathOf(id)}/ack", JsonContent.Create(ack, WireJson.Default.SidecarAck), stop);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>Reports; false when the control plane does not know the id: register anew.</summary>
    public async Task<bool> ReportAsync(string id, SidecarReport report, CancellationToken stop)
    {
        using HttpResponseMessage answer = await PostAsync($"{PathOf(id)}/report", JsonContent.Create(report, WireJson.Default.SidecarReport), stop);
        if (answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            return false;
        }

        answer.EnsureSuccessStatusCode();
        return true;
    }

    /// <summary>The events of the stream, until it ends.</summary>
    /// <param name="id">Id of the sidecar.</param>
    /// <param name="lastEventId">Version already in hand, or empty.</param>
    /// <param name="stop">Ends the stream.</param>
    public async IAsyncEnumerable<SseItem<string>> StreamAsync(string id, string lastEventId, [EnumeratorCancellation] CancellationToken stop)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(root, $"{PathOf(id)}/stream"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (lastEventId.Length > 0)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        }

        using HttpResponseMessage answer = await client.SendAsync(request, stop);
        answer.EnsureSuccessStatusCode();
        await using Stream body = await answer.Content.ReadAsStreamAsync(stop);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(stop))
        {
            yield return item;
        }
    }

    private static string PathOf(string id) => $"/mesh/v1/sidecars/{Uri.EscapeDataString(id)}";

    private async Task<HttpResponseMessage> PostAsync(string path, HttpContent content, CancellationToken stop)
    {
        using CancellationTokenSource timeout = new(CallTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stop, timeout.Token);
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(root, path)) { Content = content };
        try
        {
            return await client.SendAsync(request, either.Token);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            throw new HttpRequestException($"no answer within {CallTimeout.TotalSeconds:0} s");
        }
    }
}
