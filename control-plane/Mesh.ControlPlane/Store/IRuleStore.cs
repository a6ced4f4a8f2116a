using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.ControlPlane.Store;

/// <summary>One stored object: what the API serves, and the rule it was bound to.</summary>
/// <param name="Key">Identity.</param>
/// <param name="ResourceVersion">The store's revision of the last change.</param>
/// <param name="Object">The whole object as JSON; never changed in place.</param>
/// <param name="Document">The bound rule; its <c>Generation</c> and <c>CreationTimestamp</c> are those of the object.</param>
public sealed record StoredRule(RuleKey Key, long ResourceVersion, JsonObject Object, RuleDocument Document)
{
    /// <summary>What reading it said; default where reading <see cref="Object"/> again says the same.</summary>
    public ImmutableArray<Diagnostic> Findings { get; init; }
}

/// <summary>All rules at one revision. Immutable.</summary>
/// <param name="Revision">The store's revision.</param>
/// <param name="Rules">Rules by identity.</param>
public sealed record RuleStoreState(long Revision, ImmutableDictionary<RuleKey, StoredRule> Rules)
{
    /// <summary>Rules that are there but cannot be read, so that only their status can say so. Empty where a broken rule is never let in.</summary>
    public ImmutableDictionary<RuleKey, RefusedRule> Refused { get; init; } = ImmutableDictionary<RuleKey, RefusedRule>.Empty;
}

/// <summary>An object that claims to be a rule and is none.</summary>
/// <param name="Key">Identity.</param>
/// <param name="Object">The whole object as JSON; never changed in place.</param>
/// <param name="Findings">What is wrong with it.</param>
public sealed record RefusedRule(RuleKey Key, JsonObject Object, ImmutableArray<Diagnostic> Findings);

/// <summary>A rule that stands in the store's place and is not taken.</summary>
/// <param name="Place">File and, if there is one, line and column: <c>FILE:LINE:COLUMN</c>.</param>
/// <param name="Problem">What is wrong with it.</param>
public sealed record RejectedRule(string Place, string Problem);

/// <summary>The rules as the push side sees them: a state, a signal that it changed, and a door for status. Thread-safe.</summary>
public interface IRuleStore
{
    /// <summary>The state now.</summary>
    RuleStoreState Current { get; }

    /// <summary>Rules that the store has and cannot take now, in order of place; the last good version of each stays in <see cref="Current"/>.</summary>
    IReadOnlyList<RejectedRule> Rejected => [];

    /// <summary>How many times a rule could not be taken so far.</summary>
    long Rejections => 0;

    /// <summary>
    /// A task that completes at the next change after <paramref name="revision"/>, at once if there was one. Status-only changes count as changes
    /// of the revision but leave <c>metadata.generation</c>.
    /// </summary>
    Task WaitForChangeAsync(long revision, CancellationToken cancellationToken);

    /// <summary>
    /// Replaces <c>status</c> of the rule if it still is the object with <paramref name="uid"/>. Same content: no new revision.
    /// Status is kept in memory only: it is learned anew after a restart. False when the object is gone, or the status is not taken now.
    /// </summary>
    bool TrySetStatus(RuleKey key, string uid, JsonObject status);
}
