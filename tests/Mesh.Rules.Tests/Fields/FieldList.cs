using System.Text;
using System.Text.RegularExpressions;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Tests.Fields;

/// <summary>A field and the tests of its effect.</summary>
internal sealed record ListedField(string Kind, FieldEntry Entry, IReadOnlyList<EffectMark> Marks)
{
    /// <summary>Whether it must have a test: it works, and no field inside it stands for it.</summary>
    public bool NeedsTest { get; init; }
}

/// <summary>All fields of all kinds against the tests that show their effect, and what is wrong with that.</summary>
internal sealed partial class FieldList
{
    private const string Head = """
        # The fields of the rules, and the tests that show their effect on traffic

        Generated from the field tables in `crds/Mesh.Rules/Kinds` and the marks of the tests (`[EffectOf("KIND", "PATH")]`, in scripts and labs
        `effect-of: KIND PATH` in a comment): `UPDATE_GOLDEN=1 dotnet test tests/Mesh.Rules.Tests`. A field without a test, a mark of a field that there is
        not, and a mark of a field without effect fail the build.

        - Paths are below `spec`, lists and maps without an index.
        - A block has the effects of its fields; it has a row only if it has an effect of its own.
        - The blocks of `portLevelSettings`, of a subset's `trafficPolicy` and of a Sidecar's `connectionPool` are those of `trafficPolicy`. There a row shows
          that the block takes the place of the wider one; what is in it is tested at `trafficPolicy`, precedence and merging against a model in
          `Mesh.Rules.Tests/Resolution`.
        - A field that Istio knows but refuses has the test of the refusal.
        - *No effect yet* comes with what `kubectl apply` says of the field.

        """;

    // Fields that do nothing to traffic in Istio either, and why they are there.
    private static readonly Dictionary<string, string> WithoutEffect = new()
    {
        ["Sidecar ingress.port.name"] = "a name for people",
        ["Sidecar ingress.port.targetPort"] = "Istio ignores it",
        ["Sidecar egress.port.name"] = "a name for people",
        ["Sidecar egress.port.targetPort"] = "Istio ignores it",
    };

    private readonly IReadOnlyList<EffectMark> _marks;

    private readonly HashSet<(string Kind, string Path)> _known;

    public FieldList(IEnumerable<EffectMark> marks)
    {
        _marks = [.. marks];
        (string Kind, FieldEntry Entry)[] all = [.. RuleKinds.All.SelectMany(static k => k.Fields().Select(f => (k.Kind, f)))];
        _known = [.. all.Select(static f => (f.Kind, f.Entry.Path))];
        ILookup<(string, string), EffectMark> byRow = _marks.ToLookup(static m => (m.Kind, RowOf(m.Kind, m.Path)));
        Fields =
        [
            .. from field in all
               let row = (field.Kind, field.Entry.Path)
               where RowOf(field.Kind, field.Entry.Path) == field.Entry.Path
               let isShared = SharedBlock().IsMatch($"{field.Kind} {field.Entry.Path}")
               select new ListedField(field.Kind, field.Entry, [.. byRow[row]])
               {
                   NeedsTest = field.Entry.NotEnforced is null && (isShared || !field.Entry.IsBlock) && !WithoutEffect.ContainsKey($"{field.Kind} {field.Entry.Path}"),
               },
        ];
    }

    public IReadOnlyList<ListedField> Fields { get; }

    /// <summary>What is wrong, a line each.</summary>
    public IEnumerable<string> Problems() =>
    [
        .. Fields.Where(static f => f.NeedsTest && f.Marks.Count == 0).Select(static f => $"no test shows the effect of {f.Kind} {f.Entry.Path}"),
        .. Fields.Where(static f => f.Entry is { NotEnforced: not null, IsPartly: false })
            .SelectMany(static f => f.Marks.Select(m => $"{m.Test} is marked with {f.Kind} {f.Entry.Path}, which has no effect yet: {f.Entry.NotEnforced}")),
        .. _marks.Where(m => !_known.Contains((m.Kind, m.Path))).Select(static m => $"{m.Test} is marked with {m.Kind} {m.Path}, which is no field"),
    ];

    public string Write()
    {
        StringBuilder text = new(Head);
        foreach (IGrouping<string, ListedField> kind in Fields.GroupBy(static f => f.Kind))
        {
            text.Append('\n').Append("## ").Append(kind.Key).Append("\n\n| field | tests of its effect |\n|---|---|\n");
            foreach (ListedField field in kind.Where(static f => f.Marks.Count > 0 || !f.Entry.IsBlock || f.NeedsTest))
            {
                text.Append("| `").Append(field.Entry.Path).Append("` | ").Append(Cell(field)).Append(" |\n");
            }
        }

        return text.ToString();
    }

    private static string Cell(ListedField field)
    {
        string tests = string.Join(", ", field.Marks
            .Select(static m => $"[{m.Test}]({(m.File.StartsWith("tests/", StringComparison.Ordinal) ? m.File["tests/".Length..] : "../" + m.File)})")
            .Distinct());
        string missing = field.Entry switch
        {
            { NotEnforced: null } => WithoutEffect.TryGetValue($"{field.Kind} {field.Entry.Path}", out string? reason) ? $"*none, as in Istio*: {reason}" : "",
            { IsPartly: true } when tests.Length > 0 => $"(*some values have no effect yet*: {Escaped(field.Entry.NotEnforced)})",
            _ => $"*no effect yet*: {Escaped(field.Entry.NotEnforced)}",
        };
        return string.Join(' ', ((string[])[tests, missing]).Where(static t => t.Length > 0));
    }

    private static string Escaped(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    // Fields inside of a shared block have the block's row.
    private static string RowOf(string kind, string path) =>
        SharedBlock().Match($"{kind} {path}") is { Success: true } block ? block.Groups["row"].Value : path;

    [GeneratedRegex(@"^(DestinationRule (?<row>trafficPolicy\.portLevelSettings\.(?!port\b)\w+|subsets\.trafficPolicy\.\w+)|Sidecar (?<row>(inboundConnectionPool|ingress\.connectionPool)\b))")]
    private static partial Regex SharedBlock();
}
