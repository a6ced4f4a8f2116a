using System.Net;
using Microsoft.AspNetCore.Http;

namespace Mesh.ControlPlane.Hosting;

/// <summary>
/// Decides who may come in. On loopback there is no token, so a web page that a developer happens to visit must not be able to reach the API
/// through the browser: neither by a DNS name that resolves to 127.0.0.1 (foreign Host) nor across origins (foreign Origin).
/// </summary>
/// <param name="token">The token, or null on loopback without one.</param>
internal sealed class DoorGuard(TokenFile? token)
{
    /// <summary>Lets the request through to <paramref name="next"/>, or answers it.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (token is not null)
        {
            if (token.IsBorneBy(context.Request.Headers.Authorization))
            {
                return next(context);
            }

            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Answers.TextAsync(context, StatusCodes.Status401Unauthorized, "the token of --token-file is missing or wrong; send 'Authorization: Bearer TOKEN'");
        }

        return Problem(context.Request) is { } problem
            ? Answers.TextAsync(context, StatusCodes.Status403Forbidden, problem)
            : next(context);
    }

    private static string? Problem(HttpRequest request)
    {
        if (!IsLocal(request.Host.Host))
        {
            return $"Host '{request.Host}' is foreign: this listener answers to localhost, 127.0.0.1 and [::1] only; for other names serve with --tls-cert, --tls-key and --token-file";
        }

        string? origin = request.Headers.Origin;
        return origin is null || origin.Equals($"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase)
            ? null
            : $"Origin '{origin}' is foreign: pages of other sites may not call this API";
    }

    private static bool IsLocal(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));
}
