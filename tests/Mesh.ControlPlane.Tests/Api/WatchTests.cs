using System.Text.Json.Nodes;
using Xunit;
using static Mesh.ControlPlane.Tests.Api.ApiBench;

namespace Mesh.ControlPlane.Tests.Api;

public sealed class WatchTests
{
    [Fact]
    public async Task Watch_NothingHappens_HeadersComeAtOnce_AndTheTimeEndsItCleanly()
    {
        await using ApiBench api = await StartAsync();
        using WatchReader watch = await api.WatchAsync("&timeoutSeconds=5");
        api.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.True(await watch.EndsAsync());
    }

    [Fact]
    public async Task Watch_FromAListVersion_SeesOnlyWhatComesAfter()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        ApiReply list = await api.GetAsync(RulesPath);
        using WatchReader watch = await api.WatchAsync($"&resourceVersion={list.Version}");
        ApiReply changed = await api.MergeAsync("a", """{"spec":{"host":"b"}}""");
        (string type, JsonNode seen) = await watch.NextAsync();
        Assert.Equal(("MODIFIED", changed.Version), (type, (string?)seen["metadata"]!["resourceVersion"]));
        await api.SendAsync(HttpMethod.Delete, RulesPath + "/a");
        (type, seen) = await watch.NextAsync();
        Assert.Equal("DELETED", type);
        Assert.True(long.Parse((string)seen["metadata"]!["resourceVersion"]!, null) > long.Parse(changed.Version, null));
    }

    [Fact]
    public async Task Watch_Selector_TurnsChangesIntoAddedAndDeletedWithTheOldContent()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        using WatchReader watch = await api.WatchAsync($"&labelSelector=x%3Dy&resourceVersion={(await api.GetAsync(RulesPath)).Version}");
        await api.MergeAsync("a", """{"metadata":{"labels":{"x":"y"}}}""");
        Assert.Equal("ADDED", (await watch.NextAsync()).Type);
        ApiReply left = await api.MergeAsync("a", """{"metadata":{"labels":null}}""");
        (string type, JsonNode seen) = await watch.NextAsync();
        Assert.Equal("DELETED", type);
        Assert.Equal("y", (string?)seen["metadata"]!["labels"]!["x"]);
        Assert.Equal(left.Version, (string?)seen["metadata"]!["resourceVersion"]);
    }

    [Fact]
    public async Task Watch_TooOld_IsAnErrorEventWith410()
    {
        await using ApiBench api = await StartAsync();
        for (int i = 0; i < 4100; i++)
        {
            Assert.True(i == 0 ? (await api.CreateAsync(Rule("a"))).Code == 201 : SetStatus(api, i));
        }

        using WatchReader watch = await api.WatchAsync("&resourceVersion=1");
        (string type, JsonNode status) = await watch.NextAsync();
        Assert.Equal(("ERROR", 410, "Expired"), (type, (int)status["code"]!, (string?)status["reason"]));
        Assert.True(await watch.EndsAsync());
    }

    [Fact]
    public async Task Watch_List_EndsTheInitialEventsWithABookmark()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        using WatchReader watch = await api.WatchAsync("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
        Assert.Equal("ADDED", (await watch.NextAsync()).Type);
        (string type, JsonNode bookmark) = await watch.NextAsync();
        Assert.Equal("BOOKMARK", type);
        Assert.Equal("true", (string?)bookmark["metadata"]!["annotations"]!["k8s.io/initial-events-end"]);
        ApiReply refused = await api.GetAsync(RulesPath + "?watch=true&sendInitialEvents=true");
        Assert.Equal(422, refused.Code);
    }

    [Fact]
    public async Task Watch_Table_HasColumnsInTheFirstEventOnly()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        using WatchReader watch = await api.WatchAsync("", TableAccept);
        (_, JsonNode first) = await watch.NextAsync();
        Assert.NotEmpty((JsonArray)first["columnDefinitions"]!);
        ApiReply changed = await api.MergeAsync("a", """{"spec":{"host":"b"}}""");
        (_, JsonNode second) = await watch.NextAsync();
        Assert.Empty((JsonArray)second["columnDefinitions"]!);
        Assert.Equal(changed.Version, (string?)second["rows"]![0]!["object"]!["metadata"]!["resourceVersion"]);
    }

    private static bool SetStatus(ApiBench api, int i)
    {
        Mesh.ControlPlane.Store.StoredRule rule = api.Store.Current.Rules.Values.Single();
        return api.Store.TrySetStatus(rule.Key, (string)rule.Object["metadata"]!["uid"]!, new JsonObject { ["observedGeneration"] = i });
    }
}
