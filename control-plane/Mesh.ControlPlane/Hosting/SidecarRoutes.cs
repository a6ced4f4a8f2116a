using System.Text.Json;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Status;
using Mesh.Rules.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.Hosting;

/// <summary>The calls of a sidecar: register, stream, ack, report, leave. Where callers have names, each speaks for its own sidecar only.</summary>
/// <param name="registry">Who is there.</param>
/// <param name="hub">What to push.</param>
/// <param name="status">Told of every answer.</param>
/// <param name="stats">Counters.</param>
/// <param name="coordinator">Decides what sidecars share.</param>
/// <param name="shares">What of a report is believed.</param>
/// <param name="guard">Answers who may not.</param>
/// <param name="time">Clock.</param>
internal sealed class SidecarRoutes(
    EndpointRegistry registry, PushHub hub, StatusWriter status, PushStats stats, MeshCoordinator coordinator, VisibleShares shares, DoorGuard guard, TimeProvider time)
{
    private readonly SidecarStreams _streams = new(hub, coordinator, stats, time);

    /// <summary>Adds the routes; streams end when <paramref name="stopping"/> says so.</summary>
    public void Map(IEndpointRouteBuilder routes, CancellationToken stopping)
    {
        RouteGroupBuilder sidecars = routes.MapGroup("/mesh/v1/sidecars").WithMetadata(SidecarCall.Mark);
        sidecars.MapPost("", RegisterAsync);
        sidecars.MapDelete("/{id}", LeaveAsync);
        sidecars.MapPost("/{id}/ack", AckAsync);
        sidecars.MapPost("/{id}/report", ReportAsync);
        sidecars.MapGet("/{id}/stream", context => StreamAsync(context, stopping));
    }

    private static string IdOf(HttpContext context) => (string)context.Request.RouteValues["id"]!;

    private static Task UnknownAsync(HttpContext context) => Answers.TextAsync(
        context, StatusCodes.Status404NotFound, $"no sidecar '{IdOf(context)}' is registered; register anew with POST /mesh/v1/sidecars");

    /// <summary>
    /// The sidecar that the call is for, if the caller may speak for it; null after answering why not. Asked for once in a call, after its body: until that has come, the id may
    /// have become another's.
    /// </summary>
    private async Task<RegisteredSidecar?> OwnAsync(HttpContext context)
    {
        if (registry.Find(IdOf(context)) is not { } sidecar)
        {
            await UnknownAsync(context);
            return null;
        }

        if (context.Features.Get<Caller>() is { } caller && !caller.MaySpeakFor(sidecar.Owner))
        {
            await ForbidAsync(context, $"sidecar '{sidecar.Id}' was registered by another than {caller}; register your own with POST /mesh/v1/sidecars");
            return null;
        }

        return sidecar;
    }

    private Task ForbidAsync(HttpContext context, string problem) => guard.RefuseAsync(context, StatusCodes.Status403Forbidden, Refusal.Identity, problem);

    private async Task RegisterAsync(HttpContext context)
    {
        if (await Answers.BodyAsync(context, WireJson.Default.SidecarRegistration) is not { } registration)
        {
            return;
        }

        Caller? caller = context.Features.Get<Caller>();
        if (caller is not null && SidecarIdentity.Problem(caller, registration) is { } foreign)
        {
            await ForbidAsync(context, foreign);
            return;
        }

        (SidecarRegistered? registered, string? problem) = registry.Register(registration, caller);
        if (registered is null)
        {
            await (problem is null
                ? ForbidAsync(context, $"node: '{registration.Node}' was registered by another than {caller}; write another id, or leave it out")
                : Answers.TextAsync(context, StatusCodes.Status400BadRequest, problem));
            return;
        }

        context.Response.StatusCode = StatusCodes.Status201Created;
        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, registered, WireJson.Default.SidecarRegistered, context.RequestAborted);
    }

    private async Task LeaveAsync(HttpContext context)
    {
        if (await OwnAsync(context) is not { } sidecar)
        {
            return;
        }

        if (!registry.Deregister(sidecar))
        {
            await UnknownAsync(context);
            return;
        }

        coordinator.Forget(sidecar.Id);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task AckAsync(HttpContext context)
    {
        if (await Answers.BodyAsync(context, WireJson.Default.SidecarAck) is not { } ack || await OwnAsync(context) is not { } sidecar)
        {
            return;
        }

        if (sidecar.Session.Answer(ack) is { } sentAt)
        {
            stats.CountAnswer(ack.Accepted, time.GetElapsedTime(sentAt));
            status.Signal.Set();
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task ReportAsync(HttpContext context)
    {
        if (await Answers.BodyAsync(context, WireJson.Default.SidecarReport) is not { } report || await OwnAsync(context) is not { Session: { } session } sidecar)
        {
            return;
        }

        report = ReportCheck.WithoutExcess(report);
        if (ReportCheck.Problem(report) is { } problem)
        {
            await Answers.TextAsync(context, StatusCodes.Status400BadRequest, problem);
            return;
        }

        if (!registry.TryReport(sidecar, report))
        {
            await UnknownAsync(context);
            return;
        }

        if (session is { View.Running: null } && hub.Find(report.Version) is { } content)
        {
            session.Resumed(content);
            status.Signal.Set();
        }

        if (coordinator.Report(sidecar, shares.Of(report, sidecar.Registration.Namespace)) is not { } orders)
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, orders, WireJson.Default.SidecarOrders, context.RequestAborted);
    }

    private async Task StreamAsync(HttpContext context, CancellationToken stopping)
    {
        if (await OwnAsync(context) is not { } sidecar)
        {
            return;
        }

        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        await _streams.FollowAsync(context, sidecar, end.Token);
    }
}
