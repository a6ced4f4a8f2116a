using System.Globalization;
using Mesh.ControlPlane.Api;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Api;

/// <summary>Lists of a version: what a real API server gives, and what it refuses.</summary>
public sealed class ListVersionTests
{
    [Theory]
    [InlineData("?resourceVersionMatch=Exact", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")]
    [InlineData("?resourceVersionMatch=NotOlderThan", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")]
    [InlineData("?resourceVersionMatch=Exact&resourceVersion=0", "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")]
    [InlineData("?resourceVersionMatch=Latest&resourceVersion=1", "Unsupported value: \"Latest\": supported values: \"Exact\", \"NotOlderThan\"")]
    [InlineData("?resourceVersionMatch=Exact&resourceVersion=1&continue=x", "Forbidden: resourceVersionMatch is forbidden when continue is provided")]
    [InlineData("?watch=true&resourceVersion=1&resourceVersionMatch=Exact", "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")]
    public async Task Get_MatchThatMeansNothing_Is422(string query, string problem)
    {
        await using ApiBench api = await ApiBench.StartAsync();

        ApiReply reply = await api.GetAsync(ApiBench.RulesPath + query);

        Assert.Equal((422, $"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: {problem}"), (reply.Code, (string?)reply.Json["message"]));
    }

    [Theory]
    [InlineData("&resourceVersionMatch=Exact")]
    [InlineData("&limit=500")]
    public async Task List_Exact_IsTheStateOfThen(string how)
    {
        await using ApiBench api = await ApiBench.StartAsync();
        await api.CreateAsync(ApiBench.Rule("a"));
        await api.CreateAsync(ApiBench.Rule("b"));
        string then = (await api.GetAsync(ApiBench.RulesPath)).Version;
        await api.CreateAsync(ApiBench.Rule("c"));
        await api.MergeAsync("a", """{"spec":{"host":"orders"}}""");
        await api.SendAsync(HttpMethod.Delete, $"{ApiBench.RulesPath}/b");

        ApiReply former = await api.GetAsync($"{ApiBench.RulesPath}?resourceVersion={then}{how}");
        ApiReply now = await api.GetAsync($"{ApiBench.RulesPath}?resourceVersion={then}&resourceVersionMatch=NotOlderThan");

        Assert.Equal(("a=products b=products", then), (Content(former), former.Version));
        Assert.Equal("a=orders c=products", Content(now));
    }

    [Fact]
    public async Task List_NotOlderThanAVersionToCome_WaitsForIt()
    {
        await using ApiBench api = await ApiBench.StartAsync();
        await api.CreateAsync(ApiBench.Rule("a"));
        long next = long.Parse((await api.GetAsync(ApiBench.RulesPath)).Version, CultureInfo.InvariantCulture) + 1;

        Task<ApiReply> list = api.GetAsync($"{ApiBench.RulesPath}?resourceVersion={next}&resourceVersionMatch=NotOlderThan");
        await Eventually.HoldsAsync(() => api.Time.ArmedTimers > 0, "it waits");
        await api.CreateAsync(ApiBench.Rule("b"));

        Assert.Equal("a=products b=products", Content(await list));
    }

    [Theory]
    [InlineData("&resourceVersionMatch=NotOlderThan")]
    [InlineData("&resourceVersionMatch=Exact")]
    [InlineData("")]
    public async Task List_VersionThatDoesNotCome_Is504WithWhatToDo(string how)
    {
        await using ApiBench api = await ApiBench.StartAsync();
        await api.CreateAsync(ApiBench.Rule("a"));

        Task<ApiReply> list = api.GetAsync($"{ApiBench.RulesPath}?resourceVersion=1000{how}");
        await Eventually.HoldsAsync(() => api.Time.ArmedTimers > 0, "it waits");
        api.Time.Advance(ListVersion.Patience);
        ApiReply reply = await list;

        Assert.Equal((504, "Timeout"), (reply.Code, (string?)reply.Json["reason"]));
        Assert.Equal("ResourceVersionTooLarge", (string?)reply.Json["details"]!["causes"]![0]!["reason"]);
        Assert.Equal(1, (int)reply.Json["details"]!["retryAfterSeconds"]!);
    }

    [Fact]
    public async Task List_NoVersion_Is400()
    {
        await using ApiBench api = await ApiBench.StartAsync();

        Assert.Equal(400, (await api.GetAsync($"{ApiBench.RulesPath}?resourceVersion=latest")).Code);
    }

    private static string Content(ApiReply list) =>
        string.Join(" ", list.Json["items"]!.AsArray().Select(static i => $"{(string?)i!["metadata"]!["name"]}={(string?)i["spec"]!["host"]}"));
}
