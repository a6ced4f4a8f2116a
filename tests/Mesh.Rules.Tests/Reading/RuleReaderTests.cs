using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Reading;

public sealed class RuleReaderTests
{
    private const string LabRule = """
        # 한 연결에 요청 하나 – load it with "siege –t10S"
        apiVersion: networking.istio.io/v1alpha3
        kind: DestinationRule
        metadata:
          name: products
        spec:
          host: products
          trafficPolicy:
            connectionPool:
              tcp:
                maxConnections: 1           # 최대 연결 수 – one
              http:
                http1MaxPendingRequests: 1
                maxRequestsPerConnection: 1 # keep-alive 끔
                maxRetries: 3
            outlierDetection:
              consecutiveErrors: 5          # 연속 다섯 번
              interval: 1s
              baseEjectionTime: 30s   
              maxEjectionPercent: 100
        """;

    [Fact]
    public void ReadYaml_LabRule_IsAcceptedWithWarningsOnly()
    {
        RuleReadResult result = RuleText.Read(LabRule);

        Assert.Equal(new RuleKey("DestinationRule", "default", "products"), result.Document!.Key);
        Assert.Equal("test.yaml:2", result.Document.Source);
        Assert.Equal(1, result.Rule().TrafficPolicy!.ConnectionPool!.Tcp!.MaxConnections);
        Assert.Equal(TimeSpan.FromSeconds(30), result.Rule().TrafficPolicy!.OutlierDetection!.BaseEjectionTime);
        Assert.Equal(
            [(DiagnosticCode.Deprecated, 17)],
            result.Diagnostics.Select(d => (d.Code, d.Line)));
    }

    [Fact]
    public void ReadYaml_MisspeltField_NamesPlaceAndSuggestion()
    {
        Diagnostic error = Assert.Single(RuleText.Policy("connectionPool:\n  tcp:\n    maxConnection: 1").Errors());

        Assert.Equal((DiagnosticCode.UnknownField, "spec.trafficPolicy.connectionPool.tcp.maxConnection", 10, 9), (error.Code, error.Path, error.Line, error.Column));
        Assert.Equal("unknown field \"maxConnection\"; did you mean \"maxConnections\"?", error.Message);
    }

    [Theory]
    [InlineData("MAXCONNECTIONS", "maxConnections")]
    [InlineData("conectTimeuot", "connectTimeout")]
    public void ReadYaml_MisspeltField_SuggestsNearest(string written, string meant) =>
        Assert.Contains($"\"{meant}\"?", Assert.Single(RuleText.Policy($"connectionPool: {{tcp: {{{written}: 1}}}}").Errors()).Message, StringComparison.Ordinal);

    [Fact]
    public void ReadYaml_DuplicateField_IsReportedWithPlace()
    {
        Diagnostic error = Assert.Single(RuleText.Destination("host: a\nhost: b").Errors());

        Assert.Equal((DiagnosticCode.DuplicateField, "spec.host", 7), (error.Code, error.Path, error.Line));
    }

    [Theory]
    [InlineData("maxEjectionPercent: \"100%\"", "write 100")]
    [InlineData("maxEjectionPercent: \"100\"", "remove the quotes: 100")]
    [InlineData("maxEjectionPercent: 1.5", "whole number")]
    [InlineData("maxEjectionPercent: [1]", "was a list")]
    [InlineData("interval: 5", "add the unit: 5s or 5ms")]
    [InlineData("splitExternalLocalOriginErrors: \"true\"", "remove the quotes")]
    public void ReadYaml_WrongType_SaysWhatToWrite(string field, string text)
    {
        Diagnostic error = Assert.Single(RuleText.Policy($"outlierDetection:\n  {field}").Errors());

        Assert.Equal((DiagnosticCode.TypeInvalid, 9), (error.Code, error.Line));
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ReadYaml_NumberAsText_SaysToQuote() =>
        Assert.Contains("put it in quotes: \"5\"", Assert.Single(RuleText.Destination("host: 5").Errors()).Message, StringComparison.Ordinal);

    [Fact]
    public void ReadYaml_EnumMisspelt_IsNotSupported()
    {
        Diagnostic error = Assert.Single(RuleText.Policy("loadBalancer: {simple: round_robin}").Errors());

        Assert.Equal(DiagnosticCode.NotSupported, error.Code);
        Assert.EndsWith("did you mean \"ROUND_ROBIN\"?", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10x")]
    [InlineData("\"30\"")]
    public void ReadYaml_BadDuration_ShowsWhatToWrite(string text) =>
        Assert.Contains("such as 10s, 250ms or 1m30s", Assert.Single(RuleText.Policy($"outlierDetection: {{interval: {text}}}").Errors()).Message, StringComparison.Ordinal);

    [Fact]
    public void ReadYaml_UnsetAndZero_StayApart()
    {
        OutlierDetection outlier = RuleText.Policy("outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: null}").Rule().TrafficPolicy!.OutlierDetection!;

        Assert.Equal((0, null, null), (outlier.Consecutive5xxErrors, outlier.ConsecutiveGatewayErrors, outlier.ConsecutiveErrors));
    }

    [Fact]
    public void ReadYaml_ManyDocumentsAndList_GivesEachItsResult()
    {
        string item = RuleText.Document("DestinationRule", "host: a");
        string list = "apiVersion: v1\nkind: List\nitems:\n- " + item.TrimEnd().Replace("\n", "\n  ", StringComparison.Ordinal) + "\n- apiVersion: apps/v1\n  kind: Deployment\n";

        ImmutableArray<RuleReadResult> results = RuleReader.ReadYaml($"---\n# nothing\n---\n{item}---\n{list}", "f", "shop");

        Assert.Equal(["shop", "shop", "apps/v1 Deployment"], results.Select(r => r.Document?.Key.Namespace ?? r.SkippedKind));
    }

    [Theory]
    [InlineData("a: [\nb: ]c", "not readable as YAML", 1)]
    [InlineData("a:\n  b: 1\n\tc: 1", "indent with spaces", 3)]
    [InlineData("apiVersion: &x v1\nkind: *x", "references (*name) are not supported", 2)]
    [InlineData("just text", "not a Kubernetes object", 1)]
    [InlineData("kind: DestinationRule", "apiVersion is required", 1)]
    [InlineData("apiVersion: networking.istio.io/v9\nkind: DestinationRule", "write networking.istio.io/v1 or", 1)]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRules", "did you mean \"DestinationRule\"?", 2)]
    public void ReadYaml_NoObjectOfOurs_IsOneClearError(string text, string expected, int line)
    {
        Diagnostic error = Assert.Single(RuleText.Read(text).Errors());

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(line, error.Line);
    }

    [Fact]
    public void ReadYaml_NestedTooDeep_IsRefused() =>
        Assert.Contains("deeper than 64", Assert.Single(RuleText.Read(new string('[', 5000)).Errors()).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {}, spec: {host: a}}", "metadata.name")]
    [InlineData("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: A_}, spec: {host: a}}", "metadata.name")]
    [InlineData("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a, foo: 1}, spec: {host: a}}", "metadata.foo")]
    [InlineData("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a}}", "spec")]
    [InlineData("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a}, spce: {}, spec: {host: a}}", "spce")]
    public void ReadYaml_ObjectFieldsWrong_NamesThem(string text, string path) =>
        Assert.Equal(path, Assert.Single(RuleText.Read(text).Errors()).Path);

    [Fact]
    public void ReadJson_ServerObject_BindsMetadata()
    {
        JsonObject obj = JsonNode.Parse("""
            {"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a","namespace":"n","generation":7,"uid":"u",
            "labels":{"k":"v"},"creationTimestamp":"2026-01-02T03:04:05Z","managedFields":[{}]},"spec":{"host":"a"},"status":{"x":1}}
            """)!.AsObject();

        RuleReadResult result = RuleReader.ReadJson(obj, "api");

        Assert.Empty(result.Diagnostics);
        Assert.Equal((7, "v", "n", new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero)),
            (result.Document!.Generation, result.Document.Labels["k"], result.Document.Key.Namespace, result.Document.CreationTimestamp));
    }

    [Fact]
    public void ReadJson_DuplicateField_IsReportedNotThrown()
    {
        JsonObject obj = JsonNode.Parse("""{"kind":"a","kind":"b"}""")!.AsObject();

        Assert.Equal(DiagnosticCode.DuplicateField, Assert.Single(RuleReader.ReadJson(obj, "api").Diagnostics).Code);
    }

    [Fact]
    public void ReadYaml_FromManyThreads_GivesTheSameFindings()
    {
        string expected = string.Join('\n', RuleText.Read(LabRule).Diagnostics);

        Parallel.For(0, 200, _ => Assert.Equal(expected, string.Join('\n', RuleText.Read(LabRule).Diagnostics)));
    }

    [Fact]
    public void ReadYaml_MutatedDocuments_NeverThrows()
    {
        Random random = new(20261121);
        const string Alphabet = "\n\t :-{}[],&*!|>%@`\"'#?~01a.\u0000\u2028가";
        for (int round = 0; round < 4000; round++)
        {
            List<char> text = [.. LabRule];
            for (int edit = random.Next(1, 8); edit > 0; edit--)
            {
                int at = random.Next(text.Count);
                switch (random.Next(4))
                {
                    case 0:
                        text.RemoveAt(at);
                        break;
                    case 1:
                        text.Insert(at, Alphabet[random.Next(Alphabet.Length)]);
                        break;
                    case 2:
                        text[at] = Alphabet[random.Next(Alphabet.Length)];
                        break;
                    default:
                        text.RemoveRange(at, Math.Min(random.Next(30), text.Count - at));
                        break;
                }
            }

            string mutated = new([.. text]);
            foreach (RuleReadResult result in RuleReader.ReadYaml(mutated, "fuzz"))
            {
                Assert.True(result.Document is null || result.Errors().IsEmpty);
            }

            RuleJson.FromYaml(mutated);
            RuleJson.FromJson(System.Text.Encoding.UTF8.GetBytes(mutated));
        }
    }
}
