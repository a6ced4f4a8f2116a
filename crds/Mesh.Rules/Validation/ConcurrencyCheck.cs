using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a ResiliencePolicy's concurrency block can tell, and what a policy on the callee's side may say.</summary>
internal static class ConcurrencyCheck
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5); // a request that stands still for longer ends anyway
    private static readonly TimeSpan LongestInterval = TimeSpan.FromHours(1);

    public static void Check(ConcurrencyPolicy block, bool isShadow, Cursor at)
    {
        if (block.MaxWaitDuration > LongestWait)
        {
            at.Field("maxWaitDuration").Error("must be at most 5m");
        }

        if (block.MaxQueue is not null && (block.MaxWaitDuration ?? TimeSpan.Zero) == TimeSpan.Zero)
        {
            at.Field("maxQueue").Warn("has no effect without maxWaitDuration: nobody waits");
        }

        if (block.Adaptive is { } adaptive)
        {
            CheckAdaptive(block, adaptive, at);
            if (isShadow)
            {
                at.Field("adaptive").Warn("has no effect in mode: shadow: the limit learns by what it enforces; until then it stays at maxConcurrentCalls");
            }
        }
    }

    /// <summary>In front of the application there are no routes, retries or connections to wait for: such a policy limits calls, and no more.</summary>
    public static void CheckCallee(ResiliencePolicy policy, Cursor spec)
    {
        (string Field, bool IsSet)[] fields =
        [
            ("profile", policy.Profile is not null),
            ("pendingTimeout", policy.PendingTimeout is not null),
            ("writeTimeout", policy.WriteTimeout is not null),
            ("meshLimits", policy.MeshLimits is not null),
            ("retries", policy.Retries is not null),
            ("transactionId", policy.TransactionId is not null),
            ("asyncReply", policy.AsyncReply is not null),
        ];
        foreach ((string field, _) in fields.Where(static f => f.IsSet))
        {
            spec.Field(field).Error("belongs to the callers' sidecars, and with side: callee only concurrency can be said; write it in another policy with side: caller");
        }

        if (policy.Subset is not null)
        {
            spec.Field("subset").Error("a subset is what a caller chooses; leave it out with side: callee");
        }

        if (policy.Route is not null)
        {
            spec.Field("route").Error("a route is what a caller takes; leave it out with side: callee");
        }

        if (policy.Concurrency is null)
        {
            spec.Warn("says nothing yet: with side: callee write concurrency");
        }
    }

    private static void CheckAdaptive(ConcurrencyPolicy block, AdaptiveConcurrency adaptive, Cursor at)
    {
        AdaptiveConcurrencyConfig defaults = new();
        Cursor bounds = at.Field("adaptive");
        int least = adaptive.MinConcurrency ?? defaults.MinCalls;
        int most = adaptive.MaxConcurrency ?? Math.Max(defaults.MaxCalls, least);
        if (least > most)
        {
            bounds.Field(adaptive.MinConcurrency is null ? "maxConcurrency" : "minConcurrency").Error($"minConcurrency, {least}, must not be greater than maxConcurrency, {most}");
        }
        else if ((block.MaxConcurrentCalls ?? new ConcurrencyConfig().MaxCalls) is int first && (first < least || first > most))
        {
            at.Field("maxConcurrentCalls").Warn($"the limit begins there, within {least}..{most}: minConcurrency and maxConcurrency hold for {first} too");
        }

        if (adaptive.ConcurrencyUpdateInterval > LongestInterval)
        {
            bounds.Field("concurrencyUpdateInterval").Error("must be at most 1h");
        }
    }
}
