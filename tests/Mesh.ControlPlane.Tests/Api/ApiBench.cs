using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Api;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Store;
using Mesh.ControlPlane.Tests.Store;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Api;

/// <summary>What the API answered.</summary>
/// <param name="Code">HTTP status.</param>
/// <param name="Type">Content-Type as sent.</param>
/// <param name="Text">The body.</param>
/// <param name="Warnings">Warning headers.</param>
internal sealed record ApiReply(int Code, string Type, string Text, IReadOnlyList<string> Warnings)
{
    public JsonNode Json => JsonNode.Parse(Text)!;

    public string? Message => (string?)Json["message"];

    public JsonNode Metadata => Json["metadata"]!;

    public string Version => (string)Metadata["resourceVersion"]!;
}

/// <summary>The API over a real Kestrel on a free port, a store in a temporary folder and a clock that the test moves.</summary>
internal sealed class ApiBench : IAsyncDisposable
{
    public const string RulesPath = "/apis/networking.istio.io/v1/namespaces/default/destinationrules";
    public const string TableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    private readonly WebApplication _app;

    private ApiBench(WebApplication app, TemporaryFolder folder, RuleStore store, FakeTimeProvider time)
    {
        (_app, Folder, Store, Time) = (app, folder, store, time);
        Client = new HttpClient { BaseAddress = new Uri(WebHost.AddressOf(app)), Timeout = TimeSpan.FromSeconds(10) };
    }

    public HttpClient Client { get; }

    public TemporaryFolder Folder { get; }

    public RuleStore Store { get; }

    public FakeTimeProvider Time { get; }

    public static async Task<ApiBench> StartAsync()
    {
        NoSynchronizationContext.Use();
        TemporaryFolder folder = new();
        FakeTimeProvider time = new();
        RuleStore store = new(folder.Path, time, NullLogger<RuleStore>.Instance);
        WebApplication app = WebHost.Create(new IPEndPoint(IPAddress.Loopback, 0), null, NullLoggerProvider.Instance);
        app.MapKubernetesApi(store, time);
        await app.StartAsync();
        return new ApiBench(app, folder, store, time);
    }

    /// <summary>A destination rule as JSON.</summary>
    public static string Rule(string name, string spec = """{"host":"products"}""", string metadata = "", string version = "v1") =>
        $$"""{"apiVersion":"networking.istio.io/{{version}}","kind":"DestinationRule","metadata":{"name":"{{name}}"{{metadata}}},"spec":{{spec}}}""";

    public Task<ApiReply> GetAsync(string path, string accept = "application/json") => SendAsync(HttpMethod.Get, path, accept: accept);

    public Task<ApiReply> CreateAsync(string body, string query = "") => SendAsync(HttpMethod.Post, RulesPath + query, body);

    public Task<ApiReply> MergeAsync(string name, string body, string query = "") =>
        SendAsync(HttpMethod.Patch, $"{RulesPath}/{name}{query}", body, "application/merge-patch+json");

    public Task<ApiReply> ApplyAsync(string manager, string body, string query = "", string name = "a") =>
        SendAsync(HttpMethod.Patch, $"{RulesPath}/{name}?fieldManager={manager}{query}", body, "application/apply-patch+yaml");

    public async Task<ApiReply> SendAsync(
        HttpMethod method, string path, string? body = null, string type = "application/json", string accept = "application/json")
    {
        using HttpRequestMessage request = new(method, path);
        request.Headers.TryAddWithoutValidation("Accept", accept);
        request.Headers.TryAddWithoutValidation("User-Agent", "tester/1.0");
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        }

        using HttpResponseMessage answer = await Client.SendAsync(request);
        string[] warnings = answer.Headers.TryGetValues("Warning", out IEnumerable<string>? values) ? [.. values] : [];
        return new ApiReply((int)answer.StatusCode, answer.Content.Headers.ContentType?.ToString() ?? "", await answer.Content.ReadAsStringAsync(), warnings);
    }

    /// <summary>Opens a watch; returns once the headers are here.</summary>
    public async Task<WatchReader> WatchAsync(string query, string accept = "application/json")
    {
        HttpRequestMessage request = new(HttpMethod.Get, $"{RulesPath}?watch=true{query}");
        request.Headers.TryAddWithoutValidation("Accept", accept);
        HttpResponseMessage answer = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return new WatchReader(answer, new StreamReader(await answer.Content.ReadAsStreamAsync()));
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        Store.Dispose();
        Folder.Dispose();
    }
}

/// <summary>The lines of a watch.</summary>
internal sealed class WatchReader(HttpResponseMessage answer, StreamReader lines) : IDisposable
{
    public async Task<(string Type, JsonNode Object)> NextAsync()
    {
        string line = await lines.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(10)) ?? throw new EndOfStreamException("the watch ended");
        JsonNode json = JsonNode.Parse(line)!;
        return ((string)json["type"]!, json["object"]!);
    }

    public async Task<bool> EndsAsync() => await lines.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(10)) is null;

    public void Dispose()
    {
        lines.Dispose();
        answer.Dispose();
    }
}
