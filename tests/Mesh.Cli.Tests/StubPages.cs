using System.Net;
using System.Text;

namespace Mesh.Cli;

/// <summary>Answers questions from a list of pages; what is not on it is a 404, a host that is not known a refused connection.</summary>
internal sealed class StubPages : HttpMessageHandler
{
    private readonly Dictionary<string, (HttpStatusCode Status, string Text)> _pages = new(StringComparer.Ordinal);

    /// <summary>What was asked: method, address and body.</summary>
    public List<string> Asked { get; } = [];

    /// <summary>Authorization of the last question; null when there was none.</summary>
    public string? Authorization { get; private set; }

    /// <summary>How many other replicas the control plane says there are; null says nothing.</summary>
    public string? OtherReplicas { get; init; }

    public StubPages Add(string address, string text, HttpStatusCode status = HttpStatusCode.OK)
    {
        _pages[address] = (status, text);
        return this;
    }

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string address = request.RequestUri!.AbsoluteUri;
        using StreamReader body = new(request.Content?.ReadAsStream(cancellationToken) ?? Stream.Null);
        Asked.Add($"{request.Method} {address} {body.ReadToEnd()}".TrimEnd());
        Authorization = request.Headers.Authorization?.ToString();
        if (!_pages.Keys.Any(k => new Uri(k).Authority == request.RequestUri.Authority))
        {
            throw new HttpRequestException("Connection refused");
        }

        (HttpStatusCode status, string text) = _pages.GetValueOrDefault(address, (HttpStatusCode.NotFound, "no such page"));
        HttpResponseMessage answer = new(status) { Content = new StringContent(text, Encoding.UTF8, "application/json") };
        if (OtherReplicas is not null)
        {
            answer.Headers.Add("x-mesh-other-replicas", OtherReplicas);
        }

        return answer;
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Task.FromResult(Send(request, cancellationToken));
}
