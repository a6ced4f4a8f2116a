using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.Cli.Checking;

/// <summary>Checks rules as the control plane would: each by itself, then among all the others given. Pure.</summary>
internal static class Checker
{
    /// <summary>Checks <paramref name="texts"/>.</summary>
    public static Report Check(IReadOnlyList<RuleText> texts)
    {
        List<(string File, RuleReadResult Read)> objects =
            [.. texts.SelectMany(static t => RuleReader.ReadYaml(t.Text, t.Name), static (t, read) => (t.Name, read))];

        // Of two objects with one name the last one applied counts, as with kubectl.
        Dictionary<RuleKey, RuleDocument> rules = [];
        List<FileFinding> findings = [];
        foreach ((string file, RuleReadResult read) in objects)
        {
            findings.AddRange(read.Diagnostics.Select(d => new FileFinding(file, read.Document?.Key, d)));
            if (read.Document is { } rule && !rules.TryAdd(rule.Key, rule))
            {
                findings.Add(new FileFinding(file, rule.Key, Placed(read, Duplicate(rule, rules[rule.Key]))));
                rules[rule.Key] = rule;
            }
        }

        foreach ((string file, RuleReadResult read) in objects)
        {
            if (read.Document is { } rule && ReferenceEquals(rules[rule.Key], rule))
            {
                findings.AddRange(RuleSetCheck.Check(rule, rules.Values).Select(d => new FileFinding(file, rule.Key, Placed(read, d))));
            }
        }

        string[] order = [.. texts.Select(static t => t.Name)];
        return new Report(
            texts.Count,
            rules.Count,
            [.. findings.OrderBy(f => Array.IndexOf(order, f.File)).ThenBy(static f => f.Diagnostic.Line).ThenBy(static f => f.Diagnostic.Column)],
            [.. objects.Where(static o => o.Read.SkippedKind is not null)
                .Select(static o => new SkippedObject(o.File, o.Read.PlaceOf("").Line, o.Read.SkippedKind!))]);
    }

    private static Diagnostic Duplicate(RuleDocument rule, RuleDocument earlier) =>
        new(Severity.Warning, DiagnosticCode.Advice, "metadata.name", 0, 0,
            $"{rule.Key.Kind} '{rule.Key.Name}' of namespace '{rule.Key.Namespace}' stands in {earlier.Source} too; the one applied last replaces the other, give it a name of its own")
        {
            Check = "duplicate-object",
        };

    // Findings among rules know their path only.
    private static Diagnostic Placed(RuleReadResult read, Diagnostic finding)
    {
        (int line, int column) = read.PlaceOf(finding.Path);
        return finding.Line > 0 ? finding : finding with { Line = line, Column = column };
    }
}
