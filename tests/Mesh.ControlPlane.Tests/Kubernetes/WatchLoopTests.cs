using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class WatchLoopTests
{
    private const string List = "GET /apis/networking.istio.io/v1/destinationrules?limit=500";
    private const string Watch = "GET /apis/networking.istio.io/v1/destinationrules?watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=";

    [Fact]
    public async Task Run_Changes_AreFollowed()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        Assert.Equal("a=one b=two", bench.Content);
        Assert.True(bench.Loop.FirstList.IsCompletedSuccessfully);

        bench.Put("c", "three");
        bench.Put("a", "four");
        bench.Delete("b");
        await WatchBench.HoldsAsync(() => bench.Content == "a=four c=three", "the three changes are here");

        Assert.Equal(["c:->three", "a:one>four", "b:two>-"], bench.Changes[2..]);
        Assert.Equal(1, bench.Loop.Lists);
        Assert.Null(bench.Loop.Trouble);
    }

    [Fact]
    public async Task Run_ManyObjects_AreListedByPages()
    {
        await using WatchBench bench = await WatchBench.CreateAsync();
        for (int i = 0; i < 1201; i++)
        {
            bench.Put($"r{i}", "h");
        }

        bench.Run();
        await bench.IsWatchingAsync();

        Assert.Equal(1201, bench.Changes.Count);
        Assert.Equal(3, bench.Server.Count("limit=500"));
    }

    [Fact]
    public async Task Run_ContinueTokenTooOld_ListsInOnePiece()
    {
        await using WatchBench bench = await WatchBench.CreateAsync();
        for (int i = 0; i < 501; i++)
        {
            bench.Put($"r{i}", "h");
        }

        bench.Server.Fail("&continue=", 410, times: 1);
        bench.Run();
        await bench.IsWatchingAsync();

        Assert.Equal(501, bench.Changes.Count);
        Assert.Equal((2, 1), (bench.Server.Count("limit=500"), bench.Server.Requests.Count(r => r == List.Replace("?limit=500", "", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Run_EndOfTheStream_GoesOnFromTheLastVersion()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Put("c", "three");
        await WatchBench.HoldsAsync(() => bench.Content.Contains("three", StringComparison.Ordinal), "the change is here");
        bench.Server.Objects.EndWatches(isCut: false);
        bench.Put("d", "while-away");
        bench.Delete("a");

        await bench.StepUntilAsync(() => bench.Content == "b=two c=three d=while-away", "what happened meanwhile is here");

        Assert.Equal(1, bench.Loop.Lists);
        Assert.Equal([Watch + "102", Watch + "103"], bench.Server.Requests.Where(static r => r.Contains("watch=true", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Run_StreamCut_GoesOnFromTheBookmark()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Server.Objects.Put("", "others", "{metadata: {name: x}}"); // moves the one counter
        bench.Server.Objects.Bookmark(WatchBench.Plural);
        bench.Put("c", "three");
        await WatchBench.HoldsAsync(() => bench.Content.Contains("three", StringComparison.Ordinal), "bookmark and change are here");
        bench.Server.Objects.Put("", "others", "{metadata: {name: y}}");
        bench.Server.Objects.Bookmark(WatchBench.Plural);
        bench.Server.Objects.EndWatches(isCut: true);

        await bench.StepUntilAsync(() => bench.Loop.Watches == 2, "the watch is open again");

        Assert.Equal(1, bench.Loop.Lists);
        Assert.Contains(bench.Server.Requests[^1], (string[])[Watch + "105", Watch + "104"]); // cut before or behind the last bookmark
        Assert.Empty(bench.Logs.Warnings);
    }

    [Fact]
    public async Task Run_VersionTooOld_ListsAnewAndFindsWhatIsGone()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Server.Objects.EndWatches(isCut: false);
        bench.Delete("a");
        bench.Put("b", "changed");
        bench.Server.Objects.Compact();

        await bench.StepUntilAsync(() => bench.Content == "b=changed", "the list's difference is here");

        Assert.Equal(2, bench.Loop.Lists);
        Assert.Equal(["a:one>-", "b:two>changed"], bench.Changes[2..].Order());
    }

    [Theory]
    [InlineData(410)]
    [InlineData(500)]
    public async Task Run_ErrorInTheStream_ListsAnew(int code)
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Server.Objects.Send(WatchBench.Plural, "ERROR", ApiDouble.Status(code, "", "storage feature is disabled"));

        await bench.StepUntilAsync(() => bench.Loop.Watches == 2, "the watch is open again");

        Assert.Equal(2, bench.Loop.Lists);
    }

    [Fact]
    public async Task Run_WatchAnswers410_ListsAnew()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Server.Fail("watch=true", 410, times: 1);
        bench.Server.Objects.EndWatches(isCut: false);

        await bench.StepUntilAsync(() => bench.Loop.Watches == 2, "the watch is open again");

        Assert.Equal(2, bench.Loop.Lists);
    }

    [Fact]
    public async Task Run_ResourceMissing_IsSaidOnceAndFoundLater()
    {
        await using WatchBench bench = await WatchBench.CreateAsync("none");
        bench.Run();
        await WatchBench.HoldsAsync(() => bench.Loop.Trouble is not null, "the first look");
        Assert.False(bench.Loop.FirstList.IsCompleted);
        await bench.StepUntilAsync(() => bench.Loop.FirstList.IsCompleted, "nothing there is an answer, too, the second time");
        await bench.StepUntilAsync(() => bench.Server.Count("GET /apis/networking.istio.io") >= 4, "it asked several times");
        bench.Server.Objects.Serve(WatchBench.Group, WatchBench.Plural, "v1");
        bench.Put("a", "one");

        await bench.StepUntilAsync(() => bench.Content == "a=one", "the rule is here without a restart");
        await bench.StepUntilAsync(() => bench.Loop.Trouble is null, "the trouble is over");

        string warning = Assert.Single(bench.Logs.Warnings);
        Assert.Contains("does not serve destinationrules.networking.istio.io", warning, StringComparison.Ordinal);
        Assert.Contains(bench.Logs.Entries, static e => e.Text == "destinationrules.networking.istio.io can be followed again");
    }

    [Fact]
    public async Task Run_ServerStillStarting_ItsMissingResourceIsNoAnswer()
    {
        await using WatchBench bench = await WatchBench.CreateAsync("none");
        bench.Server.Fail("GET /readyz", 500);
        bench.Run();
        await bench.StepUntilAsync(() => bench.Server.Count("GET /readyz") >= 4, "it asked several times");
        Assert.False(bench.Loop.FirstList.IsCompleted);
        bench.Server.Objects.Serve(WatchBench.Group, WatchBench.Plural, "v1");
        bench.Put("a", "one");

        await bench.StepUntilAsync(() => bench.Loop.FirstList.IsCompleted, "the first list is here");

        Assert.Equal("a=one", bench.Content);
    }

    [Fact]
    public async Task Run_DefinitionAppliedAfterUs_IsListedBeforeTheDoorOpens()
    {
        await using WatchBench bench = await WatchBench.CreateAsync("none");
        bench.Run();
        await WatchBench.HoldsAsync(() => bench.Server.Count("GET /readyz") == 1, "the first look is over");
        bench.Server.Objects.Serve(WatchBench.Group, WatchBench.Plural, "v1");
        bench.Put("a", "one");

        TimeSpan after = await bench.StepUntilAsync(() => bench.Loop.FirstList.IsCompleted, "the first list is here");

        Assert.Equal("a=one", bench.Content);
        Assert.InRange(after, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Run_ListUnknownThoughDiscoveryKnowsIt_IsNoAnswer()
    {
        await using WatchBench bench = await WatchBench.CreateAsync();
        bench.Put("a", "one");
        bench.Server.Fail(List, 404, times: 3);
        bench.Run();
        await bench.StepUntilAsync(() => bench.Server.Count(List) == 3, "it asked several times");
        Assert.False(bench.Loop.FirstList.IsCompleted);

        await bench.StepUntilAsync(() => bench.Loop.FirstList.IsCompleted, "the first list is here");

        Assert.Equal("a=one", bench.Content);
    }

    [Fact]
    public async Task Run_ResourceTakenAway_IsBelievedAtTheSecondLook()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Server.Objects.Withdraw(WatchBench.Group, WatchBench.Plural);

        await bench.StepUntilAsync(() => bench.Server.Count("GET /apis/networking.istio.io") >= 3, "it asked what is served");
        string atFirst = bench.Content;
        await bench.StepUntilAsync(() => bench.Content.Length == 0, "the rules are gone");

        Assert.Equal("a=one b=two", atFirst);
    }

    [Fact]
    public async Task Run_NoRight_IsSaidOnceAndTriedSlowly()
    {
        await using WatchBench bench = await WatchBench.CreateAsync();
        bench.Put("a", "one");
        bench.Server.Fail(List, 403);
        bench.Run();
        await WatchBench.HoldsAsync(() => bench.Loop.Trouble is not null, "it is refused");
        Assert.False(bench.Loop.FirstList.IsCompleted);

        TimeSpan pause = await bench.StepUntilAsync(() => bench.Server.Count(List) >= 3, "it asked twice more");
        bench.Server.Mend();
        await bench.StepUntilAsync(() => bench.Loop.Trouble is null, "the trouble is over");

        Assert.True(pause >= WatchLoop.SlowRetry, $"two pauses took {pause}");
        Assert.Equal("a=one", bench.Content);
        Assert.Single(bench.Logs.Warnings);
    }

    [Fact]
    public async Task Run_RightLostLater_KeepsWhatItHas()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Server.Fail("destinationrules?", 403);
        bench.Server.Objects.EndWatches(isCut: false);

        await bench.StepUntilAsync(() => bench.Loop.Trouble is not null, "it is refused");
        Assert.Equal("a=one b=two", bench.Content);
        bench.Delete("a");
        bench.Server.Mend();

        await bench.StepUntilAsync(() => bench.Content == "b=two", "the rest is here");
    }

    [Fact]
    public async Task Run_ServerInTrouble_WaitsLongerEachTimeAndAsLongAsAsked()
    {
        await using WatchBench bench = await WatchBench.CreateAsync();
        bench.Server.Fail(List, 429, times: 1, retryAfter: 20);
        bench.Server.Fail(List, 503, times: 3);
        bench.Run();

        await WatchBench.HoldsAsync(() => bench.Server.Count(List) == 1, "the first list");
        TimeSpan asked = await bench.StepUntilAsync(() => bench.Server.Count(List) == 2, "the second list");
        TimeSpan third = await bench.StepUntilAsync(() => bench.Server.Count(List) == 3, "the third list");
        TimeSpan fourth = await bench.StepUntilAsync(() => bench.Server.Count(List) == 4, "the fourth list");

        Assert.True(asked >= TimeSpan.FromSeconds(20), $"asked to wait 20 s, waited {asked}");
        Assert.True(third >= TimeSpan.FromSeconds(1), $"waited {third}");
        Assert.True(fourth >= TimeSpan.FromSeconds(2), $"waited {fourth}");
    }

    [Fact]
    public async Task Run_WatchesThatEndAtOnce_AreNotAHotLoop()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        long begin = bench.Time.GetTimestamp();

        for (int i = 2; i <= 6; i++)
        {
            bench.Server.Objects.EndWatches(isCut: false);
            await bench.StepUntilAsync(() => bench.Loop.Watches == i && bench.Server.Objects.Watches(WatchBench.Plural) == 1, $"watch {i}");
        }

        // Half of 1, 2, 4, 8 and 16 s: the script draws no jitter.
        Assert.True(bench.Time.GetElapsedTime(begin) >= TimeSpan.FromSeconds(15.5), $"five watches in {bench.Time.GetElapsedTime(begin)}");
    }

    [Fact]
    public async Task Run_SilentWatch_IsGivenUp()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();

        bench.Time.Advance(TimeSpan.FromSeconds(331)); // the server should have ended it after 300 s
        await bench.StepUntilAsync(() => bench.Loop.Watches == 2, "another watch is open");

        Assert.Equal(1, bench.Loop.Lists);
    }

    [Fact]
    public async Task Run_SlowList_IsNotReadyBefore()
    {
        await using WatchBench bench = await WatchBench.CreateAsync();
        bench.Put("a", "one");
        TaskCompletionSource gate = bench.Server.HoldLists();
        bench.Run();
        await WatchBench.HoldsAsync(() => bench.Server.Count(List) == 1, "the list is asked for");
        Assert.False(bench.Loop.FirstList.IsCompleted);

        gate.SetResult();
        await bench.Loop.FirstList.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal("a=one", bench.Content);
    }

    [Fact]
    public async Task Run_OnlyAnotherVersionServed_IsTaken()
    {
        await using WatchBench bench = await WatchBench.CreateAsync("v2", "v1beta1");
        bench.Put("a", "one");

        bench.Run();
        await bench.IsWatchingAsync();

        Assert.Equal("a=one", bench.Content);
        Assert.Contains("GET /apis/networking.istio.io/v1beta1/destinationrules?limit=500", bench.Server.Requests);
    }

    [Fact]
    public async Task Run_UnknownEventType_IsNoObject()
    {
        await using WatchBench bench = await WatchBench.WatchingAsync();
        bench.Server.Objects.Send(WatchBench.Plural, "FUTURE", new JsonObject { ["metadata"] = new JsonObject { ["name"] = "x", ["resourceVersion"] = "500" } });
        bench.Put("c", "three");

        await WatchBench.HoldsAsync(() => bench.Content.Contains("three", StringComparison.Ordinal), "the change behind it is here");

        Assert.Equal("a=one b=two c=three", bench.Content);
    }
}
