using System.Collections.Immutable;
using Mesh.ControlPlane.Push;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Status;

/// <summary>
/// Sidecars that no status can tell apart: of one namespace, running the same rules, with the same to say of them. A mesh of a thousand sidecars is a handful of
/// these. Immutable.
/// </summary>
/// <param name="Namespace">Their namespace.</param>
/// <param name="Rules">The rules that they run; null when they run none yet, or when it is not known which.</param>
/// <param name="FirstId">The smallest of their ids.</param>
/// <param name="Count">How many they are.</param>
/// <param name="IsRefusing">Whether their last answer was a refusal.</param>
/// <param name="Findings">What they said in it.</param>
internal sealed record SidecarGroup(
    string Namespace,
    ImmutableDictionary<RuleKey, ContentRule>? Rules,
    string FirstId,
    int Count,
    bool IsRefusing,
    ImmutableArray<SidecarFinding> Findings)
{
    private readonly ILookup<string, SidecarFinding>? _byRule = Findings.IsEmpty ? null : Findings.ToLookup(static f => f.Rule, StringComparer.Ordinal);

    /// <summary>What they say of a rule.</summary>
    public IEnumerable<SidecarFinding> About(string rule) => _byRule?[rule] ?? [];

    /// <summary>Why they do not run a rule, if they said so: an error about it, or about the whole push.</summary>
    public SidecarFinding? ErrorAbout(string rule) =>
        About(rule).FirstOrDefault(IsError) ?? (IsRefusing ? About("").FirstOrDefault(IsError) : null);

    /// <summary>The sidecars of <paramref name="sessions"/> in groups, in order of their first ids.</summary>
    public static List<SidecarGroup> Of(IEnumerable<PushSession> sessions)
    {
        Dictionary<Likeness, SidecarGroup> groups = [];
        foreach (PushSession session in sessions)
        {
            SessionView view = session.View;
            Likeness likeness = new(session.Namespace, view.Running?.Rules, view.NackedVersion.Length > 0, view.Findings);
            groups[likeness] = groups.TryGetValue(likeness, out SidecarGroup? group)
                ? group.With(session.Id)
                : new SidecarGroup(session.Namespace, view.Running?.Rules, session.Id, 1, view.NackedVersion.Length > 0, view.Findings);
        }

        return [.. groups.Values.OrderBy(static g => g.FirstId, StringComparer.Ordinal)];
    }

    private static bool IsError(SidecarFinding finding) => finding.Severity == "error";

    private SidecarGroup With(string id) => this with { Count = Count + 1, FirstId = string.CompareOrdinal(id, FirstId) < 0 ? id : FirstId };

    /// <summary>What a group has in common. Rules are compared by reference: contents share them while no rule changes.</summary>
    private readonly record struct Likeness(
        string Namespace, ImmutableDictionary<RuleKey, ContentRule>? Rules, bool IsRefusing, ImmutableArray<SidecarFinding> Findings)
    {
        public bool Equals(Likeness other) => ReferenceEquals(Rules, other.Rules) && IsRefusing == other.IsRefusing && Namespace == other.Namespace
            && (Findings == other.Findings || Findings.AsSpan().SequenceEqual(other.Findings.AsSpan()));

        public override int GetHashCode() => HashCode.Combine(
            Namespace, System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(Rules), Findings.Length, Findings.IsEmpty ? null : Findings[0].Message);
    }
}
