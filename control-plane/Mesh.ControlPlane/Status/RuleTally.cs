using System.Collections.Immutable;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Status;

/// <summary>What all sidecars together say of one rule: everything in its status that is not about the rule alone. Equal when all of it is.</summary>
/// <param name="Seen">Sidecars that may see it.</param>
/// <param name="Running">Those that run this generation.</param>
/// <param name="Refusal">Who refuses it and why; null when nobody does.</param>
/// <param name="Findings">What they say of it, each thing once.</param>
internal readonly record struct RuleTally(int Seen, int Running, string? Refusal, ImmutableArray<SidecarFinding> Findings)
{
    /// <summary>Most findings in a status.</summary>
    public const int MaxFindings = 20;

    /// <inheritdoc/>
    public bool Equals(RuleTally other) => Seen == other.Seen && Running == other.Running && Refusal == other.Refusal
        && (Findings == other.Findings || Findings.AsSpan().SequenceEqual(other.Findings.AsSpan()));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Seen, Running, Refusal, Findings.Length);
}

/// <summary>Counts rule by rule over groups of sidecars: a look-up for each set of rules that is run somewhere, and an addition for each group. Used by one loop.</summary>
/// <param name="groups">The sidecars, in order of their first ids.</param>
internal sealed class RuleCounter(IReadOnlyList<SidecarGroup> groups)
{
    private readonly (SidecarGroup Group, int Set)[] _groups = [.. groups.Select(Numbered())];
    private readonly bool[] _runs = new bool[groups.Count + 1];
    private readonly bool _hasFindings = groups.Any(static g => !g.Findings.IsEmpty);

    /// <summary>Counts for one rule.</summary>
    public RuleTally Count(StoredRule rule, string uid, ImmutableArray<string> exportTo)
    {
        int known = -1; // sets are numbered in the order in which they come
        int seen = 0;
        int running = 0;
        string? refusal = null;
        string name = _hasFindings ? rule.Key.ToString() : "";
        List<SidecarFinding>? findings = null;
        foreach ((SidecarGroup group, int set) in _groups)
        {
            if (set > known)
            {
                known = set;
                ContentRule? pushed = group.Rules?.GetValueOrDefault(rule.Key);
                _runs[set] = pushed is not null && pushed.Generation == rule.Document.Generation && pushed.Uid == uid;
            }

            if (!ContentRule.IsVisible(rule.Key.Namespace, exportTo, group.Namespace))
            {
                continue;
            }

            seen += group.Count;
            SidecarFinding? error = group.Findings.IsEmpty ? null : group.ErrorAbout(name);
            running += _runs[set] && error is null ? group.Count : 0;
            refusal ??= error is null ? null : $"{group.FirstId} refuses it: {(error.Path.Length > 0 ? error.Path + ": " : "")}{error.Message}";
            if (!group.Findings.IsEmpty)
            {
                (findings ??= []).AddRange(group.About(name));
            }
        }

        return new RuleTally(seen, running, refusal, findings is null ? [] : [.. findings.Distinct().Take(RuleTally.MaxFindings)]);
    }

    private static Func<SidecarGroup, (SidecarGroup Group, int Set)> Numbered()
    {
        List<object?> sets = [];
        return group =>
        {
            int set = sets.FindIndex(s => ReferenceEquals(s, group.Rules));
            if (set < 0)
            {
                set = sets.Count;
                sets.Add(group.Rules);
            }

            return (group, set);
        };
    }
}
