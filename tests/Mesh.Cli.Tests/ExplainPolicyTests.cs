using System.Text.Json.Nodes;
using Xunit;

namespace Mesh.Cli;

/// <summary><c>explain host</c> and <c>explain rule</c>.</summary>
public sealed class ExplainPolicyTests
{
    private const string Admin = "http://127.0.0.1:15000";
    private const string Breaker = """
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: CircuitBreaker
        metadata: {name: cb}
        spec:
          host: products
          failureRateThreshold: 30
          ignoredCodes: [404]
        """;

    private const string Policies = """
        {"sidecar":"orders-1","clusters":[{"name":"outbound|8080||products","host":"products","port":8080,"side":"outbound","endpoints":2,"ejected":1,"unhealthy":0,"values":[
        {"kind":"DestinationRule","rule":"default","field":"tcp.maxConnections","value":"unlimited","now":"3"},
        {"kind":"CircuitBreaker","rule":"default/cb#spec","field":"failureRateThreshold","value":"30%","now":"12% of 40 calls failed"}]}],
        "routes":[{"host":"products:8080","name":"default","values":[{"kind":"VirtualService","rule":"default","field":"timeout","value":"none"}]}]}
        """;

    private const string Decisions = """
        {"sidecar":"orders-1","decisions":[{"time":"2030-01-02T03:04:05.678Z","request_id":"id-1","verdict":"refused","reason":"no_endpoints","cluster":"outbound|8080||products"}],
        "counts":[{"reason":"circuit_open","rule":"default/cb#spec","field":"failureRateThreshold","scope":"sidecar","verdict":"refused","count":41},
        {"reason":"rate_limited","rule":"default/cb#spec","field":"tokens","scope":"sidecar","verdict":"refused","count":7}]}
        """;

    [Fact]
    public void Host_ShowsValuesWithOriginAndPresent_AndTheLastDecisions()
    {
        using TempFolder folder = new();
        string file = folder.Add("cb.yaml", Breaker);
        using StubPages pages = new StubPages().Add($"{Admin}/policies?host=products", Policies).Add($"{Admin}/decisions?host=products", Decisions);

        Invocation run = Invocation.Asking(pages, "explain", "host", "products", "-f", file);

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal(
            $"""
            host products   as sidecar orders-1 sees it; its limits count here alone, each caller's sidecar has its own
              cluster outbound|8080||products   2 endpoints, 1 ejected
                tcp.maxConnections    unlimited  now 3                       built-in default
                failureRateThreshold  30%        now 12% of 40 calls failed  CircuitBreaker default/cb#spec   {file}:6
              route default of products:8080
                timeout  none    built-in default
              last decisions, of which 'meshctl explain ID' tells more
                2030-01-02T03:04:05.678Z  id-1  refused  no_endpoints: products has no endpoints

            """,
            run.Output);
    }

    [Fact]
    public void Host_Json_IsWhatTheSidecarsSay()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/policies?host=products", Policies).Add($"{Admin}/decisions?host=products", Decisions);

        Invocation run = Invocation.Asking(pages, "explain", "host", "products", "-o=json");

        JsonNode sidecar = JsonNode.Parse(run.Output)!["sidecars"]![0]!;
        Assert.Equal(("orders-1", 2, 1), (sidecar["sidecar"]!.GetValue<string>(), sidecar["clusters"]![0]!["endpoints"]!.GetValue<int>(), sidecar["decisions"]!.AsArray().Count));
    }

    [Fact]
    public void Host_ThatNobodyKnows_EndsWith1()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/policies?host=nobody", """{"sidecar":"orders-1","clusters":[]}""");

        Invocation run = Invocation.Asking(pages, "explain", "host", "nobody");

        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Contains("host nobody: no sidecar that was asked knows it (orders-1)", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Rule_OfAFile_ShowsWhatIsWrittenAndWhatIsNot()
    {
        using TempFolder folder = new();
        string file = folder.Add("cb.yaml", Breaker);

        Invocation run = Invocation.Of("explain", "rule", "circuitbreaker/default/cb", "-f", file);

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.StartsWith($"rule CircuitBreaker/default/cb   {file}:1\n", run.Output, StringComparison.Ordinal);
        Assert.Contains($"    {file}:6  failureRateThreshold: 30  Percent of failed calls at which the circuit opens. Default 50.\n", run.Output, StringComparison.Ordinal);
        Assert.Contains($"    {file}:7  ignoredCodes[0]: 404", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"\n    waitDurationInOpenState: 60s +How long the circuit stays open", run.Output);
        Assert.Matches(@"\n    mode: enforce +enforce \(default\), or shadow", run.Output);
        Assert.DoesNotContain("failureRateThreshold: 50", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("no cluster", run.Output, StringComparison.Ordinal); // nobody was asked
    }

    [Fact]
    public void Rule_AtSidecars_ShowsWhoObeysIt_AndHowOftenItDecided()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/policies?rule=default%2Fcb", Policies).Add($"{Admin}/decisions?rule=default%2Fcb", Decisions);

        Invocation run = Invocation.Asking(pages, "explain", "rule", "CircuitBreaker/cb");

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Contains("  in force at sidecar orders-1 for cluster outbound|8080||products\n    failureRateThreshold  30%  now 12% of 40 calls failed", run.Output, StringComparison.Ordinal);
        Assert.Contains("  decided 41 times at sidecar orders-1: circuit_open, refused, by failureRateThreshold, scope sidecar\n", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("rate_limited", run.Output, StringComparison.Ordinal); // a RateLimit of the same name
        Assert.DoesNotContain("timeout", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dr/cb")]
    [InlineData("CircuitBreaker/other/cb")]
    public void Rule_ThatIsNotThere_EndsWith1(string rule)
    {
        using TempFolder folder = new();
        string file = folder.Add("cb.yaml", Breaker);

        Invocation run = Invocation.Of("explain", "rule", rule, "-f", file);

        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Contains("no rule of this name is in", run.Error, StringComparison.Ordinal);
    }
}
