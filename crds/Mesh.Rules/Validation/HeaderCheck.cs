using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of header changes. Texts are Istio's where it has one.</summary>
internal static class HeaderCheck
{
    public static void Check(HeaderSettings? headers, Cursor at)
    {
        Check(headers?.Request, isRequest: true, at.Field("request"));
        Check(headers?.Response, isRequest: false, at.Field("response"));
    }

    /// <summary>The authority may be set in one place only: the rewrite, the route's headers, or each destination's.</summary>
    public static void CheckAuthority(HttpRoute route, Cursor at)
    {
        int ofRoute = (route.Rewrite?.Authority is null ? 0 : 1) + Authorities(route.Headers);
        if (ofRoute > 1 || route.Route.Any(d => Authorities(d.Headers) > 1))
        {
            at.Error("only one place may set the authority; keep one of rewrite.authority and headers.request.set.host");
        }
    }

    private static int Authorities(HeaderSettings? headers) =>
        headers?.Request is { } request ? request.Set.Keys.Concat(request.Add.Keys).Count(HeaderName.IsAuthority) : 0;

    private static void Check(HeaderOperations? changes, bool isRequest, Cursor at)
    {
        if (changes is null)
        {
            return;
        }

        CheckValues(changes.Set, isRequest, at.Field("set"));
        CheckValues(changes.Add, isRequest, at.Field("add"));
        for (int i = 0; i < changes.Remove.Length; i++)
        {
            string name = changes.Remove[i];
            string? problem = name.StartsWith(':') || HeaderName.IsAuthority(name)
                ? $"header name {RuleNode.Quote(name)} is not allowed here: ':' headers and host cannot be removed"
                : HeaderName.Check(name);
            if (problem is not null)
            {
                at.Field("remove").Item(i).Error(problem);
            }
        }
    }

    private static void CheckValues(ImmutableSortedDictionary<string, string> fields, bool isRequest, Cursor at)
    {
        foreach ((string name, string value) in fields)
        {
            string? problem = name.StartsWith(':') && !(isRequest && HeaderName.IsAuthority(name))
                ? $"header name {RuleNode.Quote(name)} is not allowed here: of the ':' headers only :authority of a request can be set"
                : HeaderName.Check(name);
            problem ??= value.AsSpan().IndexOfAny("\r\n\0") >= 0 ? "header values cannot contain line breaks" : null;
            if (problem is not null)
            {
                at.Field(name).Error(problem);
            }
            else if (value.Contains('%', StringComparison.Ordinal))
            {
                at.Field(name).NotEnforced("Envoy's %NAME% variables are sent as they are written");
            }
        }
    }
}
