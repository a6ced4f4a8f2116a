using System.Globalization;
using System.Net;
using Mesh.ControlPlane.Access;
using Microsoft.AspNetCore.Http;

namespace Mesh.ControlPlane.Hosting;

/// <summary>
/// Decides who may come in. On loopback there is no token, so a web page that a developer happens to visit must not be able to reach the API
/// through the browser: neither by a DNS name that resolves to 127.0.0.1 (foreign Host) nor across origins (foreign Origin). Elsewhere a token says who calls:
/// a sidecar may make a sidecar's calls, all else is for operators.
/// </summary>
/// <param name="check">Knows the tokens; null on loopback without any.</param>
/// <param name="operators">Namespace whose service accounts count as operators: that of the control plane. Empty for none.</param>
/// <param name="stats">Counts refusals.</param>
internal sealed class DoorGuard(ICallerCheck? check, string operators, DoorStats stats)
{
    private const string Scheme = "Bearer ";

    /// <summary>Lets the request through to <paramref name="next"/>, with its <see cref="Caller"/> as a feature, or answers it.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next) => check is not null ? CheckAsync(context, next, check)
        : Problem(context.Request) is { } problem ? RefuseAsync(context, StatusCodes.Status403Forbidden, Refusal.Foreign, problem)
        : next(context);

    /// <summary>Answers and counts.</summary>
    public Task RefuseAsync(HttpContext context, int status, Refusal reason, string problem)
    {
        stats.Count(reason);
        return Answers.TextAsync(context, status, problem);
    }

    private async Task CheckAsync(HttpContext context, RequestDelegate next, ICallerCheck callers)
    {
        string authorization = context.Request.Headers.Authorization.ToString();
        string token = authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? authorization[Scheme.Length..].Trim() : "";
        CallerAnswer answer = token.Length == 0
            ? CallerAnswer.Unknown("the request has no token")
            : await callers.CheckAsync(token, context.RequestAborted);
        if (answer.RetryAfter is { } pause)
        {
            context.Response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(pause.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            await RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, Refusal.Unjudged, answer.Problem);
        }
        else if (answer.Caller is not { } caller)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await RefuseAsync(
                context, StatusCodes.Status401Unauthorized, token.Length == 0 ? Refusal.Missing : Refusal.Token,
                $"{answer.Problem}; send 'Authorization: Bearer TOKEN' with {callers.Wanted}");
        }
        else if (!IsOperator(caller) && context.GetEndpoint()?.Metadata.GetMetadata<SidecarCall>() is null)
        {
            await RefuseAsync(
                context, StatusCodes.Status403Forbidden, Refusal.Route,
                $"{caller} may register and follow a sidecar, no more; for other pages send {Wider(callers)}");
        }
        else
        {
            context.Features.Set(caller);
            await next(context);
        }
    }

    private bool IsOperator(Caller caller) => caller.IsOperator || (operators.Length > 0 && caller.Namespace == operators);

    private string Wider(ICallerCheck callers) => operators.Length > 0 ? $"{callers.Wanted}, in namespace {operators}" : callers.Wanted;

    private static string? Problem(HttpRequest request)
    {
        if (!IsLocal(request.Host.Host))
        {
            return $"Host '{request.Host}' is foreign: this listener answers to localhost, 127.0.0.1 and [::1] only; "
                + "for other names serve with --tls-cert, --tls-key and --token-file";
        }

        string? origin = request.Headers.Origin;
        return origin is null || origin.Equals($"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase)
            ? null
            : $"Origin '{origin}' is foreign: pages of other sites may not call this API";
    }

    private static bool IsLocal(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));
}
