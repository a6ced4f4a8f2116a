using Mesh.Cli.Checking;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Cli.Explaining;

/// <summary>Rules of files by name, and where their fields stand.</summary>
internal sealed class RulePlaces
{
    private readonly List<(string File, RuleReadResult Read, RuleDocument Rule)> _rules;

    /// <summary>Reads <paramref name="texts"/>; what is no rule, or a broken one, is passed over: <c>validate</c> tells of it.</summary>
    public RulePlaces(IReadOnlyList<RuleText> texts) => _rules =
    [
        .. from text in texts
           from read in RuleReader.ReadYaml(text.Text, text.Name)
           where read.Document is not null
           select (text.Name, read, read.Document),
    ];

    /// <summary>The rule of this name as it was read, and its file; null when no file has it.</summary>
    public (string File, RuleReadResult Read)? Find(RuleKey key)
    {
        (string file, RuleReadResult? read, _) = _rules.FindLast(r => r.Rule.Key == key); // of two the last one applied counts
        return read is null ? null : (file, read);
    }

    /// <summary>Where a field of a decision's rule stands, <c>lab.yaml:13</c>; null when no file has the rule.</summary>
    /// <param name="rule">Rule and path: <c>default/products#spec.trafficPolicy.connectionPool</c>.</param>
    /// <param name="field">Field below it; may be empty.</param>
    /// <param name="kind">Kind of the rule; null when only the path tells.</param>
    public string? Of(string rule, string field, string? kind)
    {
        (string name, string path) = Split(rule);
        string full = path.Length == 0 || field.Length == 0 ? path + field : $"{path}.{field}";
        kind = KindOf(path) ?? kind;
        (string file, RuleReadResult? read, _) = _rules.FindLast(r => $"{r.Rule.Key.Namespace}/{r.Rule.Key.Name}" == name && (kind is null ? IsOurs(r.Rule.Key.Kind) : r.Rule.Key.Kind == kind));
        return read is null ? null : $"{file}:{read.PlaceOf(full).Line}";
    }

    /// <summary>Kind of the rule that a decision names, as far as one can tell; null for none.</summary>
    public static string? KindOf(Decision d) => d.Rule.Length == 0 ? null
        : d.Field is "static" or "lastGood" or "destination" ? RuleKinds.Fallback.Kind // its reason is that of the refusal
        : KindOf(Split(d.Rule).Path) ?? ReasonTexts.Of(d).Kind;

    // Paths that one kind alone has.
    private static string? KindOf(string path) =>
        path.StartsWith("spec.trafficPolicy", StringComparison.Ordinal) || path.StartsWith("spec.subsets", StringComparison.Ordinal) ? RuleKinds.DestinationRule.Kind
        : path.StartsWith("spec.http", StringComparison.Ordinal) || path.StartsWith("spec.tcp", StringComparison.Ordinal) || path.StartsWith("spec.tls", StringComparison.Ordinal) ? RuleKinds.VirtualService.Kind
        : null;

    private static bool IsOurs(string kind) => RuleKinds.All.Any(k => k.Kind == kind && k.Group == RuleKinds.CircuitBreaker.Group);

    private static (string Name, string Path) Split(string rule) => rule.Split('#', 2) is [var name, var path] ? (name, path) : (rule, "");
}
