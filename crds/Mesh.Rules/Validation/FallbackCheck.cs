using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a Fallback can tell.</summary>
internal static class FallbackCheck
{
    /// <summary>Words of <c>triggers</c>; a status code stands for itself.</summary>
    public static readonly ImmutableArray<string> Causes = ["open", "overflow", "timeout", "no-healthy-upstream", "connect-failure", "reset", "rate-limited"];

    private static readonly string[] OwnFields =
        ["age", "connection", "content-length", "content-type", "date", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "x-mesh-fallback", "x-mesh-outcome", "x-mesh-reason"];

    public static void Check(Fallback fallback, Cursor spec)
    {
        if (fallback.Host is { } host && HostName.CheckWildcard(host) is { } problem)
        {
            spec.Field("host").Error(problem);
        }

        if (fallback.Subset is { } subset && !HostName.IsLowerLabel(subset))
        {
            spec.Field("subset").Error($"subset name is invalid: {subset}");
        }

        if (fallback is { LastGood: null, Destination: null, Static: null })
        {
            spec.Error("says no answer; write one of lastGood, destination and static");
        }

        CheckTriggers(fallback.Triggers, spec.Field("triggers"));
        CheckMethods(fallback, spec);
        CheckVary(fallback.LastGood, spec.Field("lastGood").Field("vary"));
        CheckDestination(fallback, spec.Field("destination"));
        CheckStatic(fallback.Static, spec.Field("static"));
    }

    private static void CheckTriggers(ImmutableArray<string> triggers, Cursor at)
    {
        for (int i = 0; i < triggers.Length; i++)
        {
            bool isCode = int.TryParse(triggers[i], NumberStyles.None, CultureInfo.InvariantCulture, out int code) && code is >= 400 and <= 599;
            if (!isCode && !Causes.Contains(triggers[i]))
            {
                at.Item(i).Error($"{RuleNode.Quote(triggers[i])} is nothing to answer for; write {string.Join(", ", Causes)} or a status code from \"400\" to \"599\"");
            }
        }
    }

    private static void CheckMethods(Fallback fallback, Cursor spec)
    {
        for (int i = 0; i < fallback.Methods.Length; i++)
        {
            string method = fallback.Methods[i];
            Cursor at = spec.Field("methods").Item(i);
            if (HeaderName.Check(method) is not null || method.Any(char.IsAsciiLetterLower))
            {
                at.Error($"{RuleNode.Quote(method)} is no method; write it as it is sent, such as GET");
            }
            else if (method is not ("GET" or "HEAD" or "OPTIONS"))
            {
                at.Warn(
                    $"callers of {method} are told that it went well although nothing was done" +
                    (fallback.Destination is null ? "" : ", or it is done twice: by the host, which may only be late, and by the destination"));
            }
        }

        if (fallback is { LastGood: not null, Methods.IsEmpty: false } && !fallback.Methods.Contains("GET") && !fallback.Methods.Contains("HEAD"))
        {
            spec.Field("lastGood").Warn("has no effect without GET or HEAD among the methods: only answers to GET are kept");
        }
    }

    private static void CheckVary(LastGood? lastGood, Cursor at)
    {
        for (int i = 0; i < lastGood?.Vary.Length; i++)
        {
            if (HeaderName.Check(lastGood.Vary[i]) is { } problem)
            {
                at.Item(i).Error(problem);
            }
        }
    }

    private static void CheckDestination(Fallback fallback, Cursor at)
    {
        if (fallback.Destination is not { Host: { } host } destination)
        {
            return;
        }

        if (HostName.CheckWildcard(host) is { } problem || host.StartsWith('*'))
        {
            at.Field("host").Error($"{RuleNode.Quote(host)} is not one service; write its name, such as products-backup");
        }

        if (host == fallback.Host && (destination.Subset ?? "") == (fallback.Subset ?? "") && (destination.Port?.Number ?? fallback.Port) == fallback.Port)
        {
            at.Field("host").Error("is the very host that fails; name another one, or another subset");
        }
    }

    private static void CheckStatic(StaticAnswer? answer, Cursor at)
    {
        if (answer is null)
        {
            return;
        }

        if (answer.ContentType is { } type && type.AsSpan().IndexOfAny("\r\n\0") >= 0)
        {
            at.Field("contentType").Error("cannot contain line breaks");
        }

        foreach ((string name, string value) in answer.Headers)
        {
            string? problem = name.StartsWith(':') || HeaderName.IsAuthority(name) || OwnFields.Contains(name, StringComparer.OrdinalIgnoreCase)
                ? $"{RuleNode.Quote(name)} is not the rule's to say; the media type stands in contentType"
                : HeaderName.Check(name) ?? (value.AsSpan().IndexOfAny("\r\n\0") >= 0 ? "header values cannot contain line breaks" : null);
            if (problem is not null)
            {
                at.Field("headers").Field(name).Error(problem);
            }
        }

        CheckBodies(answer, at);
    }

    private static void CheckBodies(StaticAnswer answer, Cursor at)
    {
        foreach (string tag in answer.Bodies.Keys)
        {
            if (tag is "false" or "true")
            {
                at.Field("bodies").Field(tag).Error("is what YAML reads for no or yes without quotes; write \"no\" for Norwegian");
            }
            else if (!tag.Split('-').All(static p => p.Length is > 0 and <= 8 && p.All(char.IsAsciiLetterOrDigit)))
            {
                at.Field("bodies").Field(tag).Error($"{RuleNode.Quote(tag)} is no language tag; write one such as ko, en or pt-BR");
            }
        }

        if (!answer.Bodies.IsEmpty && answer.Body is null)
        {
            at.Error("body is required beside bodies: what callers get who ask for no language, or for another one");
        }

        if (answer.Status is 204 or 205 or 304 && (!string.IsNullOrEmpty(answer.Body) || !answer.Bodies.IsEmpty))
        {
            at.Field("status").Error(string.Create(CultureInfo.InvariantCulture, $"an answer {answer.Status} has no body; remove body and bodies, or write 200"));
        }
    }
}
