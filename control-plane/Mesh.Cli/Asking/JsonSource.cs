using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Cli.Asking;

/// <summary>What came of a question: an object or a list, or the one line that says why there is none.</summary>
/// <param name="Root">The object or list.</param>
/// <param name="Problem">Why there is none.</param>
internal readonly record struct JsonAnswer(JsonNode? Root, string? Problem)
{
    /// <summary>The object.</summary>
    public JsonObject? Page => Root as JsonObject;

    /// <summary>Replicas of the control plane beside the one that answered, as far as it knows.</summary>
    public int OtherReplicas { get; init; }

    /// <summary>The objects of the list; none when it is no list.</summary>
    public IEnumerable<JsonObject> Items => (Root as JsonArray)?.OfType<JsonObject>() ?? [];
}

/// <summary>Asks sidecars and control planes for JSON. Failures are values; no question takes longer than <see cref="Longest"/>.</summary>
/// <param name="handler">Carries the requests; the caller's.</param>
internal sealed class JsonSource(HttpMessageHandler handler) : IDisposable
{
    /// <summary>Longest wait for one answer.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    private const int LongestRefusal = 300; // of an answer's text in a message
    private const long LongestAnswer = 64 * 1024 * 1024;

    private readonly HttpClient _client = new(handler, disposeHandler: false) { Timeout = Longest, MaxResponseContentBufferSize = LongestAnswer };

    /// <summary>What the control plane is shown; null shows nothing.</summary>
    public string? Token { get; init; }

    /// <summary>Name that the certificate of whom is asked must have; null for the address's.</summary>
    public string? ServerName { get; init; }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    /// <summary>Reads a page.</summary>
    public JsonAnswer Get(Uri page) => Send(page, new HttpRequestMessage(HttpMethod.Get, page));

    /// <summary>Sends an object.</summary>
    public JsonAnswer Post(Uri page, JsonObject body) =>
        Send(page, new HttpRequestMessage(HttpMethod.Post, page) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") });

    private JsonAnswer Send(Uri page, HttpRequestMessage request)
    {
        try
        {
            using (request)
            {
                if (Token is not null)
                {
                    request.Headers.Authorization = new System.Net.Http.Headers.AuthenticationHeaderValue("Bearer", Token);
                }

                request.Headers.Host = ServerName; // the handler asks for the certificate of this name
                using HttpResponseMessage answer = _client.Send(request);
                using StreamReader reader = new(answer.Content.ReadAsStream());
                string text = reader.ReadToEnd();
                return answer.IsSuccessStatusCode ? Parse(page, text) with { OtherReplicas = OtherReplicasOf(answer) } : new JsonAnswer(null, $"{page.AbsoluteUri}: {(int)answer.StatusCode} {Shorten(Message(text))}".TrimEnd());
            }
        }
        catch (TaskCanceledException)
        {
            return new JsonAnswer(null, $"{page.AbsoluteUri}: no answer within {Longest.TotalSeconds:0} s");
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            return new JsonAnswer(null, $"{page.AbsoluteUri}: {(failure.InnerException ?? failure).Message}");
        }
    }

    private static int OtherReplicasOf(HttpResponseMessage answer) =>
        answer.Headers.TryGetValues("x-mesh-other-replicas", out IEnumerable<string>? said) && int.TryParse(said.First(), NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count : 0;

    private static JsonAnswer Parse(Uri page, string text)
    {
        try
        {
            return JsonNode.Parse(text.Length == 0 ? "{}" : text) is { } found and (JsonObject or JsonArray) ? new JsonAnswer(found, null) : new JsonAnswer(null, $"{page.AbsoluteUri}: the answer is neither an object nor a list");
        }
        catch (JsonException)
        {
            return new JsonAnswer(null, $"{page.AbsoluteUri}: the answer is no JSON; is this the address of {(page.AbsolutePath.StartsWith("/mesh/", StringComparison.Ordinal) ? "a control plane" : "a sidecar's admin port")}?");
        }
    }

    // A Status of Kubernetes has its words in message.
    private static string Message(string text)
    {
        try
        {
            return JsonNode.Parse(text) is JsonObject refusal && refusal["message"] is JsonValue message ? message.ToString() : text;
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static string Shorten(string text)
    {
        string line = text.ReplaceLineEndings(" ").Trim();
        return line.Length <= LongestRefusal ? line : line[..LongestRefusal] + "...";
    }
}
