using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Reading;

public sealed class RuleWriterTests
{
    [Fact]
    public void ToYaml_Rule_IsBlockStyleWithQuotesOnlyWhereNeeded()
    {
        JsonObject obj = JsonNode.Parse("""{"host":"a.b","count":1,"subsets":[{"name":"v1","labels":{"version":"1","on":"true"}}],"exportTo":["*"],"e":{},"l":[],"t":"10s"}""")!.AsObject();

        Assert.Equal("""
            host: a.b
            count: 1
            subsets:
            - name: v1
              labels:
                version: "1"
                "on": "true"
            exportTo:
            - "*"
            e: {}
            l: []
            t: 10s

            """, RuleWriter.ToYaml(obj));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no")]
    [InlineData("y")]
    [InlineData("0x1F")]
    [InlineData("1e3")]
    [InlineData("1_000")]
    [InlineData("12:30")]
    [InlineData("2026-01-01")]
    [InlineData("- a")]
    [InlineData("a: b")]
    [InlineData("a #b")]
    [InlineData("a ")]
    [InlineData("---")]
    [InlineData("{a}")]
    [InlineData("목적지 – 값")]
    [InlineData("line\nline\n")]
    [InlineData("\u0085\u2028\uFEFF\u0007")]
    [InlineData("😀")]
    public void ToYaml_AwkwardText_ReadsBackTheSame(string text) => AssertRoundTrip(new JsonObject { ["k"] = text, [text] = new JsonArray(text, 1) });

    [Fact]
    public void ToYaml_AnyObject_ReadsBackTheSame() =>
        Prop.ForAll(ArbMap.Default.ArbFor<(NonNull<string> Name, NonNull<string> Text, int Whole, NormalFloat Number, bool Flag)>(), sample =>
        {
            string name = Valid(sample.Name.Get);
            AssertRoundTrip(new JsonObject
            {
                ["x" + name] = Valid(sample.Text.Get),
                [name] = new JsonArray(sample.Whole, sample.Number.Get, sample.Flag, null, new JsonArray(name), new JsonObject { [name] = Valid(sample.Text.Get) }),
            });
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void FromJson_Broken_GivesLineAndColumn()
    {
        (JsonObject? obj, ImmutableArray<Diagnostic> problems) = RuleJson.FromJson("{\n \"a\": 1,\n \"a\": }"u8);

        Assert.Null(obj);
        Assert.Equal((DiagnosticCode.Syntax, 3), (problems[^1].Code, problems[^1].Line));
    }

    [Fact]
    public void FromJson_Duplicate_KeepsFirstAndReports()
    {
        (JsonObject? obj, ImmutableArray<Diagnostic> problems) = RuleJson.FromJson("{\"spec\":{\"host\":\"a\",\n\"host\":\"b\"}}"u8);

        Assert.Equal("a", (string?)obj!["spec"]!["host"]);
        Diagnostic problem = Assert.Single(problems);
        Assert.Equal((DiagnosticCode.DuplicateField, "spec.host", 2, 1), (problem.Code, problem.Path, problem.Line, problem.Column));
    }

    [Fact]
    public void FromYaml_TwoDocuments_IsRefused() => Assert.Null(RuleJson.FromYaml("a: 1\n---\nb: 2").Object);

    [Fact]
    public void PruneUnknownFields_LeavesKnownAndMetadata()
    {
        JsonObject obj = RuleJson.FromYaml("{metadata: {foo: 1}, extra: 1, spec: {host: a, bogus: 1, subsets: [{name: v, no: 1, labels: {any: x}}]}}").Object!;

        RuleJson.PruneUnknownFields(obj, RuleKinds.DestinationRule);

        Assert.Equal("""{"metadata":{"foo":1},"spec":{"host":"a","subsets":[{"name":"v","labels":{"any":"x"}}]}}""", obj.ToJsonString());
    }

    private static void AssertRoundTrip(JsonObject obj)
    {
        string yaml = RuleWriter.ToYaml(obj);
        (JsonObject? back, ImmutableArray<Diagnostic> problems) = RuleJson.FromYaml(yaml);
        Assert.True(problems.IsEmpty, yaml + string.Join('\n', problems));
        Assert.True(JsonNode.DeepEquals(obj, back), yaml);
    }

    // Half a surrogate pair cannot stand in any file.
    private static string Valid(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}
