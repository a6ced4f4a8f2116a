using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Hosting;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Talks to an API server: one request, one answer or one failure; nothing is retried here but a request whose token was replaced meanwhile. Thread-safe.
/// </summary>
internal sealed class KubernetesClient : IDisposable
{
    /// <summary>Content type of a merge patch.</summary>
    public const string MergePatch = "application/merge-patch+json";

    /// <summary>Longest that a request other than a watch may take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ApiServer _server;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;
    private readonly string _base;

    /// <summary>A client of that server; it connects with the first request.</summary>
    public KubernetesClient(ApiServer server, TimeProvider time)
    {
        _server = server;
        _time = time;
        _base = server.Address.AbsoluteUri.TrimEnd('/');
        SocketsHttpHandler handler = new()
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            EnableMultipleHttp2Connections = true,
            KeepAlivePingDelay = TimeSpan.FromSeconds(30), // a dead server shows within 45 s, even on a watch where nothing happens
            KeepAlivePingTimeout = TimeSpan.FromSeconds(15),
            SslOptions = Tls(server),
        };
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("mesh-control-plane", CommandLine.Version));
    }

    /// <summary>GET of an object or a list.</summary>
    /// <param name="path">Path and query, beginning with <c>/</c>.</param>
    /// <param name="stop">Gives up.</param>
    public Task<ApiAnswer> GetAsync(string path, CancellationToken stop) => SendAsync(HttpMethod.Get, path, null, "", stop);

    /// <summary>Any request with a JSON body.</summary>
    /// <param name="method">POST creates, PUT replaces, PATCH patches.</param>
    /// <param name="path">Path and query, beginning with <c>/</c>.</param>
    /// <param name="body">The body, or null.</param>
    /// <param name="contentType">Its type; that of a PATCH says what the patch means.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<ApiAnswer> SendAsync(HttpMethod method, string path, JsonObject? body, string contentType, CancellationToken stop)
    {
        using CancellationTokenSource late = new(Patience, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            (HttpResponseMessage? message, ApiFailure? failure) = await OpenAsync(method, path, body, contentType, either.Token);
            using HttpResponseMessage? answer = message;
            return failure is not null ? failure
                : new ApiAnswer(await JsonDocument.ParseAsync(await answer!.Content.ReadAsStreamAsync(either.Token), default, either.Token), null);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return ApiFailure.Unreachable($"no answer within {Patience.TotalSeconds:0} s");
        }
        catch (JsonException error)
        {
            return ApiFailure.Unreachable($"the answer is no JSON: {error.Message}");
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return ApiFailure.Unreachable(error.GetBaseException().Message);
        }
    }

    /// <summary>Opens a watch; whoever gets the stream disposes it.</summary>
    /// <param name="path">Path and query with <c>watch=true</c>.</param>
    /// <param name="stop">Gives up; also once the stream is open, if it still is passed to its reads.</param>
    public async Task<(WatchStream? Stream, ApiFailure? Failure)> WatchAsync(string path, CancellationToken stop)
    {
        using CancellationTokenSource late = new(Patience, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            (HttpResponseMessage? answer, ApiFailure? failure) = await OpenAsync(HttpMethod.Get, path, null, "", either.Token);
            return failure is not null ? (null, failure) : (new WatchStream(answer!, await answer!.Content.ReadAsStreamAsync(stop)), null);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return (null, ApiFailure.Unreachable($"no answer within {Patience.TotalSeconds:0} s"));
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return (null, ApiFailure.Unreachable(error.GetBaseException().Message));
        }
    }

    /// <summary>Whether the server says that it has started up; true for one that has no such page, or does not show it to us.</summary>
    /// <param name="stop">Gives up.</param>
    public async Task<bool> IsReadyAsync(CancellationToken stop)
    {
        (WatchStream? page, ApiFailure? failure) = await WatchAsync("/readyz", stop);
        page?.Dispose();
        return failure is null or { Kind: FailureKind.NotFound or FailureKind.Forbidden };
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static SslClientAuthenticationOptions Tls(ApiServer server)
    {
        SslClientAuthenticationOptions options = new();
        if (server.Roots is { } roots)
        {
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                DisableCertificateDownloads = true, // nobody is asked at an address that a certificate names
                RevocationMode = X509RevocationMode.NoCheck, // a cluster's authority publishes no list
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        if (server.Certificate is { } certificate)
        {
            options.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
        }

        return options;
    }

    private async Task<(HttpResponseMessage? Answer, ApiFailure? Failure)> OpenAsync(
        HttpMethod method, string path, JsonObject? body, string contentType, CancellationToken stop)
    {
        (string? token, string? problem) = TokenNow();
        while (problem is null)
        {
            HttpResponseMessage answer = await _http.SendAsync(
                Request(method, path, body, contentType, token), HttpCompletionOption.ResponseHeadersRead, stop);
            if (answer.IsSuccessStatusCode)
            {
                return (answer, null);
            }

            using HttpResponseMessage refusal = answer;
            string? former = token;
            (token, problem) = TokenNow();
            if (refusal.StatusCode != HttpStatusCode.Unauthorized || token == former)
            {
                byte[] text = await refusal.Content.ReadAsByteArrayAsync(stop);
                return (null, ApiFailure.From((int)refusal.StatusCode, text, refusal.Headers.RetryAfter?.Delta));
            }
        }

        return (null, ApiFailure.Unreachable(problem));
    }

    /// <summary>Like kubectl, never over plain HTTP: everybody on the way could read it.</summary>
    private (string? Token, string? Problem) TokenNow() =>
        _server.Token is { } token && _server.Address.Scheme == Uri.UriSchemeHttps ? token.Read() : (null, null);

    private HttpRequestMessage Request(HttpMethod method, string path, JsonObject? body, string contentType, string? token)
    {
        HttpRequestMessage request = new(method, _base + path)
        {
            Version = HttpVersion.Version20, // one connection for all watches; over plain HTTP it becomes 1.1
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        request.Headers.Host = _server.Address.Scheme == Uri.UriSchemeHttps ? _server.ServerName : null; // the handler asks for the certificate of this name, whatever its options say
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString()));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
        }

        return request;
    }
}
