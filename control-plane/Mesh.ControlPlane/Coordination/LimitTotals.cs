using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;

namespace Mesh.ControlPlane.Coordination;

/// <summary>What the rules say of limits that all callers share. Pure.</summary>
internal static class LimitTotals
{
    /// <summary>The limit of that name; null when no rule says it any more.</summary>
    public static int? Of(RuleStoreState rules, LimitName name) =>
        name.Rule.Split('/') is [string kind, string space, string rule] && rules.Rules.TryGetValue(new RuleKey(kind, space, rule), out StoredRule? stored)
            ? (stored.Document.Spec, name.Limit) switch
            {
                (ResiliencePolicy { MeshLimits: { } limits }, MeshLimitsConfig.ConnectionsField) => limits.MaxConnections,
                (ResiliencePolicy { MeshLimits: { } limits }, MeshLimitsConfig.RequestsField) => limits.MaxRequests,
                (RateLimit { Scope: RateLimit.MeshScope } limit, RateLimitConfig.TokensField) => name.Key.Length == 0 || limit.Key is not null ? limit.Tokens : null,
                _ => null,
            }
            : null;
}
