using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Cli.Breakers;
using Mesh.ControlPlane.Coordination;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.Hosting;

/// <summary>The page of the circuits that callers share, and what is decided about them by hand. For operators.</summary>
/// <param name="coordinator">Under whose lock they are.</param>
/// <param name="circuits">The circuits.</param>
/// <param name="replicas">To ask the replica that decides; null where there is one.</param>
internal sealed class BreakerRoutes(MeshCoordinator coordinator, SharedCircuits circuits, ReplicaRoutes? replicas)
{
    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/mesh/v1/breakers", context => coordinator.Leads || replicas is null
            ? ShowAsync(context, coordinator.Run(now => (CircuitPage.Write(circuits, circuits.At(now)), false)))
            : replicas.PassOnAsync(context, null, ShowAsync));
        routes.MapPost("/mesh/v1/breakers/force", ForceAsync);
        routes.MapDelete("/mesh/v1/breakers/force", context =>
            DecideAsync(context, new ForceRequest { Host = context.Request.Query["host"].ToString(), State = "auto" }));
    }

    // ?format=text is what meshctl prints.
    private static Task ShowAsync(HttpContext context, JsonObject page) => context.Request.Query["format"] == "text"
        ? Answers.TextAsync(context, StatusCodes.Status200OK, CircuitTable.List(page, null))
        : Answers.JsonAsync(context, page);

    private async Task ForceAsync(HttpContext context)
    {
        if (await Answers.BodyAsync(context, ForceJson.Default.ForceRequest) is { } request)
        {
            await DecideAsync(context, request);
        }
    }

    private Task DecideAsync(HttpContext context, ForceRequest request)
    {
        if (request.Problem is { } wrong)
        {
            return Answers.TextAsync(context, StatusCodes.Status400BadRequest, wrong);
        }

        if (!coordinator.Leads && replicas is not null)
        {
            bool hasBody = HttpMethods.IsPost(context.Request.Method);
            return replicas.PassOnAsync(context, hasBody ? JsonSerializer.SerializeToNode(request, ForceJson.Default.ForceRequest)!.AsObject() : null);
        }

        string by = ReplicaRoutes.By(context);
        (int status, JsonNode? page, string problem) = coordinator.Run(now => (Decide(request, by, now), true));
        return page is null ? Answers.TextAsync(context, status, problem) : Answers.JsonAsync(context, page);
    }

    private (int Status, JsonNode? Page, string Problem) Decide(ForceRequest request, string by, long now)
    {
        string[] known = [.. circuits.All.Select(static c => c.Host).Distinct(StringComparer.Ordinal)];
        string[] hosts = known.Contains(request.Host) ? [request.Host] : Array.FindAll(known, request.Means);
        if (hosts.Length != 1)
        {
            return hosts.Length > 1
                ? (StatusCodes.Status409Conflict, null, $"host: '{request.Host}' may be {string.Join(" or ", hosts)}; write which")
                : (StatusCodes.Status404NotFound, null,
                    $"host: no caller reports a shared circuit of '{request.Host}'; write one of {(known.Length == 0 ? "(there are none; a CircuitBreaker with scope: mesh makes them)" : string.Join(", ", known))}");
        }

        DateTimeOffset at = circuits.At(now);
        ForcedState? forced = request.State == "auto" ? null : new ForcedState(request.State, at + TimeSpan.FromMilliseconds(request.ForMilliseconds), request.Reason, by);
        circuits.Events.AddByHand(hosts[0], forced, by, at);
        int held = circuits.All.Count(c => c.Host == hosts[0] && c.Circuit.IsHeld);
        IReadOnlyList<CircuitEntry> concerned = circuits.Force(hosts[0], forced, now);
        return (StatusCodes.Status200OK, new JsonObject
        {
            ["host"] = hosts[0],
            ["forced"] = forced is null ? null : CircuitPage.Write(forced),
            ["done"] = forced is not null ? $"{concerned.Count} of {concerned.Count} circuits are {forced.Word} now"
                : held > 0 ? $"{held} of {concerned.Count} circuits were held and begin closed"
                : "nothing was held: no circuit changed",
            ["circuits"] = new JsonArray([.. concerned.Select(c => CircuitPage.Write(c, at))]),
        }, "");
    }
}
