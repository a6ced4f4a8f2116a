using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Kubernetes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.Hosting;

/// <summary>What replicas of a cluster ask each other: the one that decides takes the others' reports, the others let it answer what people ask about circuits.</summary>
/// <param name="coordinator">Decides, or does not.</param>
/// <param name="link">To the one that does.</param>
internal sealed class ReplicaRoutes(MeshCoordinator coordinator, ReplicaLink link)
{
    /// <summary>Adds the routes. Like all that are no sidecar's, they are for service accounts of our own namespace.</summary>
    public void Map(IEndpointRouteBuilder routes) => routes.MapPost(ReplicaLink.Path, ReportAsync);

    /// <summary>
    /// Who asks, for the log: also through another replica. What another replica says of it counts from a pod of the mesh only, as replicas are: a person's token is bound to none, and where
    /// nobody is asked for a token the name is worth nothing anyway.
    /// </summary>
    public static string By(HttpContext context)
    {
        Caller? caller = context.Features.Get<Caller>();
        string here = caller?.ToString() ?? $"somebody at {context.Connection.RemoteIpAddress}";
        string there = caller is null or { Pod: not null } ? context.Request.Query["by"].ToString() : "";
        return there.Length == 0 ? here : $"{there.ReplaceLineEndings(" ")}, through {here}";
    }

    /// <summary>Lets the replica that decides answer.</summary>
    /// <param name="context">The call.</param>
    /// <param name="body">Its body, or null.</param>
    /// <param name="show">How to show what it answers; null shows it as it is.</param>
    public async Task PassOnAsync(HttpContext context, JsonObject? body, Func<HttpContext, JsonObject, Task>? show = null)
    {
        QueryString query = QueryString.Create(context.Request.Query.Where(static q => q.Key is not ("by" or "format"))).Add("by", By(context)); // one "by", and that is ours; an object is what we can read
        using ApiAnswer answer = await link.AskAsync(new HttpMethod(context.Request.Method), context.Request.Path + query, body, context.RequestAborted);
        if (answer.Failure is { } failure)
        {
            int status = failure.Code is >= StatusCodes.Status400BadRequest and < StatusCodes.Status500InternalServerError and not StatusCodes.Status401Unauthorized
                ? failure.Code
                : StatusCodes.Status503ServiceUnavailable;
            await Answers.TextAsync(context, status, status == failure.Code ? failure.Message : $"the replica that decides cannot be asked: {failure.Message}; come again");
            return;
        }

        await (show ?? Answers.JsonAsync)(context, JsonNode.Parse(answer.Object.GetRawText())!.AsObject());
    }

    private async Task ReportAsync(HttpContext context)
    {
        if (await Answers.BodyAsync(context, ReplicaJson.Default.ReplicaReport, ReplicaLink.MaxBytes) is not { } report)
        {
            return;
        }

        if (coordinator.Relay(report) is not { } orders)
        {
            await Answers.TextAsync(context, StatusCodes.Status409Conflict, "this replica does not lead");
            return;
        }

        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, orders, ReplicaJson.Default.ReplicaOrders, context.RequestAborted);
    }
}
