using System.Globalization;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>A compiled route as one line for people; what is not set is left out.</summary>
internal static class RouteText
{
    public static string Write(HttpRouteConfig route) => string.Join("; ", Parts(route).Where(p => p.Length > 0));

    public static string Write(ConnectionRouteConfig route) =>
        $"{(route.ServerName.Length > 0 ? route.ServerName : "any")}{(route.Destination is { } d ? $" at {d}" : "")}{(route.Caller is { } c ? $" of {c}" : "")} to "
        + $"{string.Join(", ", route.Clusters.Select(Cluster))} from {route.Source ?? "the service"}";

    public static string Retry(RetryConfig retry)
    {
        string codes = retry.StatusCodes.IsEmpty ? "" : $" {string.Join(' ', retry.StatusCodes)}";
        string perTry = retry.PerTryTimeout > TimeSpan.Zero ? $" each {Seconds(retry.PerTryTimeout)}" : "";
        string hosts = (retry.AvoidsTriedHosts ? "" : " same hosts") + (retry.ReachesRemoteLocalities ? " remote" : "");
        return $"{retry.Attempts} on {retry.Conditions}{codes}{perTry} after {Seconds(retry.Backoff.Base)}..{Seconds(retry.Backoff.Max)}{hosts}{(retry.Source is { } s ? $" ({s})" : "")}";
    }

    public static string Match(HttpMatchConfig m) => string.Join(" & ", new[]
    {
        Text("path", m.Path) + (m.IgnorePathCase ? " any case" : ""), Text("method", m.Method), Text("authority", m.Authority), Text("scheme", m.Scheme),
        m.Name is { } n ? "named " + n : "", m.StatPrefix is { } s ? "counted as " + s : "",
    }.Concat(m.Headers.Select(h => $"{(h.IsInverted ? "not " : "")}{Text(h.Name, h.Match)}")).Concat(m.QueryParameters.Select(q => Text("?" + q.Name, q.Match))).Where(t => t.Length > 0));

    public static string Cluster(WeightedClusterConfig c) =>
        $"{c.Cluster} {c.Weight}{(c.Authority is { } a ? $" as {a}" : "")}{Changes(" request", c.RequestHeaders)}{Changes(" response", c.ResponseHeaders)}";

    private static IEnumerable<string> Parts(HttpRouteConfig r)
    {
        yield return $"'{r.Name}' from {r.Source}";
        yield return r.Matches.IsEmpty ? "any" : "if " + string.Join(" | ", r.Matches.Select(Match));
        yield return r.Clusters.IsEmpty ? "" : "to " + string.Join(", ", r.Clusters.Select(Cluster));
        yield return r.Redirect is { } d ? $"redirect {d.Code} {d.Scheme ?? "-"} {d.Authority ?? "-"}:{d.Port?.ToString(CultureInfo.InvariantCulture) ?? (d.UsesRequestPort ? "same" : "-")} {d.Path ?? $"{d.PathPrefix}…"}" : "";
        yield return r.DirectResponse is { } a ? $"answer {a.Status} '{a.Body}'" : "";
        yield return r.Rewrite is { } w ? $"rewrite {w.Path ?? "-"} {w.Pattern ?? "-"}→{w.Substitution ?? "-"} {w.Authority ?? "-"}" : "";
        yield return Changes("request", r.RequestHeaders);
        yield return Changes("response", r.ResponseHeaders);
        yield return r.Timeout > TimeSpan.Zero ? $"timeout {Seconds(r.Timeout)}" : "";
        yield return r.Retry is null ? "no retry" : ReferenceEquals(r.Retry, RetryConfig.OutboundDefault) ? "" : "retry " + Retry(r.Retry);
        yield return r.Fault is { } f ? FormattableString.Invariant($"fault {f.DelayPercent} % {Seconds(f.Delay)}, {f.AbortPercent} % {f.AbortStatus}") : "";
        yield return r.Mirrors.IsEmpty ? "" : "mirror " + string.Join(", ", r.Mirrors.Select(m => FormattableString.Invariant($"{m.Cluster} {m.Percent} %")));
        yield return r.Cors is { } c
            ? $"cors {string.Join(',', c.AllowOrigins.Select(o => $"{o.Kind} {o.Value}"))} {c.AllowMethods} {c.AllowHeaders} {c.ExposeHeaders} {c.MaxAgeSeconds} {c.AllowCredentials} {c.ForwardsUnmatchedPreflights}" : "";
    }

    private static string Text(string name, StringMatch? match) => match is null ? "" : match.Kind switch
    {
        StringMatchKind.Exact => $"{name} = {match.Value}",
        StringMatchKind.Prefix => $"{name} ^ {match.Value}",
        StringMatchKind.Regex => $"{name} ~ {match.Value}",
        _ => $"{name} there",
    };

    private static string Changes(string what, HeaderChanges changes) => changes.IsEmpty
        ? ""
        : $"{what} [{string.Join(' ', changes.Set.Select(s => $"{s.Key}={s.Value}").Concat(changes.Add.Select(a => $"+{a.Key}={a.Value}")).Concat(changes.Remove.Select(n => $"-{n}")))}]";

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds} ms");
}
