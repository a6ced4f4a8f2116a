using System.Text.Json.Nodes;
using Xunit;

namespace Mesh.ControlPlane.Tests.Api;

public sealed class ResiliencePolicyTests
{
    private const string Group = "/apis/resilience.mesh.dev/v1alpha1";
    private const string Policies = Group + "/namespaces/default/resiliencepolicies";
    private const string Body = """
        {"apiVersion":"resilience.mesh.dev/v1alpha1","kind":"ResiliencePolicy","metadata":{"name":"pay"},"spec":{"host":"pay","profile":"safe"}}
        """;

    [Fact]
    public async Task Discovery_SecondGroup_IsListedWithItsKind()
    {
        await using ApiBench api = await ApiBench.StartAsync();

        JsonArray groups = (JsonArray)(await api.GetAsync("/apis")).Json["groups"]!;
        JsonNode kind = Assert.Single((JsonArray)(await api.GetAsync(Group)).Json["resources"]!, static r => (string?)r!["name"] == "resiliencepolicies")!;
        JsonNode schemas = (await api.GetAsync("/openapi/v3")).Json["paths"]!;

        Assert.Contains(groups, static g => (string?)g!["name"] == "resilience.mesh.dev");
        Assert.Equal(("ResiliencePolicy", "rp"), ((string?)kind["kind"], (string?)kind["shortNames"]![0]));
        Assert.NotNull(schemas["apis/resilience.mesh.dev/v1alpha1"]);
    }

    [Fact]
    public async Task Create_Policy_IsKeptAndShownAsATableWithHostAndProfile()
    {
        await using ApiBench api = await ApiBench.StartAsync();

        Assert.Equal(201, (await api.SendAsync(HttpMethod.Post, Policies, Body)).Code);
        JsonNode table = (await api.GetAsync(Policies, ApiBench.TableAccept)).Json;

        Assert.Equal(["Name", "Host", "Profile", "Age", "Accepted", "Programmed"], ((JsonArray)table["columnDefinitions"]!).Select(static c => (string?)c!["name"]));
        Assert.Equal(["pay", "pay", "safe"], ((JsonArray)table["rows"]![0]!["cells"]!).Take(3).Select(static c => (string?)c));
    }
}
