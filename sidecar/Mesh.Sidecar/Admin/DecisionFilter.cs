using Mesh.Proxy.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary>Which decisions somebody wants to see; what is null or empty asks for nothing.</summary>
/// <param name="Request">x-request-id, whole.</param>
/// <param name="Host">Part of the authority or of the cluster's name.</param>
/// <param name="Rule">Beginning of the rule and path: <c>default/products</c>.</param>
/// <param name="Reason">The reason's word.</param>
internal sealed record DecisionFilter(string? Request, string? Host, string? Rule, string? Reason)
{
    /// <summary>The filter of a query string.</summary>
    public static DecisionFilter Of(IQueryCollection query)
    {
        return new DecisionFilter(Value("request"), Value("host"), Value("rule"), Value("reason"));

        string? Value(string name) => query[name].ToString() is { Length: > 0 } value ? value : null;
    }

    /// <summary>Whether a decision is among them; its id is looked at before.</summary>
    public bool Fits(LoggedDecision d) =>
        (Host is null || d.Authority.Contains(Host, StringComparison.OrdinalIgnoreCase) || d.Cluster?.Contains(Host, StringComparison.OrdinalIgnoreCase) == true)
        && IsOf(d.Decision.Rule, Rule) && (Reason is null || d.Reason == Reason);

    /// <summary>Whether a count is among them.</summary>
    public bool Fits(DecisionCount count) => IsOf(count.Rule, Rule) && (Reason is null || count.ReasonText == Reason);

    /// <summary>Whether <paramref name="rule"/> is the rule asked for or a place in it.</summary>
    public static bool IsOf(string? rule, string? asked) =>
        asked is null || (rule is not null && rule.StartsWith(asked, StringComparison.Ordinal) && (rule.Length == asked.Length || rule[asked.Length] is '#' or '.' or '['));
}
