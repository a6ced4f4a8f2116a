using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Rules in shadow mode: who may be, and what of them is not evaluated. What cannot be played honestly is named, not guessed.</summary>
internal static class ShadowCheck
{
    private const string NotEvaluated = "not evaluated: in shadow mode only connectionPool, outlierDetection and retryBudget are";
    private static readonly string[] NotOfPolicy = ["loadBalancer", "tls", "tunnel", "proxyProtocol"];
    private static readonly string[] NotOfTcp = ["tcpKeepalive", "maxConnectionDuration"];
    private static readonly string[] NotOfRetries = ["backoff", "maxRetryAfter"];

    /// <summary>The value of <see cref="RuleDocument.ModeAnnotation"/>: a mistake in it must not put a rule in force that was only to be tried.</summary>
    public static void CheckMode(ImmutableSortedDictionary<string, string> annotations, RuleKind kind, Cursor at)
    {
        if (!annotations.TryGetValue(RuleDocument.ModeAnnotation, out string? mode))
        {
            return;
        }

        if (mode is not ("enforce" or RuleDocument.ShadowMode))
        {
            at.Error($"{RuleNode.Quote(mode)} is no mode; write enforce or {RuleDocument.ShadowMode}", DiagnosticCode.NotSupported);
        }
        else if (mode == RuleDocument.ShadowMode && kind.Kind != nameof(DestinationRule))
        {
            at.Error(kind.Group == "resilience.mesh.dev"
                ? $"is for DestinationRules; a {kind.Kind} has a field for it: write spec.mode: shadow"
                : $"is for DestinationRules; a {kind.Kind} has no shadow mode: remove the annotation", DiagnosticCode.NotSupported);
        }
    }

    /// <summary>A DestinationRule in shadow mode.</summary>
    public static void Check(DestinationRule rule, Cursor spec)
    {
        CheckPolicy(spec.Field("trafficPolicy"));
        Cursor subsets = spec.Field("subsets");
        for (int i = 0; i < rule.Subsets.Length; i++)
        {
            CheckPolicy(subsets.Item(i).Field("trafficPolicy"));
        }

        if (!rule.Subsets.IsEmpty)
        {
            subsets.Warn("not created: in shadow mode the policy of a subset is evaluated where the rule in force has a subset of that name");
        }
    }

    /// <summary>A ResiliencePolicy in shadow mode.</summary>
    public static void Check(ResiliencePolicy policy, Cursor spec)
    {
        Warn(spec, ["transactionId", "asyncReply"], "not evaluated in shadow mode: it refuses nothing that could be counted");
        Cursor retries = spec.Field("retries");
        Warn(retries, NotOfRetries, "not evaluated in shadow mode: what would come after a retry that is not made, nobody can tell");
        if (policy.Profile == ResiliencePolicy.SafeProfile)
        {
            spec.Field("profile").Warn("in shadow mode its methods, its budget and its restraint towards retries of retries are evaluated; Retry-After and callers' deadlines are not");
        }
    }

    private static void CheckPolicy(Cursor policy)
    {
        CheckBlocks(policy);
        Cursor ports = policy.Field("portLevelSettings");
        for (int i = 0; i < (ports.Node?.Items.Length ?? 0); i++)
        {
            CheckBlocks(ports.Item(i));
        }
    }

    private static void CheckBlocks(Cursor policy)
    {
        Warn(policy, NotOfPolicy, NotEvaluated);
        Cursor pool = policy.Field("connectionPool");
        Warn(pool.Field("tcp"), NotOfTcp, "not evaluated in shadow mode: connections are made as the rule in force says");
        Warn(policy.Field("outlierDetection"), ["minHealthPercent"], "not evaluated in shadow mode: nobody is taken out of the rotation");
    }

    private static void Warn(Cursor at, IEnumerable<string> fields, string message)
    {
        foreach (string field in fields)
        {
            if (at.Field(field) is { Node: not null } written)
            {
                written.Advise("shadow-part", message);
            }
        }
    }
}
