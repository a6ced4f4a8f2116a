using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.OpenApi;
using Mesh.ControlPlane.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.Api;

/// <summary>
/// The embedded, Kubernetes-conventional API of the rule kinds, so that stock kubectl works without a cluster. Data-driven from the list of kinds; the measured facts
/// behind each answer are in control-plane/adr/0001.
/// </summary>
public static class KubernetesApi
{
    private const string Collection = "/apis/{group}/{version}/{plural}";
    private const string Namespaced = "/apis/{group}/{version}/namespaces/{ns}/{plural}";

    /// <summary>Adds the routes of the API to <paramref name="app"/>.</summary>
    public static void MapKubernetesApi(this IEndpointRouteBuilder app, RuleStore store, TimeProvider time)
    {
        Documents documents = new();
        ResourceReads reads = new(store, time);
        ResourceWrites writes = new(store, time);
        ResourceWatch watch = new(store, time);

        MapDiscovery(app, documents);
        MapCore(app, time);
        app.MapGet(Collection, On(r => ResourceWatch.IsAsked(r) ? watch.RunAsync(r) : reads.ListAsync(r)));
        app.MapGet(Namespaced, On(r => ResourceWatch.IsAsked(r) ? watch.RunAsync(r) : reads.ListAsync(r)));
        app.MapPost(Namespaced, On(writes.CreateAsync));
        app.MapDelete(Namespaced, On(writes.DeleteCollectionAsync));
        app.MapGet(Namespaced + "/{name}", On(reads.GetAsync));
        app.MapPut(Namespaced + "/{name}", On(r => writes.ReplaceAsync(r, isStatus: false)));
        app.MapMethods(Namespaced + "/{name}", ["PATCH"], On(r => writes.PatchAsync(r, isStatus: false)));
        app.MapDelete(Namespaced + "/{name}", On(writes.DeleteAsync));
        app.MapGet(Namespaced + "/{name}/status", On(reads.GetAsync));
        app.MapPut(Namespaced + "/{name}/status", On(r => writes.ReplaceAsync(r, isStatus: true)));
        app.MapMethods(Namespaced + "/{name}/status", ["PATCH"], On(r => writes.PatchAsync(r, isStatus: true)));
    }

    private static void MapDiscovery(IEndpointRouteBuilder app, Documents documents)
    {
        app.MapGet("/version", Guarded(c => JsonReply.WriteAsync(c, 200, Discovery.Version())));
        foreach (string probe in (string[])["/healthz", "/readyz", "/livez"])
        {
            app.MapGet(probe, static c => c.Response.WriteAsync("ok", c.RequestAborted));
        }

        app.MapGet("/api", Guarded(c => Discovery.IsAggregated(c) ? Discovery.WriteAggregatedAsync(c, Discovery.AggregatedCore()) : JsonReply.WriteAsync(c, 200, Discovery.CoreVersions())));
        app.MapGet("/api/v1", Guarded(c => JsonReply.WriteAsync(c, 200, Discovery.CoreResources())));
        app.MapGet("/apis", Guarded(c => Discovery.IsAggregated(c) ? Discovery.WriteAggregatedAsync(c, Discovery.AggregatedGroups()) : JsonReply.WriteAsync(c, 200, Discovery.Groups())));
        app.MapGet("/apis/{group}", Guarded(c => JsonReply.WriteAsync(c, 200, Discovery.Group((string)c.GetRouteValue("group")!))));
        app.MapGet("/apis/{group}/{version}", Guarded(c => JsonReply.WriteAsync(c, 200, Discovery.Resources((string)c.GetRouteValue("group")!, (string)c.GetRouteValue("version")!))));
        app.MapPost("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", Guarded(c => JsonReply.WriteAsync(c, 201, Discovery.Allowed())));
        app.MapGet("/openapi/v2", documents.WriteV2Async);
        app.MapGet("/openapi/v3", documents.WriteIndexAsync);
        app.MapGet("/openapi/v3/apis/{group}/{version}", Guarded(documents.WriteGroupAsync));
    }

    // Enough of the core API for describe, get namespaces and the check before a create: any namespace exists, nothing happens in it.
    private static void MapCore(IEndpointRouteBuilder app, TimeProvider time)
    {
        app.MapGet("/api/v1/namespaces", Guarded(c => JsonReply.WriteAsync(c, 200, CoreList("NamespaceList", Discovery.Namespace("default", time)))));
        app.MapGet("/api/v1/namespaces/{ns}", Guarded(c => JsonReply.WriteAsync(c, 200, Discovery.Namespace((string)c.GetRouteValue("ns")!, time))));
        foreach ((string plural, string list) in ((string, string)[])[("events", "EventList"), ("services", "ServiceList")])
        {
            app.MapGet($"/api/v1/{plural}", Guarded(c => JsonReply.WriteAsync(c, 200, CoreList(list))));
            app.MapGet($"/api/v1/namespaces/{{ns}}/{plural}", Guarded(c => JsonReply.WriteAsync(c, 200, CoreList(list))));
        }
    }

    private static JsonObject CoreList(string kind, params JsonNode[] items) => new()
    {
        ["kind"] = kind,
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject { ["resourceVersion"] = "1" },
        ["items"] = new JsonArray(items),
    };

    private static RequestDelegate On(Func<ApiRequest, Task> handle) => Guarded(context =>
        ApiRequest.Parse(context) is { } request
            ? handle(request)
            : throw new ApiError(404, "NotFound", "the server could not find the requested resource"));

    /// <summary>Turns refusals into Status answers.</summary>
    private static RequestDelegate Guarded(Func<HttpContext, Task> handle) => async context =>
    {
        try
        {
            await handle(context);
        }
        catch (ApiError refusal) when (!context.Response.HasStarted)
        {
            await JsonReply.WriteAsync(context, refusal.Code, refusal.ToStatus());
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException && !context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            ApiError error = new(500, "InternalError", string.Create(CultureInfo.InvariantCulture, $"the store could not be written: {problem.Message}"));
            await JsonReply.WriteAsync(context, 500, error.ToStatus());
        }
    };
}
