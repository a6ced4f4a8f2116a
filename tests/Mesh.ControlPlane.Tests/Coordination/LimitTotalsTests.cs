using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Tests.Push;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>What rules say of limits that all callers share.</summary>
public sealed class LimitTotalsTests
{
    /// <summary>A policy in shadow mode has its shares given out like one in force: only so can a sidecar tell what its share would refuse.</summary>
    [Theory]
    [InlineData("", "meshLimits.maxConnections", 20)]
    [InlineData("mode: shadow, ", "meshLimits.maxConnections", 20)]
    [InlineData("mode: shadow, ", "meshLimits.maxRequests", 9)]
    [InlineData("mode: shadow, ", "meshLimits.maxTokens", null)]
    public void Of_MeshLimits_IsWhatTheRuleSays(string mode, string limit, int? total)
    {
        FakeRuleStore rules = new();
        rules.Add($$"""
            apiVersion: resilience.mesh.dev/v1alpha1
            kind: ResiliencePolicy
            metadata: {name: partner, namespace: default}
            spec: {host: partner, {{mode}}meshLimits: {maxConnections: 20, maxRequests: 9} }
            """);

        Assert.Equal(total, LimitTotals.Of(rules.Current, new LimitName("ResiliencePolicy/default/partner", "outbound|80||partner", limit)));
        Assert.Null(LimitTotals.Of(rules.Current, new LimitName("ResiliencePolicy/default/other", "outbound|80||partner", limit)));
    }
}
