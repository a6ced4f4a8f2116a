using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a CircuitBreaker can tell.</summary>
internal static class CircuitBreakerCheck
{
    /// <summary>Words of <c>failures</c>; a status code stands for itself.</summary>
    public static readonly ImmutableArray<string> FailureWords = ["5xx", "gateway-error", "connect-failure", "reset", "timeout"];

    public static void Check(CircuitBreaker breaker, Cursor spec)
    {
        if (breaker.Host is { } host && HostName.CheckWildcard(host) is { } problem)
        {
            spec.Field("host").Error(problem);
        }

        if (breaker.Subset is { } subset && !HostName.IsLowerLabel(subset))
        {
            spec.Field("subset").Error($"subset name is invalid: {subset}");
        }

        if (breaker is { Route: not null, Scope: CircuitBreaker.MeshScope })
        {
            spec.Field("scope").Error("the breaker of one route is each sidecar's own; leave out scope, or route");
        }

        if (breaker is { Per: CircuitBreaker.PerEndpoint, Scope: CircuitBreaker.MeshScope })
        {
            spec.Field("per").Error("the breaker of one endpoint is each sidecar's own; leave out per, or scope");
        }

        if (breaker is { Per: CircuitBreaker.PerEndpoint, Route: not null })
        {
            spec.Field("per").Error("the breaker of one route is for all endpoints together; leave out per, or route");
        }

        CheckThreshold(breaker.FailureRateThreshold, spec.Field("failureRateThreshold"));
        CheckThreshold(breaker.SlowCallRateThreshold, spec.Field("slowCallRateThreshold"));
        CheckWindow(breaker, spec);
        CheckWaits(breaker, spec);
        CheckProbers(breaker, spec.Field("probers"));
        CheckFailures(breaker, spec.Field("failures"));
        PathListCheck.Check(breaker.ExemptPaths, spec.Field("exemptPaths"));
    }

    private static void CheckThreshold(double? percent, Cursor at)
    {
        if (percent == 0)
        {
            at.Error("must be greater than 0 and at most 100; state: forcedOpen refuses every call");
        }
    }

    private static void CheckWindow(CircuitBreaker breaker, Cursor spec)
    {
        int size = breaker.SlidingWindowSize ?? 100;
        bool isTimeBased = breaker.SlidingWindowType == CircuitBreaker.TimeBased;
        if (isTimeBased && size > 3600)
        {
            spec.Field("slidingWindowSize").Error("a window of seconds is at most 3600 long");
        }

        if (!isTimeBased && breaker.MinimumNumberOfCalls > size)
        {
            spec.Field("minimumNumberOfCalls").Warn($"the window holds {size} calls, so {size} are enough");
        }
    }

    private static void CheckWaits(CircuitBreaker breaker, Cursor spec)
    {
        if (breaker is { MaxWaitDurationInOpenState: { } longest, WaitDurationInOpenState: { } wait } && longest < wait)
        {
            spec.Field("maxWaitDurationInOpenState").Error("must be greater than or equal to waitDurationInOpenState");
        }

        if (breaker is { MaxWaitDurationInOpenState: not null, WaitDurationGrowth: null or 1 })
        {
            spec.Field("maxWaitDurationInOpenState").Warn("has no effect without waitDurationGrowth");
        }

        if (breaker is { CallTimeoutInHalfOpenState: not null, Mode: CircuitBreaker.ShadowMode })
        {
            spec.Field("callTimeoutInHalfOpenState").Warn("has no effect in mode: shadow, which ends no call");
        }
    }

    private static void CheckProbers(CircuitBreaker breaker, Cursor at)
    {
        if (breaker is { Probers: not null, Scope: not CircuitBreaker.MeshScope })
        {
            at.Warn("has no effect without scope: mesh");
        }
        else if (breaker.Probers is { Count: not null, Mode: not (BreakerProberRule.RandomN or BreakerProberRule.LowestLoad) })
        {
            at.Field("count").Warn("has no effect without mode: random-n or lowest-load");
        }
    }

    private static void CheckFailures(CircuitBreaker breaker, Cursor at)
    {
        for (int i = 0; i < breaker.Failures.Length; i++)
        {
            string word = breaker.Failures[i];
            bool isCode = int.TryParse(word, System.Globalization.NumberStyles.None, null, out int code) && code is >= 100 and <= 599;
            if (!isCode && !FailureWords.Contains(word))
            {
                at.Item(i).Error($"{RuleNode.Quote(word)} is no failure; write {string.Join(", ", FailureWords)} or a status code such as \"429\"");
            }
        }
    }
}
