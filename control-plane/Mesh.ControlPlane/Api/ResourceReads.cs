using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;

namespace Mesh.ControlPlane.Api;

/// <summary>get and list.</summary>
internal sealed class ResourceReads(RuleStore store, TimeProvider time)
{
    public Task GetAsync(ApiRequest request)
    {
        StoredRule rule = store.Current.Rules.GetValueOrDefault(request.Key) ?? throw ApiError.NotFound(request.Kind, request.Name!);
        return JsonReply.WriteAsync(request.Http, 200, Shapes.WantsTable(request)
            ? Shapes.Table(request, [rule], rule.ResourceVersion.ToString(CultureInfo.InvariantCulture), withColumns: true, time.GetUtcNow())
            : Shapes.InVersion(request, rule.Object));
    }

    public async Task ListAsync(ApiRequest request)
    {
        int limit = request.Query("resourceVersion") != "0" && int.TryParse(request.Query("limit"), CultureInfo.InvariantCulture, out int asked) && asked > 0 ? asked : int.MaxValue;
        RuleStoreState state = await new ListVersion(store, time).StateAsync(request, limit);
        Selector selector = new(request);
        StoredRule[] all = Sorted(state, selector);
        (string start, string revision) = Continue(request, state);
        StoredRule[] rest = start.Length == 0 ? all : [.. all.SkipWhile(r => string.CompareOrdinal(Place(r), start) < 0)];
        StoredRule[] page = rest.Length > limit ? rest[..limit] : rest;
        JsonObject list = Shapes.WantsTable(request)
            ? Shapes.Table(request, page, revision, withColumns: true, time.GetUtcNow())
            : new JsonObject
            {
                ["apiVersion"] = $"{request.Kind.Group}/{request.Version}",
                ["items"] = new JsonArray([.. page.Select(r => (JsonNode)Shapes.InVersion(request, r.Object))]),
                ["kind"] = request.Kind.Kind + "List",
                ["metadata"] = new JsonObject { ["continue"] = "", ["resourceVersion"] = revision },
            };
        if (page.Length < rest.Length)
        {
            string token = $"{{\"v\":\"meta.k8s.io/v1\",\"rv\":{revision},\"start\":\"{Place(rest[page.Length])}\"}}";
            list["metadata"]!["continue"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(token));
            if (!selector.IsNarrow)
            {
                list["metadata"]!["remainingItemCount"] = rest.Length - page.Length;
            }
        }

        await JsonReply.WriteAsync(request.Http, 200, list);
    }

    /// <summary>The objects a selector means, in order of namespace and name.</summary>
    internal static StoredRule[] Sorted(RuleStoreState state, Selector selector) =>
        [.. state.Rules.Values.Where(selector.Matches).OrderBy(Place, StringComparer.Ordinal)];

    private static string Place(StoredRule rule) => $"{rule.Key.Namespace}/{rule.Key.Name}";

    private static (string Start, string Revision) Continue(ApiRequest request, RuleStoreState state)
    {
        string revision = state.Revision.ToString(CultureInfo.InvariantCulture);
        if (request.Query("continue") is not { Length: > 0 } token)
        {
            return ("", revision);
        }

        Span<byte> bytes = new byte[token.Length];
        if (!Convert.TryFromBase64String(token, bytes, out int length) ||
            Mesh.Rules.Reading.RuleJson.FromJson(bytes[..length]).Object is not { } parsed || parsed["rv"] is null || parsed["start"]?.GetValueKind() != JsonValueKind.String)
        {
            throw ApiError.BadRequest("continue key is not valid: list again without it");
        }

        return ((string)parsed["start"]!, parsed["rv"]!.ToString());
    }
}
