using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>meshLimits of a ResiliencePolicy, from its text to the wire.</summary>
public sealed class RuleEffectsMeshLimitsTests
{
    private const string Rule = "ResiliencePolicy/default/rp";

    [Theory]
    [EffectOf("ResiliencePolicy", "meshLimits.maxConnections")]
    [InlineData("meshLimits: {maxConnections: 20}", 0, 1)]
    [InlineData("meshLimits: {maxConnections: 20}", 3, 3)]
    [InlineData("meshLimits: {maxRequests: 20}", 9, 5)]
    public async Task MaxConnections_NoMoreThanTheShare(string limits, int share, int connections)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience($"host: b.test\n{limits}"));
        Order(scene, limits.Contains("Conn", StringComparison.Ordinal) ? "meshLimits.maxConnections" : "meshLimits.maxRequests", share);
        scene.Upstreams.Answer = static _ => null;

        for (int i = 0; i < 5; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        Assert.Equal(connections, scene.Upstreams.Dials.Count);
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "meshLimits.maxRequests")]
    [InlineData(0, 1)]
    [InlineData(3, 3)]
    public async Task MaxRequests_TheNextIsRefused_AndToldWhy(int share, int active)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nmeshLimits: {maxRequests: 20}"));
        Order(scene, "meshLimits.maxRequests", share);
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < active; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal(503, refused.Status);
        Assert.Equal(
            [FormattableString.Invariant($"request_overflow; rule=default/rp#spec.meshLimits.maxRequests; limit={active}; now={active}; scope=mesh")], refused["x-mesh-reason"]);
    }

    private static void Order(RuleScene scene, string field, int share)
    {
        if (share > 0)
        {
            scene.Cluster("b.test").Follow(new LimitOrder(Rule, scene.Cluster("b.test").Name, field, share, 20, 1));
        }
    }
}
