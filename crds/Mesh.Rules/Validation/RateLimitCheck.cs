using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a RateLimit can tell.</summary>
internal static class RateLimitCheck
{
    private static readonly TimeSpan LongestInterval = TimeSpan.FromDays(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5); // a request that stands still for longer ends anyway

    public static void Check(RateLimit limit, Cursor spec)
    {
        if (limit.Host is { } host && HostName.CheckWildcard(host) is { } problem)
        {
            spec.Field("host").Error(problem);
        }

        CheckSubset(limit, spec.Field("subset"));
        if (limit.Interval > LongestInterval)
        {
            spec.Field("interval").Error("must be at most 24h");
        }

        RateLimitPlanCheck.Check(limit, spec);
        CheckScope(limit, spec.Field("scope"));
        CheckKey(limit, spec);
        PathListCheck.Check(limit.Paths, spec.Field("paths"));
        PathListCheck.Check(limit.ExemptPaths, spec.Field("exemptPaths"));
        if (limit.Match is { } match)
        {
            HttpMatchCheck.CheckNames(match.Headers, spec.Field("match").Field("headers"));
            if (match.Headers.IsEmpty)
            {
                spec.Field("match").Error("write headers, such as headers: {x-class: {exact: batch}}, or leave match out");
            }
        }

        if (limit.AllowedHours is { } hours)
        {
            AllowedHoursCheck.Check(hours, spec.Field("allowedHours"));
        }

        if (limit.WhenExceeded is { } excess)
        {
            CheckExcess(excess, spec.Field("whenExceeded"));
        }
    }

    private static void CheckSubset(RateLimit limit, Cursor at)
    {
        if (limit.Subset is { } subset && !HostName.IsLowerLabel(subset))
        {
            at.Error($"subset name is invalid: {subset}");
        }
        else if (limit is { Subset: not null, IsCallee: true })
        {
            at.Error("a subset is what a caller chooses; leave it out with side: callee");
        }
    }

    private static void CheckScope(RateLimit limit, Cursor at)
    {
        if (limit.Scope != RateLimit.MeshScope)
        {
            return;
        }

        if (limit.IsCallee)
        {
            at.Error("all sidecars share what their callers send; in front of the application write scope: sidecar, and for all instances together a limit with side: caller");
        }
    }

    private static void CheckKey(RateLimit limit, Cursor spec)
    {
        Cursor at = spec.Field("key");
        if (limit.Key is not { } key)
        {
            if (limit.MaxKeys is not null)
            {
                spec.Field("maxKeys").Warn("has no effect without key: there is one bucket");
            }

            return;
        }

        int named = (key.Header is null ? 0 : 1) + (key.Cookie is null ? 0 : 1) + (key.Path == true ? 1 : 0) + (key.ClientIp == true ? 1 : 0);
        if (named != 1)
        {
            at.Error("write one of header, cookie, path: true or clientIp: true");
        }

        CheckName(key.Header, at.Field("header"), "x-user");
        CheckName(key.Cookie, at.Field("cookie"), "session");
        if (key.ClientIp == true && !limit.IsCallee)
        {
            at.Field("clientIp").Warn("in front of the destination the client is always the caller's own application; write side: callee to tell callers apart");
        }
    }

    private static void CheckName(string? name, Cursor at, string example)
    {
        if (name is not null && (name.Length == 0 || name.AsSpan().ContainsAnyExceptInRange('!', '~') || name.Contains(':')))
        {
            at.Error($"{RuleNode.Quote(name)} is no name; write one such as {example}");
        }
    }

    private static void CheckExcess(RateLimitExcess excess, Cursor at)
    {
        if ((excess.Reject == true) == excess.Wait is not null)
        {
            at.Error("write one of reject: true or wait");
        }

        if (excess.Wait?.MaxWait > LongestWait)
        {
            at.Field("wait").Field("maxWait").Error("must be at most 5m");
        }
    }
}

/// <summary>Lists of paths as our own kinds have them.</summary>
internal static class PathListCheck
{
    /// <summary>Each is a path from the slash on, with at most one star, at its end.</summary>
    public static void Check(ImmutableArray<string> paths, Cursor at)
    {
        for (int i = 0; i < paths.Length; i++)
        {
            if (!paths[i].StartsWith('/') || paths[i].TrimEnd('*').Contains('*'))
            {
                at.Item(i).Error($"{RuleNode.Quote(paths[i])} is no path; write it from the slash on, with * at the end for all below, such as /orders/cancel or /payments/*");
            }
        }
    }
}
