using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>loadBalancer.simple of a DestinationRule: of two endpoints one never answers, and the algorithm decides how many requests it still gets.</summary>
public sealed class RuleEffectsBalancingTests
{
    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.simple")]
    [InlineData("RANDOM", 75, 125)]
    [InlineData("ROUND_ROBIN", 100, 100)]
    [InlineData("LEAST_REQUEST", 1, 65)]
    [InlineData("LEAST_CONN", 1, 65)]
    [InlineData("UNSPECIFIED", 1, 65)]
    public async Task Simple_DecidesWhatABusyEndpointGets(string algorithm, int fewest, int most)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(null, new Random(1), RuleTexts.Services, RuleTexts.Policy($"loadBalancer: {{simple: {algorithm}}}"));
        scene.Upstreams.Answer = static request => request.Address == "10.0.0.1:80" ? null : AnsweringUpstreams.Text(200, "");

        for (int i = 0; i < 200; i++)
        {
            await scene.SendAsync();
        }

        Assert.InRange(scene.Upstreams.Seen.Count(static r => r.Address == "10.0.0.1:80"), fewest, most);
    }
}
