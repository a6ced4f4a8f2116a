using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>ResiliencePolicy → clusters and retries, with the defaults of its profile filled in. Pure.</summary>
internal static class ResilienceCompiler
{
    private const int MaxBackoffFactor = 10;
    private static readonly ImmutableArray<string> SafeMethods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];
    private static readonly TimeSpan SafeRetryAfter = TimeSpan.FromSeconds(30);

    /// <summary>The cluster under <paramref name="rule"/>; without one, as it is.</summary>
    public static ClusterConfig Apply(ClusterConfig cluster, RuleDocument? rule)
    {
        if (rule?.Spec is not ResiliencePolicy policy)
        {
            return cluster;
        }

        string place = $"{rule.Key.Namespace}/{rule.Key.Name}#spec";
        return cluster with
        {
            ResilienceSource = place,
            HonoursCallerDeadline = IsSafe(policy),
            PendingTimeout = policy.PendingTimeout ?? TimeSpan.Zero,
            WriteTimeout = policy.WriteTimeout ?? TimeSpan.Zero,
            MeshLimits = policy.MeshLimits is { } limits ? Limits(limits, rule.Key) : null,
            TransactionId = policy.TransactionId is { Header: { } header } id ? new TransactionIdConfig(header, id.Format ?? TransactionIdFormat.Default, $"{place}.transactionId") : null,
            AsyncReply = policy.AsyncReply is { } reply ? Late(reply, $"{place}.asyncReply") : null,
            RetryBudget = policy.Retries?.Budget is { } budget ? ClusterCompiler.Budget(budget, $"{place}.retries.budget")
                : cluster.RetryBudget ?? (IsSafe(policy) ? new RetryBudgetConfig(Source: $"{place}.profile") : null),
        };
    }

    /// <summary>Limits that all sidecars share, of the policy <paramref name="rule"/>.</summary>
    public static MeshLimitsConfig Limits(MeshLimits limits, RuleKey rule) =>
        new(rule.ToString(), $"{rule.Namespace}/{rule.Name}#spec", limits.MaxConnections ?? 0, limits.MaxRequests ?? 0);

    /// <summary>The same, with those that <paramref name="shadow"/> would make of the route's.</summary>
    public static RetryConfig? Apply(RetryConfig? retry, RuleDocument? rule, RuleDocument? shadow)
    {
        RetryConfig? held = Apply(retry, rule);
        RetryConfig? tried = shadow is null ? null : Apply(retry, shadow);
        if (held is not null)
        {
            return shadow is null ? held : held with { Shadow = tried ?? held with { Attempts = 0 } };
        }

        // The policy in force switches retries off; one in shadow mode may want them.
        return tried is not null && shadow!.Spec is ResiliencePolicy policy && (policy.Retries is not null || IsSafe(policy))
            ? retry! with { Attempts = 0, IsOff = true, Shadow = tried, Source = $"{rule!.Key.Namespace}/{rule.Key.Name}#spec" } : null;
    }

    /// <summary>The retries of a route under <paramref name="rule"/>; null for none, and a route that has none gets none.</summary>
    public static RetryConfig? Apply(RetryConfig? retry, RuleDocument? rule)
    {
        if (retry is null || rule?.Spec is not ResiliencePolicy policy)
        {
            return retry;
        }

        return policy.Retries?.Attempts == 0 ? null : Apply(retry, policy) with { Source = retry.Source ?? $"{rule.Key.Namespace}/{rule.Key.Name}#spec" };
    }

    /// <summary>Retries under a policy: what it names, then what its profile says, then what they were.</summary>
    public static RetryConfig Apply(RetryConfig retry, ResiliencePolicy policy)
    {
        ResilienceRetries ours = policy.Retries ?? new ResilienceRetries();
        return retry with
        {
            Attempts = ours.Attempts ?? retry.Attempts,
            Backoff = ours.Backoff is { } backoff ? Backoff(retry.Backoff, backoff) : retry.Backoff,
            Methods = ours.Methods is [ResilienceRetries.EveryMethod] ? [] : !ours.Methods.IsEmpty ? ours.Methods : IsSafe(policy) ? SafeMethods : retry.Methods,
            MaxRetryAfter = ours.MaxRetryAfter ?? (IsSafe(policy) ? SafeRetryAfter : retry.MaxRetryAfter),
            LeavesToCaller = ours.SingleLayer ?? (IsSafe(policy) || retry.LeavesToCaller),
        };
    }

    private static AsyncReplyConfig Late(AsyncReply reply, string source)
    {
        AsyncReplyConfig defaults = new() { Source = source };
        return defaults with
        {
            After = reply.After ?? defaults.After,
            KeepFor = reply.KeepFor ?? defaults.KeepFor,
            MaxKept = reply.MaxKept ?? defaults.MaxKept,
            MaxBytes = reply.MaxBytes ?? defaults.MaxBytes,
        };
    }

    private static bool IsSafe(ResiliencePolicy policy) => policy.Profile == ResiliencePolicy.SafeProfile;

    private static BackoffConfig Backoff(BackoffConfig have, ResilienceBackoff ours)
    {
        TimeSpan first = ours.Base ?? have.Base;
        TimeSpan longest = ours.Max ?? (ours.Base is null ? have.Max : first * MaxBackoffFactor);
        return new BackoffConfig
        {
            Strategy = ours.Strategy switch
            {
                "fixed" => BackoffStrategy.Fixed,
                "linear" => BackoffStrategy.Linear,
                "exponential" => BackoffStrategy.Exponential,
                _ => have.Strategy,
            },
            Base = first < longest ? first : longest,
            Max = longest,
            Jitter = ours.Jitter switch
            {
                "none" => BackoffJitter.None,
                "equal" => BackoffJitter.Equal,
                "ratio" => BackoffJitter.Ratio,
                "full" => BackoffJitter.Full,
                _ => have.Jitter,
            },
            JitterRatio = ours.JitterRatio ?? have.JitterRatio,
        };
    }
}
