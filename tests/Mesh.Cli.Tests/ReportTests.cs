using System.Text.Json;
using Xunit;

namespace Mesh.Cli;

public sealed class ReportTests
{
    private const string Rules = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata:
          name: a
        spec:
          host: a
          trafficPolicy:
            outlierDetection:
              consecutiveErrors: 3
              maxEjectionPercent: 100
              intervall: 5s
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: b
        """;

    [Fact]
    public void Json_Findings_CarryPlaceCheckAndPath()
    {
        Invocation run = Invocation.WithInput(Rules, "validate", "-", "-o", "json");
        using JsonDocument json = JsonDocument.Parse(run.Output);

        Assert.Equal(1, run.Code);
        Assert.Equal((1, 1), (json.RootElement.GetProperty("errors").GetInt32(), json.RootElement.GetProperty("warnings").GetInt32()));
        JsonElement error = json.RootElement.GetProperty("findings")[1];
        Assert.Equal(
            ("stdin", 11, 7, "error", "unknown-field", "spec.trafficPolicy.outlierDetection.intervall"),
            (Text(error, "file"), error.GetProperty("line").GetInt32(), error.GetProperty("column").GetInt32(), Text(error, "severity"), Text(error, "check"), Text(error, "path")));
        Assert.Contains("did you mean \"interval\"", Text(error, "message"), StringComparison.Ordinal);
        JsonElement skipped = json.RootElement.GetProperty("skipped")[0];
        Assert.Equal(("v1 ConfigMap", 13), (Text(skipped, "kind"), skipped.GetProperty("line").GetInt32()));
    }

    [Fact]
    public void Sarif_Findings_AreResultsOfVersion210()
    {
        using TempFolder folder = new();
        string file = folder.Add("with space.yaml", Rules);

        Invocation run = Invocation.Of("validate", file, "--output=sarif");
        using JsonDocument json = JsonDocument.Parse(run.Output);

        Assert.Equal(1, run.Code);
        Assert.Equal("2.1.0", Text(json.RootElement, "version"));
        JsonElement only = Assert.Single(json.RootElement.GetProperty("runs").EnumerateArray());
        JsonElement driver = only.GetProperty("tool").GetProperty("driver");
        Assert.Equal("meshctl", Text(driver, "name"));
        List<string?> ids = [.. driver.GetProperty("rules").EnumerateArray().Select(r => Text(r, "id"))];
        Assert.Equal("deprecated, unknown-field", string.Join(", ", ids));
        Assert.All(driver.GetProperty("rules").EnumerateArray(), static r => Assert.All(
            (string[])["shortDescription", "fullDescription", "help"], name => Assert.NotEqual("", Text(r.GetProperty(name), "text"))));
        JsonElement[] results = [.. only.GetProperty("results").EnumerateArray()];
        Assert.Equal(["warning", "error"], results.Select(r => Text(r, "level")));
        Assert.All(results, r => Assert.Equal(Text(r, "ruleId"), ids[r.GetProperty("ruleIndex").GetInt32()]));
        JsonElement place = results[0].GetProperty("locations")[0];
        JsonElement physical = place.GetProperty("physicalLocation");
        Assert.Equal("file://" + file.Replace(" ", "%20", StringComparison.Ordinal), Text(physical.GetProperty("artifactLocation"), "uri"));
        Assert.Equal((9, 7), (physical.GetProperty("region").GetProperty("startLine").GetInt32(), physical.GetProperty("region").GetProperty("startColumn").GetInt32()));
        Assert.Equal("spec.trafficPolicy.outlierDetection.consecutiveErrors", Text(place.GetProperty("logicalLocations")[0], "fullyQualifiedName"));
        Assert.Contains("consecutive5xxErrors", Text(results[0].GetProperty("message"), "text"), StringComparison.Ordinal);
    }

    [Fact]
    public void Sarif_NoFindings_IsARunWithoutResults()
    {
        Invocation run = Invocation.WithInput("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n", "validate", "-", "-o", "sarif");
        using JsonDocument json = JsonDocument.Parse(run.Output);

        Assert.Equal(0, run.Code);
        Assert.Equal(0, json.RootElement.GetProperty("runs")[0].GetProperty("results").GetArrayLength());
    }

    private static string? Text(JsonElement of, string name) => of.GetProperty(name).GetString();
}
