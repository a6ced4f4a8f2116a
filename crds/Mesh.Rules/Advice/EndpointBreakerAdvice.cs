using Mesh.Rules.Compilation;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Advice;

/// <summary>Outlier detection beside breakers of single endpoints, which take its place (semantics 11.4): said to whoever writes the second of the two. Pure.</summary>
internal static class EndpointBreakerAdvice
{
    /// <summary>Looks at <paramref name="rule"/> among <paramref name="all"/> rules.</summary>
    public static IEnumerable<Diagnostic> Check(RuleDocument rule, IReadOnlyCollection<RuleDocument> all)
    {
        if (IsBreaker(rule) && all.FirstOrDefault(other => IsForSameHost(rule, other) && PathOf(other) is not null) is { } detector)
        {
            yield return Of("spec.per", $"outlierDetection of DestinationRule {detector.Key.Namespace}/{detector.Key.Name} ejects nobody there any more: a breaker for each endpoint takes its place; keep one of both");
        }
        else if (PathOf(rule) is { } path && all.FirstOrDefault(other => IsForSameHost(rule, other) && IsBreaker(other)) is { } breaker)
        {
            yield return Of(path, $"ejects nobody where the CircuitBreaker {breaker.Key.Namespace}/{breaker.Key.Name} holds, which has a breaker for each endpoint in its place; keep one of both");
        }
    }

    private static bool IsBreaker(RuleDocument rule) => rule.Spec is CircuitBreaker breaker && BreakerCompiler.Compile(breaker, rule.Key).ReplacesEjection;

    // Where a rule in force has a detector; null for nowhere.
    private static string? PathOf(RuleDocument rule)
    {
        if (rule.Spec is not DestinationRule destination || rule.IsShadow)
        {
            return null;
        }

        int subset = Array.FindIndex([.. destination.Subsets], static s => s.TrafficPolicy?.OutlierDetection is not null);
        int port = Array.FindIndex([.. destination.TrafficPolicy?.PortLevelSettings ?? []], static p => p.OutlierDetection is not null);
        return destination.TrafficPolicy?.OutlierDetection is not null ? "spec.trafficPolicy.outlierDetection"
            : port >= 0 ? $"spec.trafficPolicy.portLevelSettings[{port}].outlierDetection"
            : subset >= 0 ? $"spec.subsets[{subset}].trafficPolicy.outlierDetection" : null;
    }

    private static bool IsForSameHost(RuleDocument one, RuleDocument other)
    {
        (string mine, string theirs) = (HostOf(one), HostOf(other));
        return mine.Length > 0 && theirs.Length > 0 && (HostMatch.Matches(mine, theirs) || HostMatch.Matches(theirs, mine));
    }

    private static string HostOf(RuleDocument rule) => HostMatch.Expand((rule.Spec as DestinationRule)?.Host ?? (rule.Spec as CircuitBreaker)?.Host ?? "", rule.Key.Namespace);

    private static Diagnostic Of(string path, string message) => RuleSetCheck.Warning(path, message) with { Check = "ejection-replaced" };
}
