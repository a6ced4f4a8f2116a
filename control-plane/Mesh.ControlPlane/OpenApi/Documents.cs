using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Api;
using Mesh.Rules.Kinds;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.OpenApi;

/// <summary>The OpenAPI documents, made once from the kinds' schemas: v3 for kubectl of today, v2 as protobuf for older ones. Immutable.</summary>
internal sealed class Documents
{
    private const string V2ContentType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    private readonly Dictionary<string, (JsonObject Document, string Hash)> _groups = [];
    private readonly byte[] _v2;

    public Documents()
    {
        foreach ((string group, string version) in RuleKinds.All.SelectMany(static k => k.Versions.Select(v => (k.Group, v))).Distinct())
        {
            JsonObject document = GroupDocument(group, version);
            _groups.Add($"apis/{group}/{version}", (document, Convert.ToHexString(SHA512.HashData(JsonReply.Bytes(document)))));
        }

        _v2 = OpenApiV2.Write();
    }

    /// <summary>Schema name of a kind: <c>io.istio.networking.v1.DestinationRule</c>.</summary>
    public static string SchemaName(RuleKind kind, string version) => string.Join('.', kind.Group.Split('.').Reverse()) + $".{version}.{kind.Kind}";

    /// <summary>The index; a document's address carries its hash, because clients keep documents for ever.</summary>
    public Task WriteIndexAsync(HttpContext context)
    {
        JsonObject paths = [];
        foreach ((string path, (JsonObject _, string hash)) in _groups)
        {
            paths[path] = new JsonObject { ["serverRelativeURL"] = $"/openapi/v3/{path}?hash={hash}" };
        }

        return JsonReply.WriteAsync(context, 200, new JsonObject { ["paths"] = paths });
    }

    public Task WriteGroupAsync(HttpContext context)
    {
        string path = $"apis/{context.GetRouteValue("group")}/{context.GetRouteValue("version")}";
        if (!_groups.TryGetValue(path, out (JsonObject Document, string Hash) found))
        {
            throw new ApiError(404, "NotFound", "the server could not find the requested resource");
        }

        context.Response.Headers.CacheControl = "public, immutable";
        context.Response.Headers.ETag = $"\"{found.Hash}\"";
        return JsonReply.WriteAsync(context, 200, found.Document);
    }

    public async Task WriteV2Async(HttpContext context)
    {
        context.Response.ContentType = V2ContentType; // with "@v1.0" or as JSON kubectl breaks
        context.Response.ContentLength = _v2.Length;
        await context.Response.Body.WriteAsync(_v2, context.RequestAborted);
    }

    private static JsonObject GroupDocument(string group, string version)
    {
        JsonObject paths = [];
        JsonObject schemas = [];
        foreach (RuleKind kind in RuleKinds.All.Where(k => k.Group == group && k.Versions.Contains(version)))
        {
            JsonObject gvk = new() { ["group"] = group, ["kind"] = kind.Kind, ["version"] = version };
            JsonObject schema = kind.OpenApiSchema();
            schema["x-kubernetes-group-version-kind"] = new JsonArray(gvk.DeepClone());
            schemas[SchemaName(kind, version)] = schema;
            JsonObject write = new() { ["parameters"] = new JsonArray(Query("dryRun"), Query("fieldManager"), Query("fieldValidation")), ["x-kubernetes-group-version-kind"] = gvk };
            JsonObject responses = new() { ["200"] = new JsonObject { ["description"] = "OK" } };
            write["responses"] = responses;
            paths[$"/apis/{group}/{version}/namespaces/{{namespace}}/{kind.Plural}/{{name}}"] = new JsonObject { ["patch"] = write, ["put"] = write.DeepClone() };
            paths[$"/apis/{group}/{version}/namespaces/{{namespace}}/{kind.Plural}"] = new JsonObject { ["post"] = write.DeepClone() };
        }

        return new JsonObject
        {
            ["openapi"] = "3.0.0",
            ["info"] = new JsonObject { ["title"] = "Mesh", ["version"] = "0.1.0" },
            ["paths"] = paths,
            ["components"] = new JsonObject { ["schemas"] = schemas },
        };
    }

    private static JsonObject Query(string name) => new()
    {
        ["name"] = name,
        ["in"] = "query",
        ["schema"] = new JsonObject { ["type"] = "string" },
    };
}
