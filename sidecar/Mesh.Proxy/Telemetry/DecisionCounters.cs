using System.Collections.Concurrent;

namespace Mesh.Proxy.Telemetry;

/// <summary>One kind of decision and how often it fell.</summary>
/// <param name="Reason">Reason; None for the upstream's own status.</param>
/// <param name="Rule">Rule and path; empty for built-in defaults.</param>
/// <param name="Field">Field; empty when none is meant.</param>
/// <param name="Scope">Whose limit.</param>
/// <param name="Verdict">What it did.</param>
/// <param name="Count">How often.</param>
public readonly record struct DecisionCount(DecisionReason Reason, string Rule, string Field, DecisionScope Scope, DecisionVerdict Verdict, long Count)
{
    /// <summary>The reason in words; <c>upstream_answer</c> when the upstream's own status decided.</summary>
    public string ReasonText => Reason == DecisionReason.None ? "upstream_answer" : Reason.ToText();
}

/// <summary>
/// The metric <c>mesh_decisions_total</c>. A series is made when its decision falls for the first time; rules come and go, so their number is bounded: what is new
/// beyond it counts under no rule. Thread-safe; a decision that was seen before costs a lookup and one add.
/// </summary>
public sealed class DecisionCounters
{
    /// <summary>How many series there may be with a rule.</summary>
    public const int MaxSeries = 512;

    private readonly ConcurrentDictionary<Key, StripedCounter> _series = new();
    private int _count; // of the dictionary, which locks all of itself to tell

    /// <summary>Counts one.</summary>
    public void Add(in DecisionRecord decision)
    {
        Key key = new(decision.Reason, decision.Rule ?? "", decision.Field ?? "", decision.Scope, decision.Verdict);
        if (!_series.TryGetValue(key, out StripedCounter? counter))
        {
            counter = Make(key);
        }

        counter.Add();
    }

    /// <summary>All series, in the order of rule, field and reason.</summary>
    public IReadOnlyList<DecisionCount> All =>
    [
        .. _series.Select(static s => new DecisionCount(s.Key.Reason, s.Key.Rule, s.Key.Field, s.Key.Scope, s.Key.Verdict, s.Value.Value))
            .OrderBy(static c => c.Rule, StringComparer.Ordinal).ThenBy(static c => c.Field, StringComparer.Ordinal)
            .ThenBy(static c => c.Reason).ThenBy(static c => c.Verdict).ThenBy(static c => c.Scope),
    ];

    /// <summary>Writes the family; nothing before the first decision.</summary>
    public void Write(PrometheusText text)
    {
        const string Name = "mesh_decisions_total";
        IReadOnlyList<DecisionCount> all = All;
        if (all.Count == 0)
        {
            return;
        }

        text.Family(Name, StatType.Counter, "Decisions on requests, by reason, rule, field, scope and verdict");
        foreach (DecisionCount c in all)
        {
            text.Sample(
                Name,
                PrometheusText.Labels(("reason", c.ReasonText), ("rule", c.Rule), ("field", c.Field), ("scope", c.Scope.ToText()), ("verdict", c.Verdict.ToText())),
                c.Count);
        }
    }

    private StripedCounter Make(Key key)
    {
        if (key.Rule.Length > 0)
        {
            StripedCounter made = new();
            bool hasRoom = Interlocked.Increment(ref _count) <= MaxSeries;
            if (hasRoom && _series.TryAdd(key, made))
            {
                return made;
            }

            Interlocked.Decrement(ref _count); // no room, or another thread has just made the same one
            key = hasRoom ? key : key with { Rule = "", Field = "" }; // of these there are few: reasons, scopes and verdicts are closed lists
        }

        return _series.GetOrAdd(key, static _ => new StripedCounter());
    }

    private readonly record struct Key(DecisionReason Reason, string Rule, string Field, DecisionScope Scope, DecisionVerdict Verdict);
}
