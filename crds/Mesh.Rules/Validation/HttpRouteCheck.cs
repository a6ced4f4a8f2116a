using System.Text;
using Mesh.Rules.Advice;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Cross-field checks of one HTTP route. Texts are Istio's where it has one.</summary>
internal static class HttpRouteCheck
{
    private const int LargeBody = 100 * 1024;
    private const int MaxBody = 1024 * 1024;

    public static void Check(HttpRoute route, bool isDelegate, Cursor at)
    {
        for (int i = 0; i < route.Match.Length; i++)
        {
            HttpMatchCheck.Check(route.Match[i], isDelegate, at.Field("match").Item(i));
        }

        CheckAction(route, isDelegate, at);
        for (int i = 0; i < route.Route.Length; i++)
        {
            Cursor here = at.Field("route").Item(i);
            DestinationCheck.Check(route.Route[i].Destination, here.Field("destination"));
            HeaderCheck.Check(route.Route[i].Headers, here.Field("headers"));
        }

        DestinationCheck.CheckWeights(route.Route.Select(static d => d.Weight), at.Field("route"));
        HeaderCheck.Check(route.Headers, at.Field("headers"));
        HeaderCheck.CheckAuthority(route, at);
        CheckRedirect(route.Redirect, at.Field("redirect"));
        CheckBody(route.DirectResponse?.Body, at.Field("directResponse").Field("body"));
        CheckRewrite(route, at.Field("rewrite"));
        RetryCheck.Check(route.Retries, at.Field("retries"));
        RetryAdvice.Check(route, at);
        FaultCheck.Check(route.Fault, at.Field("fault"));
        CorsCheck.Check(route.CorsPolicy, at.Field("corsPolicy"));
        CheckMirrors(route, at);
    }

    private static void CheckAction(HttpRoute route, bool isDelegate, Cursor at)
    {
        if (route.Delegate is not null)
        {
            CheckDelegate(route, isDelegate, at);
            return;
        }

        if (route.Redirect is not null)
        {
            Refuse(!route.Route.IsEmpty, "HTTP route cannot contain both route and redirect", at);
            Refuse(route.Fault is not null, "HTTP route cannot contain both fault and redirect", at);
            Refuse(route.Rewrite is not null, "HTTP route rule cannot contain both rewrite and redirect", at);
            Refuse(route.DirectResponse is not null, "HTTP route rule cannot contain both direct_response and redirect", at);
        }
        else if (route.DirectResponse is not null)
        {
            Refuse(!route.Route.IsEmpty, "HTTP route cannot contain both route and direct_response", at);
            Refuse(route.Fault is not null, "HTTP route cannot contain both fault and direct_response", at);
            Refuse(route.Rewrite is not null, "HTTP route rule cannot contain both rewrite and direct_response", at);
        }
        else if (route.Route.IsEmpty)
        {
            at.Error("HTTP route, redirect or direct_response is required; for example route: [{destination: {host: products}}]", DiagnosticCode.Required);
        }
    }

    private static void CheckDelegate(HttpRoute route, bool isDelegate, Cursor at)
    {
        Refuse(isDelegate, "delegate HTTP route cannot contain delegate; one level is all there is", at.Field("delegate"));
        Refuse(!route.Route.IsEmpty, $"root HTTP route {route.Name} must not specify route", at.Field("route"));
        Refuse(route.Redirect is not null, $"root HTTP route {route.Name} must not specify redirect", at.Field("redirect"));
        Refuse(route.DirectResponse is not null, $"root HTTP route {route.Name} must not specify directResponse", at.Field("directResponse"));
        Refuse(route.Delegate?.Name is "", "delegate name is required", at.Field("delegate").Field("name"));
    }

    private static void CheckRedirect(HttpRedirect? redirect, Cursor at)
    {
        if (redirect is null)
        {
            return;
        }

        if (at.IsEmptyMap)
        {
            at.Error("redirect must specify URI, authority, scheme, or redirect_code");
        }

        Refuse(redirect.Uri is not null && redirect.PrefixRewrite is not null, "redirect must specify only one of uri and prefixRewrite", at);
        Refuse(redirect.Port is not null && redirect.DerivePort is not null, "redirect must specify only one of port and derivePort", at);
        Refuse(redirect.Scheme is not (null or "" or "http" or "https"), "invalid redirect scheme, must be \"http\" or \"https\"", at.Field("scheme"));
        if (redirect.RedirectCode is { } code and not (301 or 302 or 303 or 307 or 308))
        {
            at.Field("redirectCode").Warn($"no client follows {code}, and Istio makes no route of it: the route is left out; write 301, 302, 303, 307 or 308");
        }
    }

    private static void CheckBody(HttpBody? body, Cursor at)
    {
        if (body is null)
        {
            return;
        }

        Refuse(body.String is not null && body.Bytes is not null, "only one of string and bytes may be set", at);
        int length = Encoding.UTF8.GetByteCount(body.String ?? "");
        if (body.Bytes is { } base64)
        {
            byte[] buffer = new byte[base64.Length];
            Refuse(!Convert.TryFromBase64String(base64, buffer, out length), "is no base64", at.Field("bytes"));
        }

        if (length > MaxBody)
        {
            at.Error("large direct_responses may impact control plane performance, must be less than 1MB");
        }
        else if (length > LargeBody)
        {
            at.Warn("large direct_responses may impact control plane performance");
        }
    }

    private static void CheckRewrite(HttpRoute route, Cursor at)
    {
        if (route.Rewrite is not { } rewrite)
        {
            return;
        }

        Refuse(rewrite is { Uri: null, UriRegexRewrite: null, Authority: null }, "rewrite must specify at least one of URI, uriRegexRewrite or authority", at);
        Refuse(rewrite.Uri is not null && rewrite.UriRegexRewrite is not null, "rewrite may only contain one of URI or uriRegexRewrite", at);
        Refuse(
            rewrite.Uri is not null && route.Match.Any(static m => m.Uri?.Regex is not null),
            "rewrite of uri is not valid with a regex match; use uriRegexRewrite", at.Field("uri"));
        if (rewrite.UriRegexRewrite is { } regex)
        {
            Cursor here = at.Field("uriRegexRewrite");
            if (regex.Match is null or "" || regex.Rewrite is null or "")
            {
                here.Error("UriRegexRewrite requires both Rewrite and Match fields to be specified");
            }
            else if (RegexText.Check(regex.Match) is { } problem)
            {
                here.Field("match").Error(problem);
            }
        }
    }

    private static void CheckMirrors(HttpRoute route, Cursor at)
    {
        Refuse(route.Mirror is not null && !route.Mirrors.IsEmpty, "HTTP route cannot contain both mirror and mirrors", at);
        DestinationCheck.Check(route.Mirror, at.Field("mirror"));
        for (int i = 0; i < route.Mirrors.Length; i++)
        {
            DestinationCheck.Check(route.Mirrors[i].Destination, at.Field("mirrors").Item(i).Field("destination"));
        }
    }

    private static void Refuse(bool isWrong, string message, Cursor at)
    {
        if (isWrong)
        {
            at.Error(message);
        }
    }
}
