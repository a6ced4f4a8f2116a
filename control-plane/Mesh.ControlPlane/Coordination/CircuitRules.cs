using System.Collections.Immutable;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Compilation;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;

namespace Mesh.ControlPlane.Coordination;

/// <summary>The rules that callers report circuits of, as compiled. Not thread-safe.</summary>
/// <param name="store">The rules.</param>
internal sealed class CircuitRules(IRuleStore store)
{
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    /// <summary>The rule of that name if all callers share its circuits; the same object as long as it does not change. Null for others, and where the rule itself says the state.</summary>
    public BreakerConfig? Find(string rule)
    {
        ImmutableDictionary<RuleKey, StoredRule> rules = store.Current.Rules;
        Known known = _known.GetValueOrDefault(rule);
        if (ReferenceEquals(known.Of, rules))
        {
            return Shared(known.Config); // asked for tens of thousands of times a second, and rules seldom change
        }

        if (KeyOf(rule) is not { } key || rules.GetValueOrDefault(key)?.Document is not { Spec: CircuitBreaker breaker } document)
        {
            _known.Remove(rule);
            return null;
        }

        if (!ReferenceEquals(known.Document, document))
        {
            BreakerConfig compiled = BreakerCompiler.Compile(breaker, key);
            known = new Known(rules, document, compiled.Equals(known.Config) ? known.Config : compiled);
        }

        _known[rule] = known with { Of = rules };
        return Shared(known.Config);
    }

    /// <summary>The key in a text such as <c>CircuitBreaker/default/partner</c>; null in any other.</summary>
    public static RuleKey? KeyOf(string rule) => rule.Split('/') is [nameof(CircuitBreaker), { } space, { } name] ? new RuleKey(nameof(CircuitBreaker), space, name) : null;

    private static BreakerConfig? Shared(BreakerConfig? config) => config is { IsMesh: true, Mode: BreakerMode.Auto } ? config : null;

    private readonly record struct Known(object? Of, RuleDocument? Document, BreakerConfig? Config);
}
