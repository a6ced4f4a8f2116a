using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Rules.Reading;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class StatusPatchTests
{
    private const string Wanted = """
        observedGeneration: 2
        conditions:
        - {type: Accepted, status: "True", reason: Accepted, message: the rule is valid, lastTransitionTime: "2030-01-01T00:00:09Z"}
        - {type: Programmed, status: "False", reason: Pending, message: 1 of 2, lastTransitionTime: "2030-01-01T00:00:09Z"}
        """;

    [Fact]
    public void Of_NoStatus_SetsOursUnderTheVersionsLock()
    {
        JsonObject patch = StatusPatch.Of(Object("{}"), Yaml(Wanted))!;

        Assert.Equal("7", (string?)patch["metadata"]!["resourceVersion"]);
        Assert.True(JsonNode.DeepEquals(Yaml(Wanted), patch["status"]), patch.ToJsonString());
    }

    [Fact]
    public void Of_SameAlready_IsNothing() => Assert.Null(StatusPatch.Of(Object(Wanted), Yaml(Wanted)));

    [Fact]
    public void Of_SameButForTheTime_IsNothing() =>
        Assert.Null(StatusPatch.Of(Object(Wanted.Replace("00:00:09Z", "00:00:01Z", StringComparison.Ordinal)), Yaml(Wanted)));

    [Fact]
    public void Of_SameWithoutATime_IsNothing() =>
        Assert.Null(StatusPatch.Of(Object(Wanted.Replace(", lastTransitionTime: \"2030-01-01T00:00:09Z\"", "", StringComparison.Ordinal)), Yaml(Wanted)));

    [Fact]
    public void WordsOf_AnotherTimeAndOthersConditions_AreTheSame()
    {
        string other = Wanted.Replace("00:00:09Z", "00:00:01Z", StringComparison.Ordinal);
        JsonObject here = Object("{conditions: [{type: Reconciled, status: 'True'}]}");

        Assert.Equal(
            StatusPatch.WordsOf(StatusPatch.Of(Object("{}"), Yaml(Wanted))!, Yaml(Wanted)),
            StatusPatch.WordsOf(StatusPatch.Of(here, Yaml(other))!, Yaml(other)));
    }

    [Fact]
    public void Of_GenerationAsText_IsTheSame() =>
        Assert.Null(StatusPatch.Of(Object(Wanted.Replace("observedGeneration: 2", "observedGeneration: \"2\"", StringComparison.Ordinal)), Yaml(Wanted)));

    [Fact]
    public void Of_OthersConditions_StayAndSoDoTheirOtherFields()
    {
        const string Others = """
            validationMessages: [{level: INFO}]
            conditions:
            - {type: Reconciled, status: "True", message: by istiod, lastProbeTime: x}
            - {type: Accepted, status: "False", reason: Old, lastTransitionTime: "2030-01-01T00:00:01Z"}
            - {type: Other, status: "Unknown"}
            """;

        JsonObject patch = StatusPatch.Of(Object(Others), Yaml(Wanted))!;

        JsonArray conditions = (JsonArray)patch["status"]!["conditions"]!;
        Assert.Equal(["Reconciled", "Other", "Accepted", "Programmed"], conditions.Select(static c => (string?)c!["type"]));
        Assert.Equal("x", (string?)conditions[0]!["lastProbeTime"]);
        Assert.Null(patch["status"]!["validationMessages"]); // a merge patch leaves out what it does not touch
    }

    [Fact]
    public void Of_StatusOfAConditionStays_KeepsItsTime()
    {
        JsonObject found = Object(Wanted.Replace("00:00:09Z", "00:00:01Z", StringComparison.Ordinal).Replace("1 of 2", "0 of 2", StringComparison.Ordinal));

        JsonObject patch = StatusPatch.Of(found, Yaml(Wanted))!;

        JsonNode programmed = patch["status"]!["conditions"]![1]!;
        Assert.Equal(("1 of 2", "2030-01-01T00:00:01Z"), ((string?)programmed["message"], (string?)programmed["lastTransitionTime"]));
    }

    [Fact]
    public void Of_Findings_StandInAcceptedsMessage()
    {
        JsonObject patch = StatusPatch.Of(Object("{}"), Yaml(Wanted + "\nvalidationMessages: [{level: WARNING, path: spec.host, message: no such host}]"))!;

        Assert.Equal("the rule is valid; warning: spec.host: no such host", (string?)patch["status"]!["conditions"]![0]!["message"]);
        Assert.Null(patch["status"]!["validationMessages"]);
    }

    private static JsonObject Object(string status) => new()
    {
        ["metadata"] = new JsonObject { ["resourceVersion"] = "7" },
        ["status"] = Yaml(status),
    };

    private static JsonObject Yaml(string text) => RuleJson.FromYaml(text).Object!;
}
