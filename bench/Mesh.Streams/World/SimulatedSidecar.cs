using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Control;

namespace Mesh.Streams.World;

/// <summary>Speaks as a sidecar does, over connections of its own: registers, follows, answers, reports each second, comes back as the sidecar's own loop. It does not compile.</summary>
/// <param name="number">Its number.</param>
/// <param name="fleet">Counts what it sees.</param>
/// <param name="time">Clock.</param>
/// <param name="random">Chance.</param>
internal sealed class SimulatedSidecar(int number, Fleet fleet, TimeProvider time, Random random) : IDisposable
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(2) });
    private readonly string _id = $"sim-{number}.default";
    private readonly SimulatedCircuits _circuits = new();
    private CancellationTokenSource _session = new();
    private bool _wasFollowing;
    private TimeSpan _retryAfter;

    /// <summary>Version in hand; empty before the first.</summary>
    public string Version { get; private set; } = "";

    /// <summary>Whether its stream is open.</summary>
    public bool IsFollowing { get; private set; }

    /// <summary>Cuts its connections.</summary>
    public Task CutAsync()
    {
        IsFollowing = false;
        return _session.CancelAsync();
    }

    /// <summary>Runs until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        ReconnectPause pause = new(random);
        while (!stop.IsCancellationRequested)
        {
            bool wasConnected = false;
            (_wasFollowing, _retryAfter) = (false, TimeSpan.Zero);
            _session = CancellationTokenSource.CreateLinkedTokenSource(stop);
            try
            {
                await SendAsync(HttpMethod.Post, "/mesh/v1/sidecars", JsonContent.Create(Registration(), WireJson.Default.SidecarRegistration), _session.Token);
                fleet.Registrations.Add();
                Task reports = ReportAsync(_session.Token);
                wasConnected = await FollowAsync(_session.Token);
                await _session.CancelAsync();
                await reports;
            }
            catch (Exception error) when (error is HttpRequestException or IOException or OperationCanceledException)
            {
                fleet.Failed(error.Message);
                wasConnected = _wasFollowing;
            }

            IsFollowing = false;
            _session.Dispose();
            await Task.Delay(pause.Next(wasConnected, _retryAfter), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose()
    {
        _session.Dispose();
        _http.Dispose();
    }

    private async Task<bool> FollowAsync(CancellationToken stop)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(fleet.Root, $"/mesh/v1/sidecars/{_id}/stream"));
        request.Headers.AcceptEncoding.ParseAdd("gzip");
        if (Version.Length > 0)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", Version);
        }

        using HttpResponseMessage answer = await _http.SendAsync(request, stop);
        answer.EnsureSuccessStatusCode();
        _wasFollowing = IsFollowing = true;
        await using EventReader events = new(new CountedStream(await answer.Content.ReadAsStreamAsync(stop), fleet.WireBytes));
        while (await events.NextAsync(stop) is { } push)
        {
            Version = push.Id;
            fleet.Took(push.IsFull, push.Bytes);
            SidecarAck ack = new() { Version = push.Id, Accepted = true };
            await SendAsync(HttpMethod.Post, $"/mesh/v1/sidecars/{_id}/ack", JsonContent.Create(ack, WireJson.Default.SidecarAck), stop);
            fleet.Answers.Add();
        }

        return true;
    }

    private async Task ReportAsync(CancellationToken stop)
    {
        try
        {
            using PeriodicTimer timer = new(TimeSpan.FromSeconds(1), time);
            while (await timer.WaitForNextTickAsync(stop))
            {
                SidecarReport report = new() { Version = Version, Circuits = _circuits.Next(fleet.Circuits, fleet.IsFailing) };
                byte[] body = JsonSerializer.SerializeToUtf8Bytes(report, WireJson.Default.SidecarReport);
                byte[] orders = await SendAsync(HttpMethod.Post, $"/mesh/v1/sidecars/{_id}/report", Json(body), stop);
                fleet.Opened.Add(orders.Length > 0 ? _circuits.Take(JsonSerializer.Deserialize(orders, WireJson.Default.SidecarOrders)!) : 0);
                fleet.ReportBytes.Add(body.Length);
                fleet.OrderBytes.Add(orders.Length);
                fleet.Reports.Add();
            }
        }
        catch (OperationCanceledException)
        {
            // The session ended.
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            fleet.Failed(error.Message);
            await _session.CancelAsync();
        }
    }

    private static ByteArrayContent Json(byte[] body) => new(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    private async Task<byte[]> SendAsync(HttpMethod method, string path, HttpContent body, CancellationToken stop)
    {
        using HttpRequestMessage request = new(method, new Uri(fleet.Root, path)) { Content = body };
        using HttpResponseMessage answer = await _http.SendAsync(request, stop);
        _retryAfter = answer.Headers.RetryAfter?.Delta ?? TimeSpan.Zero;
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadAsByteArrayAsync(stop);
    }

    private SidecarRegistration Registration() => new()
    {
        Node = _id,
        Service = "sim",
        Port = 8080,
        Address = $"10.200.{number / 250}.{(number % 250) + 1}:15006",
        StartedAt = "2030-01-01T00:00:00Z",
    };
}
