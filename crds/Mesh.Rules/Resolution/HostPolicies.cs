using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>The policies of our own kinds, and which of them hold for an upstream. The same object as long as none of them changes. Immutable.</summary>
internal sealed class HostPolicies
{
    private readonly RuleDocument[] _documents;
    private readonly HostPolicyTable _breakers;
    private readonly HostPolicyTable _limits;
    private readonly HostPolicyTable _fallbacks;

    private HostPolicies(RuleDocument[] documents)
    {
        _documents = documents;
        Resilience = Of<ResiliencePolicy>();
        _breakers = Of<CircuitBreaker>();
        _limits = Of<RateLimit>();
        _fallbacks = Of<Fallback>();
    }

    /// <summary>All policies, as they came.</summary>
    public IReadOnlyList<RuleDocument> All => _documents;

    /// <summary>Resilience policies: routes ask too.</summary>
    public HostPolicyTable Resilience { get; }

    /// <summary>The policies among <paramref name="rules"/>; <paramref name="previous"/> if they are the same documents.</summary>
    public static HostPolicies Create(IEnumerable<RuleDocument> rules, HostPolicies? previous)
    {
        RuleDocument[] documents = [.. rules.Where(static r => r.Spec is IHostPolicy)];
        return RuleSet.IsSame(documents, previous?._documents) ? previous! : new HostPolicies(documents);
    }

    /// <summary>What holds for an upstream as a whole.</summary>
    public ClusterPolicies For(in PolicyTarget target) =>
        new(Resilience.Find(in target), OneOf(_breakers, in target), _breakers.FindForRoutes(in target), [.. _limits.FindAll(in target), .. _limits.FindAll(in target, inShadow: true)],
            OneOf(_fallbacks, in target))
        {
            ResilienceInShadow = Resilience.Find(in target, inShadow: true),
        };

    /// <summary>Policies in shadow mode that are not evaluated on an upstream, each with the policy of its kind that is in force there.</summary>
    public IEnumerable<(RuleDocument Shadow, RuleDocument InForce)> Unevaluated(PolicyTarget target) =>
        from table in (HostPolicyTable[])[_breakers, _fallbacks]
        let held = table.Find(in target)
        let tried = table.Find(in target, inShadow: true)
        where held is not null && tried is not null
        select (tried, held);

    // A cluster has one of either, of limits as many as hold together: what is in force stays in force, whatever is tried beside it.
    private static RuleDocument? OneOf(HostPolicyTable table, in PolicyTarget target) => table.Find(in target) ?? table.Find(in target, inShadow: true);

    private HostPolicyTable Of<T>() => new(_documents.Where(static r => r.Spec is T));
}

/// <summary>The policies in force for one upstream, each null for none.</summary>
/// <param name="Resilience">ResiliencePolicy.</param>
/// <param name="Breaker">CircuitBreaker.</param>
/// <param name="RouteBreakers">CircuitBreakers of single routes.</param>
/// <param name="RateLimits">RateLimits, all of which hold.</param>
/// <param name="Fallback">Fallback.</param>
internal readonly record struct ClusterPolicies(
    RuleDocument? Resilience, RuleDocument? Breaker, ImmutableArray<RuleDocument> RouteBreakers, ImmutableArray<RuleDocument> RateLimits, RuleDocument? Fallback)
{
    /// <summary>ResiliencePolicy in shadow mode, beside the one in force.</summary>
    public RuleDocument? ResilienceInShadow { get; init; }

    /// <summary>Whether these are the very same documents.</summary>
    public bool AreThoseOf(in ClusterPolicies other) =>
        ReferenceEquals(ResilienceInShadow, other.ResilienceInShadow) && ReferenceEquals(Resilience, other.Resilience) && ReferenceEquals(Breaker, other.Breaker) &&
        RouteBreakers.AsSpan().SequenceEqual(other.RouteBreakers.AsSpan(), ReferenceEqualityComparer.Instance) &&
        RateLimits.AsSpan().SequenceEqual(other.RateLimits.AsSpan(), ReferenceEqualityComparer.Instance) && ReferenceEquals(Fallback, other.Fallback);
}
