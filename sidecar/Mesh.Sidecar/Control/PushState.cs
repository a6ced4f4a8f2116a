using System.Collections.Immutable;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Rules;

namespace Mesh.Sidecar.Control;

/// <summary>
/// The sum of all pushes: texts as they came, and the view bound from them. Immutable. A rule whose new text cannot be read keeps its last
/// good text, and the rest of the push still counts: endpoints must not go stale because of one rule. It stays in <see cref="Refused"/>
/// until a push mends or removes it.
/// </summary>
internal sealed record PushState
{
    private const string Part = "-partial";

    /// <summary>Version of the last push; empty before the first.</summary>
    public string Version { get; private init; } = "";

    /// <summary>The view bound from the pushes.</summary>
    public MeshView View { get; private init; } = new();

    /// <summary>Rules whose last pushed text could not be read, with the findings.</summary>
    public ImmutableDictionary<RuleKey, ImmutableArray<SidecarFinding>> Refused { get; private init; } =
        ImmutableDictionary<RuleKey, ImmutableArray<SidecarFinding>>.Empty;

    private ImmutableDictionary<RuleKey, PushedRule> Texts { get; init; } = ImmutableDictionary<RuleKey, PushedRule>.Empty;

    /// <summary>
    /// A version that no control plane knows, so that it sends everything again: for who holds that version, but not wholly or with something to say of it, and has to say so
    /// to whomever asks next. Empty stays empty.
    /// </summary>
    public static string PartOf(string version) => version.Length == 0 || version.EndsWith(Part, StringComparison.Ordinal) ? version : version + Part;

    /// <summary>The state after <paramref name="push"/>.</summary>
    public PushState With(PushMessage push, ReadRules read)
    {
        HashSet<RuleKey> kept = [.. push.Rules.Select(static r => r.Key)];
        IEnumerable<RuleKey> removed = push.IsFull
            ? Texts.Keys.Concat(Refused.Keys).Where(key => !kept.Contains(key))
            : push.RemovedRules.Where(key => !kept.Contains(key));
        PushState next = WithoutRules([.. removed]) with { Version = push.Version };
        foreach (PushedRule rule in push.Rules)
        {
            next = next.WithRule(rule, read);
        }

        MeshView before = push.IsFull ? new MeshView { Rules = next.View.Rules } : next.View;
        return next with
        {
            View = before with
            {
                Services = before.Services.RemoveRange(push.RemovedServices).SetItems(push.Services.Select(static s => KeyValuePair.Create(s.Host, s))),
                Endpoints = before.Endpoints.RemoveRange(push.RemovedServices).SetItems(push.Endpoints),
            },
        };
    }

    /// <summary>
    /// The whole state as one push, for the state folder. Where a rule of the version could not be read, it goes by a version that no control plane knows: a newer sidecar that
    /// starts from the folder may be able to read it, and has to be sent it again.
    /// </summary>
    public PushMessage ToFullPush() => new()
    {
        Version = Refused.IsEmpty ? Version : PartOf(Version),
        IsFull = true,
        Rules = [.. Texts.Values.OrderBy(static r => r.Key.ToString(), StringComparer.Ordinal)],
        Services = [.. View.Services.Values.OrderBy(static s => s.Host, StringComparer.Ordinal)],
        Endpoints = View.Endpoints.ToImmutableSortedDictionary(StringComparer.Ordinal),
    };

    private PushState WithoutRules(IReadOnlyCollection<RuleKey> keys) => this with
    {
        Texts = Texts.RemoveRange(keys),
        Refused = Refused.RemoveRange(keys),
        View = View with { Rules = View.Rules.RemoveRange(keys) },
    };

    private PushState WithRule(PushedRule rule, ReadRules read)
    {
        if (Texts.TryGetValue(rule.Key, out PushedRule? same) && same.Yaml == rule.Yaml)
        {
            return this with { Texts = Texts.SetItem(rule.Key, rule), Refused = Refused.Remove(rule.Key) };
        }

        ImmutableArray<RuleReadResult> results = read(rule.Yaml, $"control plane, version {rule.Version}");
        ImmutableArray<SidecarFinding> errors =
        [
            .. from result in results
               from finding in result.Diagnostics
               where finding.Severity == Severity.Error
               select SnapshotPipeline.FindingOf(rule.Key, finding),
        ];
        RuleDocument? document = results.Length == 1 ? results[0].Document : null;
        if (errors.IsEmpty && document?.Key != rule.Key)
        {
            errors = [new SidecarFinding(rule.Key.ToString(), "error", "", $"the text holds {(document is null ? "no such rule" : document.Key)}; is this sidecar older than the control plane?")];
        }

        return errors.IsEmpty
            ? this with
            {
                Texts = Texts.SetItem(rule.Key, rule),
                Refused = Refused.Remove(rule.Key),
                View = View with { Rules = View.Rules.SetItem(rule.Key, document!) },
            }
            : this with { Refused = Refused.SetItem(rule.Key, errors) };
    }
}
