using System.Net;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Xunit;
using static Mesh.ControlPlane.Tests.Api.ApiBench;

namespace Mesh.ControlPlane.Tests.Api;

public sealed class ReadTests
{
    private const string AggregatedAccept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

    [Theory]
    [InlineData("/apis", AggregatedAccept, "APIGroupDiscoveryList")]
    [InlineData("/apis", "application/json", "APIGroupList")]
    [InlineData("/apis", "application/x-unknown", "APIGroupList")]
    [InlineData("/api", AggregatedAccept, "APIGroupDiscoveryList")]
    [InlineData("/api", "application/json", "APIVersions")]
    [InlineData("/api/v1", "application/json", "APIResourceList")]
    [InlineData("/apis/networking.istio.io/v1alpha3", "application/json", "APIResourceList")]
    public async Task Discovery_AnswersEveryFormAndNever406(string path, string accept, string kind)
    {
        await using ApiBench api = await StartAsync();
        ApiReply reply = await api.GetAsync(path, accept);
        Assert.Equal((200, kind), (reply.Code, (string?)reply.Json["kind"]));
    }

    [Fact]
    public async Task Discovery_SameTag_Is304()
    {
        await using ApiBench api = await StartAsync();
        using HttpRequestMessage first = new(HttpMethod.Get, "/apis") { Headers = { { "Accept", AggregatedAccept } } };
        using HttpResponseMessage answer = await api.Client.SendAsync(first);
        Assert.Equal("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", answer.Content.Headers.NonValidated["Content-Type"].ToString());
        using HttpRequestMessage second = new(HttpMethod.Get, "/apis") { Headers = { { "Accept", AggregatedAccept }, { "If-None-Match", answer.Headers.ETag!.Tag } } };
        using HttpResponseMessage again = await api.Client.SendAsync(second);
        Assert.Equal(HttpStatusCode.NotModified, again.StatusCode);
    }

    [Fact]
    public async Task OpenApi_V2IsProtobufWithItsOwnType_AndV3CarriesAHashAndFieldValidation()
    {
        await using ApiBench api = await StartAsync();
        ApiReply v2 = await api.GetAsync("/openapi/v2");
        Assert.Equal("application/com.github.proto-openapi.spec.v2.v1.0+protobuf", v2.Type);
        ApiReply index = await api.GetAsync("/openapi/v3");
        string url = (string)index.Json["paths"]!["apis/networking.istio.io/v1"]!["serverRelativeURL"]!;
        Assert.Contains("?hash=", url, StringComparison.Ordinal);
        JsonNode patch = (await api.GetAsync(url)).Json["paths"]!["/apis/networking.istio.io/v1/namespaces/{namespace}/destinationrules/{name}"]!["patch"]!;
        Assert.Contains((JsonArray)patch["parameters"]!, static p => (string?)p!["name"] == "fieldValidation");
        Assert.Equal("DestinationRule", (string?)patch["x-kubernetes-group-version-kind"]!["kind"]);
    }

    [Fact]
    public async Task CanI_ProtobufBody_IsAnsweredInJson()
    {
        await using ApiBench api = await StartAsync();
        ApiReply reply = await api.SendAsync(HttpMethod.Post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "k8s\0x", "application/vnd.kubernetes.protobuf");
        Assert.Equal((201, true), (reply.Code, (bool)reply.Json["status"]!["allowed"]!));
    }

    [Fact]
    public async Task Core_AnyNamespaceExists_AndNothingHappensInIt()
    {
        await using ApiBench api = await StartAsync();
        Assert.Equal("shop", (string?)(await api.GetAsync("/api/v1/namespaces/shop")).Metadata["name"]);
        Assert.Empty((JsonArray)(await api.GetAsync("/api/v1/namespaces/shop/events?fieldSelector=involvedObject.name%3Da&limit=500")).Json["items"]!);
        Assert.Equal("ok", (await api.GetAsync("/readyz")).Text);
    }

    [Fact]
    public async Task List_Table_HasColumnsAgeAndMetadata()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        api.Time.Advance(TimeSpan.FromSeconds(19));
        ApiReply reply = await api.GetAsync(RulesPath + "?limit=500", TableAccept);
        Assert.Equal("Table", (string?)reply.Json["kind"]);
        string?[] columns = [.. ((JsonArray)reply.Json["columnDefinitions"]!).Select(static c => (string?)c!["name"])];
        Assert.Equal("Name", columns[0]);
        Assert.Equal("Age Accepted Programmed", string.Join(' ', columns.TakeLast(3)));
        JsonNode row = Assert.Single((JsonArray)reply.Json["rows"]!)!;
        Assert.Equal(("a", "19s", null), ((string?)row["cells"]![0], (string?)row["cells"]![columns.Length - 3], row["cells"]![columns.Length - 1]));
        Assert.Equal("default", (string?)row["object"]!["metadata"]!["namespace"]);
    }

    [Fact]
    public async Task List_Table_ShowsWhetherTheStatusSaysSo()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        JsonObject status = new()
        {
            ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Accepted", ["status"] = "True" }, new JsonObject { ["type"] = "Programmed", ["status"] = "Unknown" }),
        };
        StoredRule stored = Assert.Single(api.Store.Current.Rules.Values);
        api.Store.TrySetStatus(stored.Key, (string)stored.Object["metadata"]!["uid"]!, status);

        JsonArray cells = (JsonArray)(await api.GetAsync(RulesPath, TableAccept)).Json["rows"]![0]!["cells"]!;

        Assert.Equal("True Unknown", string.Join(' ', cells.TakeLast(2)));
    }

    [Theory]
    [InlineData("workloadentries", "we", "Address")]
    [InlineData("sidecars", "", "")]
    public async Task Kinds_OfWorkloads_AreServedInAllVersions(string plural, string shortName, string column)
    {
        await using ApiBench api = await StartAsync();
        foreach (string version in (string[])["v1", "v1beta1", "v1alpha3"])
        {
            JsonNode resource = ((JsonArray)(await api.GetAsync($"/apis/networking.istio.io/{version}")).Json["resources"]!).Single(r => (string?)r!["name"] == plural)!;
            Assert.Equal(shortName, string.Join(',', (resource["shortNames"] as JsonArray ?? []).Select(static n => (string?)n)));
            JsonNode table = (await api.GetAsync($"/apis/networking.istio.io/{version}/namespaces/default/{plural}", TableAccept)).Json;
            Assert.Equal(
                string.Join(',', ((string[])["Name", column, "Age", "Accepted", "Programmed"]).Where(static c => c.Length > 0)),
                string.Join(',', ((JsonArray)table["columnDefinitions"]!).Select(static c => (string?)c!["name"])));
        }
    }

    [Fact]
    public async Task List_Limit_PagesUntilTheEnd()
    {
        await using ApiBench api = await StartAsync();
        for (int i = 0; i < 5; i++)
        {
            await api.CreateAsync(Rule($"r{i}"));
        }

        List<string> names = [];
        string token = "";
        do
        {
            ApiReply page = await api.GetAsync($"{RulesPath}?limit=2&continue={Uri.EscapeDataString(token)}");
            names.AddRange(((JsonArray)page.Json["items"]!).Select(static i => (string)i!["metadata"]!["name"]!));
            token = (string?)page.Metadata["continue"] ?? "";
            Assert.Equal(token.Length == 0 ? null : 5 - names.Count, (int?)page.Metadata["remainingItemCount"]);
        }
        while (token.Length > 0);
        Assert.Equal(["r0", "r1", "r2", "r3", "r4"], names);
        Assert.Equal(400, (await api.GetAsync(RulesPath + "?continue=garbage")).Code);
        Assert.Equal(400, (await api.GetAsync(RulesPath + "?continue=eyJydiI6MSwic3RhcnQiOjV9")).Code); // {"rv":1,"start":5}
    }

    [Theory]
    [InlineData("labelSelector=app%3Dx", "a")]
    [InlineData("labelSelector=app!%3Dx", "b,c")]
    [InlineData("labelSelector=app%20in%20(x,y)", "a,b")]
    [InlineData("labelSelector=app%20notin%20(x,y)", "c")]
    [InlineData("labelSelector=!app", "c")]
    [InlineData("labelSelector=app,app!%3Dy", "a")]
    [InlineData("fieldSelector=metadata.name%3Db", "b")]
    public async Task List_Selectors_Narrow(string query, string names)
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a", metadata: ""","labels":{"app":"x"}"""));
        await api.CreateAsync(Rule("b", metadata: ""","labels":{"app":"y"}"""));
        await api.CreateAsync(Rule("c"));
        JsonArray items = (JsonArray)(await api.GetAsync($"{RulesPath}?{query}")).Json["items"]!;
        Assert.Equal(names, string.Join(',', items.Select(static i => (string?)i!["metadata"]!["name"])));
    }

    [Fact]
    public async Task List_UnknownFieldSelector_Is400_AndUnknownNamespaceIsEmpty()
    {
        await using ApiBench api = await StartAsync();
        ApiReply refused = await api.GetAsync(RulesPath + "?fieldSelector=spec.host%3Da");
        Assert.Equal((400, "field label not supported: spec.host"), (refused.Code, refused.Message));
        ApiReply empty = await api.GetAsync(RulesPath.Replace("default", "nope", StringComparison.Ordinal));
        Assert.Equal(200, empty.Code);
        Assert.Empty((JsonArray)empty.Json["items"]!);
    }
}
