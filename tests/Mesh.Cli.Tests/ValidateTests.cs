using Xunit;

namespace Mesh.Cli;

public sealed class ValidateTests
{
    private const string Good = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata:
          name: products
        spec:
          host: products
        """;

    private const string Bad = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata:
          name: bad
        spec:
          host: bad
          trafficPolicy:
            connectionPool:
              tcp:
                maxConnections: ten
        """;

    [Fact]
    public void Validate_GoodRule_EndsWith0AndSaysWhatItRead()
    {
        Invocation run = Invocation.WithInput(Good, "validate", "-");

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal("1 file, 1 rule: 0 errors, 0 warnings\n", run.Output);
    }

    [Fact]
    public void Validate_ErrorInSecondDocument_NamesFileLineAndColumn()
    {
        using TempFolder folder = new();
        string file = folder.Add("rules.yaml", Good + "\n---\n" + Bad);

        Invocation run = Invocation.Of("validate", file);

        Assert.Equal(1, run.Code);
        Assert.StartsWith($"{file}:17:9: error: spec.trafficPolicy.connectionPool.tcp.maxConnections: must be a whole number", run.Lines[0], StringComparison.Ordinal);
        Assert.EndsWith("[wrong-type]", run.Lines[0], StringComparison.Ordinal);
        Assert.Equal("1 file, 1 rule: 1 error, 0 warnings", run.Lines[^1]);
    }

    [Fact]
    public void Validate_JsonAndForeignKinds_ReadsTheOneAndNotesTheOther()
    {
        using TempFolder folder = new();
        folder.Add("a/rule.json", """{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"j"},"spec":{"host":"j"}}""");
        string foreign = folder.Add("b.yml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\n");
        folder.Add("notes.txt", "no rule: [");
        folder.Add(".hidden/c.yaml", "no rule: [");

        Invocation run = Invocation.Of("validate", folder.Path);

        Assert.Equal(0, run.Code);
        Assert.Equal([$"{foreign}:1: note: apps/v1 Deployment is no kind of the mesh; skipped", "2 files, 1 rule: 0 errors, 0 warnings"], run.Lines);
    }

    [Fact]
    public void Validate_TwoRulesForOneHostInTwoFiles_WarnsAtBothHosts()
    {
        using TempFolder folder = new();
        string a = folder.Add("a.yaml", Good);
        string b = folder.Add("b.yaml", Good.Replace("name: products", "name: again", StringComparison.Ordinal));

        Invocation run = Invocation.Of("validate", folder.Path);

        Assert.Equal(0, run.Code);
        Assert.StartsWith($"{a}:6:3: warning: spec.host: rules again, products in namespace 'default' are for one host", run.Lines[0], StringComparison.Ordinal);
        Assert.StartsWith($"{b}:6:3: warning: spec.host: ", run.Lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_OneObjectTwice_WarnsAtTheSecondAndChecksItAlone()
    {
        using TempFolder folder = new();
        string a = folder.Add("a.yaml", Good);
        string b = folder.Add("b.yaml", Good);

        Invocation run = Invocation.Of("validate", a, b, a);

        Assert.Equal(2, run.Lines.Length);
        Assert.StartsWith($"{b}:4:3: warning: metadata.name: DestinationRule 'products' of namespace 'default' stands in {a}:1 too", run.Lines[0], StringComparison.Ordinal);
        Assert.Equal("2 files, 1 rule: 0 errors, 1 warning", run.Lines[1]);
    }

    [Theory]
    [InlineData("no command is given", "")]
    [InlineData("'check' is no command", "check a")]
    [InlineData("nothing to read", "validate")]
    [InlineData("-o: 'xml' is no format", "validate - -o xml")]
    [InlineData("-o: '' is no format", "validate - -o")]
    [InlineData("given twice", "validate - -o json --output=text")]
    [InlineData("--quiet: there is no such option", "validate - --quiet")]
    [InlineData("/no/such/file.yaml: ", "validate /no/such/file.yaml")]
    public void Run_WrongUsage_EndsWith2AndOneLine(string expected, string arguments)
    {
        Invocation run = Invocation.Of(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal((2, ""), (run.Code, run.Output));
        Assert.StartsWith("meshctl: ", run.Error, StringComparison.Ordinal);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    public void Validate_EmptyInput_EndsWith2AndSaysThatNothingCame(string input)
    {
        Invocation run = Invocation.WithInput(input, "validate", "-", "-");

        Assert.Equal((2, ""), (run.Code, run.Output));
        Assert.StartsWith("meshctl: stdin: nothing came;", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_FolderWithoutRules_EndsWith2()
    {
        using TempFolder folder = new();

        Assert.Equal(2, Invocation.Of("validate", folder.Path).Code);
    }

    [Theory]
    [InlineData("--help", "validate FILE_OR_DIR")]
    [InlineData("--version", "meshctl ")]
    public void Run_HelpAndVersion_PrintAndEndWith0(string option, string expected)
    {
        Invocation run = Invocation.Of("validate", option);

        Assert.Equal(0, run.Code);
        Assert.Contains(expected, run.Output, StringComparison.Ordinal);
    }
}
