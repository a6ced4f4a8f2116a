using Mesh.Rules.Schema;
using Xunit;

namespace Mesh.Rules.Tests.Fields;

/// <summary>Every field of every kind has a test that shows what it does to traffic; <c>tests/fields.md</c> is the list.</summary>
public sealed class FieldListTests
{
    private static readonly DirectoryInfo Root = SolutionFolder();
    private static readonly FieldList List = new(EffectMarks.In(Root));

    [Fact]
    public void Fields_ComparedWithTests_HaveNoHole()
    {
        string[] problems = [.. List.Problems()];

        Assert.True(problems.Length == 0, $"{problems.Length} problems:\n{string.Join('\n', problems)}");
    }

    [Fact]
    public void ListFile_ComparedWithFieldsAndTests_IsCurrent()
    {
        string path = Path.Combine(Root.FullName, "tests", "fields.md");
        string expected = List.Write();
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(path, expected);
        }

        Assert.True(File.Exists(path) && File.ReadAllText(path) == expected, $"{path} is stale; run with UPDATE_GOLDEN=1 and read the diff");
    }

    [Fact]
    public void Problems_OfHolesAndWrongMarks_NameThem()
    {
        FieldList list = new([new EffectMark("DestinationRule", "hosts", "T.A", "tests/T.cs"), new EffectMark("VirtualService", "http.match.nothing", "T.B", "tests/T.cs")]);

        string[] problems = [.. list.Problems()];

        Assert.Contains("no test shows the effect of DestinationRule host", problems);
        Assert.Contains("no test shows the effect of DestinationRule subsets.trafficPolicy.connectionPool", problems);
        Assert.Contains("T.A is marked with DestinationRule hosts, which is no field", problems);
        Assert.Contains("T.B is marked with VirtualService http.match.nothing, which is no field", problems);
        Assert.DoesNotContain(problems, static p => p.Contains("subsets.trafficPolicy.connectionPool.", StringComparison.Ordinal));
    }

    [Fact]
    public void Problems_OfAMarkOnAFieldWithoutEffect_NameIt()
    {
        FieldEntry dead = new FieldList([]).Fields.First(static f => f.Entry is { NotEnforced: not null, IsPartly: false }).Entry;
        string kind = new FieldList([]).Fields.First(f => f.Entry == dead).Kind;

        FieldList list = new([new EffectMark(kind, dead.Path, "T.A", "tests/T.cs")]);

        Assert.Contains($"T.A is marked with {kind} {dead.Path}, which has no effect yet: {dead.NotEnforced}", list.Problems());
    }

    private static DirectoryInfo SolutionFolder()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh.sln")))
        {
            at = at.Parent;
        }

        return at!;
    }
}
