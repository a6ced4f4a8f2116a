using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Transport;

namespace Mesh.Sidecar.Agent;

/// <summary>Asks the application on behalf of kubelet and Prometheus, past the listeners of the sidecar: no rule, limit or statistic of traffic sees it. Thread-safe.</summary>
internal sealed class AppClient : IDisposable
{
    private const int MostMetrics = 64 << 20;
    private static readonly TimeSpan MetricsTimeout = TimeSpan.FromSeconds(10); // Prometheus' own default

    private readonly IPAddress _host;
    private readonly IPAddress? _source;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _http;

    /// <summary>A client of the application at <paramref name="host"/>.</summary>
    /// <param name="host">Address of the application, whatever the port.</param>
    /// <param name="source">Where connections come from, so that the kernel's rules leave them alone; null leaves it to the system.</param>
    /// <param name="time">Clock of the timeouts.</param>
    [SuppressMessage("Security", "CA5359", Justification = "As kubelet: a probe asks whether the application lives, not who it is (semantics 9.7).")]
    public AppClient(IPAddress host, IPAddress? source, TimeProvider time)
    {
        _host = host;
        _source = host.AddressFamily == source?.AddressFamily ? source : InboundSource.FindV6(source);
        _source = _source?.AddressFamily == host.AddressFamily ? _source : null;
        _time = time;
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.Zero, // a probe must see whether the application accepts
            ConnectCallback = async (context, cancel) => new NetworkStream(await ConnectAsync(context.DnsEndPoint.Port, cancel), ownsSocket: true),
            SslOptions = { RemoteCertificateValidationCallback = static (_, _, _, _) => true },
        });
    }

    /// <summary>The status for kubelet: the application's own for a GET, else 200, or 500 when it did not answer as it should.</summary>
    /// <param name="probe">The probe.</param>
    /// <param name="userAgent">Kubelet's name for itself.</param>
    /// <param name="cancel">Kubelet has hung up.</param>
    public async Task<(int Status, string Text)> ProbeAsync(AppProbe probe, string userAgent, CancellationToken cancel)
    {
        using CancellationTokenSource timeout = new(probe.Timeout, _time);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancel);
        try
        {
            switch (probe.Kind)
            {
                case ProbeKind.Http:
                    using (HttpRequestMessage request = Request(probe, userAgent))
                    using (HttpResponseMessage answer = await _http.SendAsync(request, end.Token))
                    {
                        return ((int)answer.StatusCode, "");
                    }

                case ProbeKind.Tcp:
                    (await ConnectAsync(probe.Port, end.Token)).Dispose();
                    return (200, "");
                default:
                    return await GrpcHealth.AskAsync(_http, Url(probe.IsTls, probe.Port, GrpcHealth.Path), probe.Service, end.Token);
            }
        }
        catch (Exception refusal) when (refusal is HttpRequestException or SocketException or IOException or OperationCanceledException)
        {
            return (500, $"the application on port {probe.Port}: {(refusal is OperationCanceledException ? $"no answer within {probe.Timeout.TotalSeconds} s" : refusal.Message)}\n");
        }
    }

    /// <summary>The application's metrics as it gives them; null when it gives none.</summary>
    public async Task<byte[]?> ScrapeAsync(AppMetrics metrics, CancellationToken cancel)
    {
        using CancellationTokenSource timeout = new(MetricsTimeout, _time);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancel);
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Get, Url(isTls: false, metrics.Port, metrics.Path));
            request.Headers.TryAddWithoutValidation("accept", "text/plain;version=0.0.4"); // ours is in that format, and one page has one
            using HttpResponseMessage answer = await _http.SendAsync(request, end.Token);
            await answer.Content.LoadIntoBufferAsync(MostMetrics, end.Token);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync(end.Token) : null;
        }
        catch (Exception refusal) when (refusal is HttpRequestException or IOException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private Uri Url(bool isTls, int port, string path) => new($"{(isTls ? "https" : "http")}://{new IPEndPoint(_host, port)}{path}");

    private HttpRequestMessage Request(AppProbe probe, string userAgent)
    {
        HttpRequestMessage request = new(HttpMethod.Get, Url(probe.IsTls, probe.Port, probe.Path));
        request.Headers.TryAddWithoutValidation("user-agent", userAgent);
        request.Headers.ConnectionClose = true;
        foreach ((string name, string value) in probe.Headers)
        {
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    private async Task<Socket> ConnectAsync(int port, CancellationToken cancel)
    {
        Socket socket = new(_host.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (_source is not null)
            {
                socket.Bind(new IPEndPoint(_source, 0));
            }

            await socket.ConnectAsync(new IPEndPoint(_host, port), cancel);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
