using System.Text.Json.Nodes;
using Xunit;
using static Mesh.ControlPlane.Tests.Api.ApiBench;

namespace Mesh.ControlPlane.Tests.Api;

public sealed class ApplyTests
{
    private const string OneConnection = """{"host":"p","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":1}}}}""";
    private const string TwoConnections = """{"host":"p","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":2}}}}""";

    [Fact]
    public async Task Apply_NewThenSameThenChanged_Is201Then200WithoutAndWithANewVersion()
    {
        await using ApiBench api = await StartAsync();
        ApiReply created = await api.ApplyAsync("x", Rule("a", OneConnection));
        Assert.Equal(201, created.Code);
        ApiReply same = await api.ApplyAsync("x", Rule("a", OneConnection));
        Assert.Equal((200, created.Version), (same.Code, same.Version));
        ApiReply changed = await api.ApplyAsync("x", Rule("a", TwoConnections));
        Assert.NotEqual(created.Version, changed.Version);
        Assert.Equal(2, (int)changed.Metadata["generation"]!);
    }

    [Fact]
    public async Task Apply_Yaml_IsTakenToo()
    {
        await using ApiBench api = await StartAsync();
        Assert.Equal(201, (await api.ApplyAsync("x", "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: p}\n")).Code);
    }

    [Fact]
    public async Task Apply_OthersField_ConflictsUnlessForced()
    {
        await using ApiBench api = await StartAsync();
        await api.ApplyAsync("x", Rule("a", OneConnection));
        ApiReply refused = await api.ApplyAsync("y", Rule("a", TwoConnections));
        Assert.Equal(409, refused.Code);
        Assert.StartsWith("Apply failed with 1 conflict: conflict with \"x\"", refused.Message, StringComparison.Ordinal);
        JsonNode cause = Assert.Single((JsonArray)refused.Json["details"]!["causes"]!)!;
        Assert.Equal(("FieldManagerConflict", ".spec.trafficPolicy.connectionPool.tcp.maxConnections"), ((string?)cause["reason"], (string?)cause["field"]));
        ApiReply forced = await api.ApplyAsync("y", Rule("a", TwoConnections), "&force=true");
        Assert.Equal(200, forced.Code);
        Assert.DoesNotContain("f:maxConnections", Fields(forced, "x"), StringComparison.Ordinal);
        Assert.Contains("f:maxConnections", Fields(forced, "y"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Apply_FieldLeftOut_GoesOnlyWhenNobodyElseOwnsIt()
    {
        await using ApiBench api = await StartAsync();
        await api.ApplyAsync("x", Rule("a", OneConnection));
        await api.ApplyAsync("y", Rule("a", OneConnection));
        ApiReply shared = await api.ApplyAsync("x", Rule("a", """{"host":"p"}"""));
        Assert.NotNull(shared.Json["spec"]!["trafficPolicy"]);
        ApiReply alone = await api.ApplyAsync("y", Rule("a", """{"host":"p"}"""));
        Assert.Null(alone.Json["spec"]!["trafficPolicy"]);
    }

    [Fact]
    public async Task Apply_EmptyObject_LeavesWhatOthersSetInside()
    {
        await using ApiBench api = await StartAsync();
        await api.ApplyAsync("x", Rule("a", OneConnection));
        ApiReply reply = await api.ApplyAsync("y", Rule("a", """{"host":"p","trafficPolicy":{"connectionPool":{}}}"""));
        Assert.Equal(200, reply.Code);
        Assert.Equal(1, (int)reply.Json["spec"]!["trafficPolicy"]!["connectionPool"]!["tcp"]!["maxConnections"]!);
    }

    [Fact]
    public async Task Apply_ListOfAnother_IsOneFieldAndConflicts()
    {
        await using ApiBench api = await StartAsync();
        await api.ApplyAsync("x", Rule("a", """{"host":"p","subsets":[{"name":"v1"}]}"""));
        ApiReply reply = await api.ApplyAsync("y", Rule("a", """{"host":"p","subsets":[{"name":"v2"}]}"""));
        Assert.Equal(409, reply.Code);
        Assert.Equal(".spec.subsets", (string?)reply.Json["details"]!["causes"]![0]!["field"]);
    }

    [Fact]
    public async Task Apply_WhatAnUpdateSet_Conflicts()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a", OneConnection), "?fieldManager=creator");
        ApiReply reply = await api.ApplyAsync("y", Rule("a", TwoConnections));
        Assert.Equal(409, reply.Code);
        Assert.Equal("conflict with \"creator\"", ((string?)reply.Json["details"]!["causes"]![0]!["message"])![.."conflict with \"creator\"".Length]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Update_OwnershipMovesToTheLastChanger_AndIsNotLostWhenTheBodyLeavesItOut(bool isPut)
    {
        await using ApiBench api = await StartAsync();
        ApiReply created = await api.ApplyAsync("x", Rule("a", OneConnection));
        string lockedBody = Rule("a", TwoConnections, $$""","resourceVersion":"{{created.Version}}" """);
        ApiReply reply = isPut
            ? await api.SendAsync(HttpMethod.Put, RulesPath + "/a?fieldManager=y", lockedBody)
            : await api.MergeAsync("a", $$"""{"spec":{{TwoConnections}}}""", "?fieldManager=y");
        Assert.Equal(200, reply.Code);
        Assert.Contains("f:maxConnections", Fields(reply, "y"), StringComparison.Ordinal);
        Assert.DoesNotContain("f:maxConnections", Fields(reply, "x"), StringComparison.Ordinal);
        Assert.Contains("f:host", Fields(reply, "x"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Apply_BadRequests_AreRefusedInKubernetesWords()
    {
        await using ApiBench api = await StartAsync();
        ApiReply noManager = await api.SendAsync(HttpMethod.Patch, RulesPath + "/a", Rule("a"), "application/apply-patch+yaml");
        Assert.Equal(422, noManager.Code);
        Assert.Contains("fieldManager: Required value: is required for apply patch", noManager.Message, StringComparison.Ordinal);
        ApiReply managed = await api.ApplyAsync("x", Rule("a", metadata: ""","managedFields":[]"""));
        Assert.Equal((400, "metadata.managedFields must be nil"), (managed.Code, managed.Message));
        ApiReply misspelt = await api.ApplyAsync("x", Rule("a", """{"hosst":"x","host":"p"}"""), "&fieldValidation=Strict");
        Assert.Equal(400, misspelt.Code);
        Assert.Empty(api.Store.Current.Rules);
    }

    [Fact]
    public async Task Apply_DryRun_StoresNothing()
    {
        await using ApiBench api = await StartAsync();
        Assert.Equal(201, (await api.ApplyAsync("x", Rule("a"), "&dryRun=All")).Code);
        Assert.Empty(api.Store.Current.Rules);
    }

    private static string Fields(ApiReply reply, string manager) =>
        ((JsonArray)reply.Metadata["managedFields"]!).FirstOrDefault(e => (string?)e!["manager"] == manager)?["fieldsV1"]?.ToJsonString() ?? "";
}
