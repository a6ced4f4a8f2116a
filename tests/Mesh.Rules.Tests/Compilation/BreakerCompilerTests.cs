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
}
