using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Rules.Compilation;

public sealed class BreakerCompilerTests
{
    private static readonly RuleKey Key = new("CircuitBreaker", "shop", "partner");

    [Fact]
    public void ScopeSidecar_IsTheDefault()
    {
        BreakerConfig config = BreakerCompiler.Compile(new CircuitBreaker { Host = "a" }, Key);

        Assert.Equal((false, BreakerProbers.FirstAndLast, 2), (config.IsMesh, config.Probers, config.ProberCount));
        Assert.Equal(("CircuitBreaker/shop/partner", "shop/partner#spec"), (config.Rule, config.Source));
    }

    [Theory]
    [EffectOf("CircuitBreaker", "probers.mode")]
    [InlineData(null, BreakerProbers.FirstAndLast)]
    [InlineData("first-and-last", BreakerProbers.FirstAndLast)]
    [InlineData("per-zone", BreakerProbers.PerZone)]
    [EffectOf("CircuitBreaker", "probers.count")]
    [InlineData("random-n", BreakerProbers.Random)]
    [InlineData("lowest-load", BreakerProbers.LowestLoad)]
    public void ScopeMesh_SaysWhoTries(string? mode, BreakerProbers expected)
    {
        CircuitBreaker rule = new() { Host = "a", Scope = "mesh", Probers = new BreakerProberRule { Mode = mode, Count = 5 } };

        BreakerConfig config = BreakerCompiler.Compile(rule, Key);

        Assert.Equal((true, expected, 5), (config.IsMesh, config.Probers, config.ProberCount));
        Assert.NotEqual(config, config with { IsMesh = false });
        Assert.NotEqual(config, config with { Probers = BreakerProbers.FirstAndLast + 4 });
        Assert.NotEqual(config, config with { ProberCount = 6 });
        Assert.NotEqual(config, config with { Rule = "CircuitBreaker/shop/other" });
    }

    [Theory]
    [InlineData("per: endpoint", true)]
    [InlineData("{per: endpoint, state: forcedOpen}", true)]
    [InlineData("{per: endpoint, state: disabled}", false)]
    [InlineData("{per: endpoint, state: metricsOnly}", false)]
    [InlineData("{per: endpoint, mode: shadow}", false)]
    [InlineData("per: host", false)]
    public void PerEndpoint_TakesThePlaceOfOutlierDetection_AndSaysSo(string spec, bool isReplaced)
    {
        CompileResult result = MeshText.Compile(MeshText.Service("a.test") + Rule(spec) + Detector("minHealthPercent: 30"));

        ClusterConfig cluster = result.Snapshot.Clusters["outbound|80||a.test"];
        Assert.Equal((spec.Contains("endpoint", StringComparison.Ordinal), isReplaced, 30), (cluster.Breaker!.IsPerEndpoint, cluster.Outlier is null, cluster.PanicThresholdPercent));
        Assert.Equal(isReplaced ? ["dr spec.trafficPolicy.outlierDetection"] : [], result.Diagnostics.Of("ejection-replaced"));
        Assert.NotEqual(cluster.Breaker, cluster.Breaker with { IsPerEndpoint = !cluster.Breaker.IsPerEndpoint });
    }

    [Fact]
    public void PerEndpoint_WithoutOutlierDetection_KnowsNoPanic()
    {
        CompileResult result = MeshText.Compile(MeshText.Service("a.test") + Rule("per: endpoint"));

        Assert.Equal(0, result.Snapshot.Clusters["outbound|80||a.test"].PanicThresholdPercent);
        Assert.Empty(result.Diagnostics.Of("ejection-replaced"));
    }

    private static string Rule(string spec) =>
        $"---\napiVersion: resilience.mesh.dev/v1alpha1\nkind: CircuitBreaker\nmetadata: {{name: cb, namespace: default}}\nspec: {{host: a.test, {spec.Trim('{', '}')}}}\n";

    private static string Detector(string fields) =>
        $"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: dr, namespace: default}}\nspec: {{host: a.test, trafficPolicy: {{outlierDetection: {{maxEjectionPercent: 100, {fields}}}}}}}\n";
}
