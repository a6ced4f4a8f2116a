using System.Net;
using System.Net.Http.Headers;
using Mesh.Load.Measuring;

namespace Mesh.Load.Running;

/// <summary>Sends one call and reads its whole answer.</summary>
internal interface ILoadClient : IDisposable
{
    /// <summary>The sample without its latency.</summary>
    Task<LoadSample> SendAsync(CancellationToken cancellationToken);
}

/// <summary>Calls over pooled keep-alive connections; follows no redirect and keeps no cookie.</summary>
internal sealed class LoadClient : ILoadClient
{
    private readonly LoadOptions _options;
    private readonly HttpMessageInvoker _client;
    private readonly byte[]? _body;

    public LoadClient(LoadOptions options)
    {
        _options = options;
        _body = options.Body is null ? null : System.Text.Encoding.UTF8.GetBytes(options.Body);
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = options.Proxy is not null,
            Proxy = options.Proxy is null ? null : new WebProxy(options.Proxy),
        });
    }

    public async Task<LoadSample> SendAsync(CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = Request();
        try
        {
            using HttpResponseMessage answer = await _client.SendAsync(request, cancellationToken);
            byte[] body = await answer.Content.ReadAsByteArrayAsync(cancellationToken);
            return new LoadSample(
                (int)answer.StatusCode, body.Length, FirstWord(Header(answer, "x-mesh-reason")), Header(answer, "x-envoy-overloaded") == "true", null, default);
        }
        catch (HttpRequestException e)
        {
            return new LoadSample(0, 0, null, false, e.HttpRequestError.ToString(), default);
        }
        catch (IOException)
        {
            return new LoadSample(0, 0, null, false, "AnswerCutOff", default);
        }
        catch (OperationCanceledException)
        {
            return new LoadSample(0, 0, null, false, "Timeout", default);
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>The first word of a reason: all before the first semicolon or space.</summary>
    internal static string? FirstWord(string? reason)
    {
        int end = reason.AsSpan().IndexOfAny(';', ' ');
        return end < 0 ? reason : reason![..end];
    }

    private static string? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;

    private HttpRequestMessage Request()
    {
        HttpRequestMessage request = new(_options.Method, _options.Url);
        if (_body is not null)
        {
            request.Content = new ByteArrayContent(_body);
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(_options.ContentType);
        }

        foreach ((string name, string value) in _options.Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }
}
