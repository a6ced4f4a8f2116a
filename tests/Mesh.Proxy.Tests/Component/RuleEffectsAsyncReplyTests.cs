using System.Globalization;
using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>asyncReply of a ResiliencePolicy, from its text to the wire (adr/0051): who is told to come back, what is found then, and what bounds it.</summary>
public sealed class RuleEffectsAsyncReplyTests
{
    private const string Prefer = "Prefer: respond-async\r\n";
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    [EffectOf("ResiliencePolicy", "asyncReply.after")]
    public async Task SlowCall_IsAnswered202_AndItsAnswerIsFoundLater()
    {
        await using RuleScene scene = await StartAsync("{after: 3s}");
        MemoryConnection client = await scene.SendAsync("/report", headers: Prefer);
        MemoryConnection upstream = await AcceptAsync(scene);
        Assert.Equal(["respond-async"], UpstreamRequest.Values(await upstream.ReadHeadAsync(), "prefer"));
        scene.Time.Advance(2.9 * Second);
        Assert.Equal("", client.ReadAvailable());
        scene.Time.Advance(0.1 * Second);

        Answered accepted = await scene.ReadAsync(client);
        Assert.Equal((202, "3", "respond-async", "unknown"), (accepted.Status, accepted["retry-after"][0], accepted["preference-applied"][0], accepted["x-mesh-outcome"][0]));
        string location = Assert.Single(accepted["location"]);
        Assert.Matches("^/\\.mesh/async/[0-9a-f]{32}$", location);

        Answered early = await PollAsync(scene, location);
        Assert.Equal((202, location), (early.Status, Assert.Single(early["location"])));
        Assert.Empty(early["preference-applied"]);
        await upstream.SendAsync("HTTP/1.1 201 Created\r\nX-Kept: 1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nreport\r\n0\r\n\r\n");

        for (int i = 0; i < 2; i++)
        {
            Answered late = await PollAsync(scene, location);
            Assert.Equal((201, "report", "1", "6"), (late.Status, late.Body, Assert.Single(late["x-kept"]), Assert.Single(late["content-length"])));
            Assert.Empty(late["transfer-encoding"]);
        }

        Assert.Equal((1L, 2L, 1L, 0L), (Stats(scene).Accepted.Value, Stats(scene).Fetched.Value, Stats(scene).Kept.Value, Stats(scene).InTime.Value));
    }

    [Fact]
    public async Task SlowCall_WithABody_GoesOnWithoutItsCaller_AndIsLoggedWithItsOwnEnd()
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection client = await scene.SendAsync("/order", headers: Prefer + "Content-Length: 3\r\nX-Request-Id: id-7\r\n", method: "POST");
        await client.SendAsync("abc");
        MemoryConnection upstream = await AcceptAsync(scene);
        await upstream.ReadUntilAsync("abc");
        scene.Time.Advance(2 * Second);
        string location = (await scene.ReadAsync(client))["location"][0];
        client.Reset();
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "done"));

        Assert.Equal((200, "done"), ((await PollAsync(scene, location)) is var late ? (late.Status, late.Body) : default));
        Assert.Equal((202, "id-7", "async_reply_pending"), await NextAsync(scene));
        Assert.Equal((200, "id-7", "via_upstream"), await NextAsync(scene));
        Assert.Equal((200, "async_reply"), ((await NextAsync(scene)) is var poll ? (poll.Code, poll.Details) : default));
    }

    [Fact]
    public async Task CallInTime_IsAnsweredAsEver_OnceLogged()
    {
        await using RuleScene scene = await StartAsync("{}", answers: true);
        MemoryConnection client = scene.Connect();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync($"GET /a/../b HTTP/1.1\r\nHost: a.test\r\n{Prefer}\r\n");
            Answered answered = await scene.ReadAsync(client, i);

            Assert.Equal((200, "GET /b HTTP/1.1"), (answered.Status, answered.Sent.Line));
            Assert.StartsWith("10.0.0.", answered.Body, StringComparison.Ordinal);
            Assert.Empty(answered["preference-applied"]);
            Assert.Equal((Assert.Single(answered.Sent["x-request-id"]), 200), ((await scene.Sink.NextAsync()) is var record ? (record.RequestId, record.Code) : default));
        }

        Assert.Equal((2L, 0L, 0), (Stats(scene).InTime.Value, Stats(scene).Accepted.Value, scene.Sink.Waiting));
        Assert.Equal(2, scene.Stats.Outbound.RqTotal.Value);
    }

    [Theory]
    [InlineData("", "a.test")]
    [InlineData("Prefer: return=minimal, respond-asynchronously\r\n", "a.test")]
    [InlineData(Prefer, "b.test")]
    [InlineData(Prefer + "Connection: upgrade\r\nUpgrade: websocket\r\n", "a.test")]
    [InlineData(Prefer + "Expect: 100-continue\r\nContent-Length: 3\r\n", "a.test")]
    public async Task CallThatDoesNotAsk_OrCannotBeLate_Waits(string headers, string host)
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection client = await scene.SendAsync(host: host, headers: headers);
        MemoryConnection upstream = await AcceptAsync(scene);
        await upstream.ReadHeadAsync();
        scene.Time.Advance(60 * Second);
        Assert.Equal("", client.ReadAvailable());

        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));
        Assert.Equal(200, (await scene.ReadAsync(client)).Status);
    }

    [Theory]
    [InlineData("Prefer: wait=1, respond-async\r\n", 1)]
    [InlineData("Prefer: wait=\"1\"\r\nprefer: Respond-Async;x\r\n", 1)]
    [InlineData("Prefer: respond-async, wait=100\r\n", 2)]
    [InlineData("Prefer: respond-async, wait=soon\r\n", 2)]
    public async Task Caller_ThatWouldWaitLess_IsToldSooner(string prefer, int seconds)
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection client = await scene.SendAsync(headers: prefer);
        MemoryConnection upstream = await AcceptAsync(scene);
        scene.Time.Advance((seconds - 0.1) * Second);
        Assert.Equal("", client.ReadAvailable());
        scene.Time.Advance(0.1 * Second);

        Assert.Equal(202, (await scene.ReadAsync(client)).Status);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "asyncReply.keepFor")]
    public async Task Answer_IsKeptAsLongAsTheRuleSays_FromItsEndOn()
    {
        await using RuleScene scene = await StartAsync("{keepFor: 5m}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        scene.Time.Advance(TimeSpan.FromMinutes(4.5));
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));
        scene.Time.Advance(TimeSpan.FromMinutes(4.9));
        Assert.Equal(200, (await PollAsync(scene, location)).Status);
        scene.Time.Advance(TimeSpan.FromMinutes(0.1));

        Answered gone = await PollAsync(scene, location);
        Assert.Equal(404, gone.Status);
        Assert.Contains("asyncReply.keepFor", gone.Body, StringComparison.Ordinal);
        Assert.Equal((0L, 0, 0L), (Stats(scene).Kept.Value, scene.Clusters.AsyncReplies.Count, scene.Clusters.AsyncReplies.Bytes));
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "asyncReply.maxKept")]
    public async Task CallBeyondWhatIsKept_WaitsAsEver()
    {
        await using RuleScene scene = await StartAsync("{maxKept: 1}");
        (_, MemoryConnection first) = await AcceptedAsync(scene);
        MemoryConnection client = await scene.SendAsync(headers: Prefer);
        MemoryConnection second = await AcceptAsync(scene);
        scene.Time.Advance(10 * Second);
        Assert.Equal("", client.ReadAvailable());
        await second.SendAsync(AnsweringUpstreams.Text(200, "waited"));

        Assert.Equal("waited", (await scene.ReadAsync(client)).Body);
        Assert.Equal((1L, 1L, 1L), (Stats(scene).Full.Value, Stats(scene).Accepted.Value, Stats(scene).InTime.Value));
        await first.SendAsync(AnsweringUpstreams.Text(200, "x"));
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "asyncReply.maxBytes")]
    [InlineData("Content-Length: 1025\r\n\r\n", 1025)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n401\r\n", 1025)]
    [InlineData("\r\n", 1025)]
    public async Task AnswerThatIsTooLong_IsGivenUp_AndItsPlaceSaysSo(string fields, int bytes)
    {
        await using RuleScene scene = await StartAsync("{maxBytes: 1Ki}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        await upstream.SendAsync("HTTP/1.1 200 OK\r\n" + fields + new string('x', bytes));

        Answered lost = await PollAsync(scene, location);
        Assert.Equal((502, 1L), (lost.Status, Stats(scene).Lost.Value));
        Assert.Contains("asyncReply.maxBytes of default/rp#spec.asyncReply, 1024 bytes", lost.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RequestThatIsTooLong_IsServedAsEver()
    {
        await using RuleScene scene = await StartAsync("{maxBytes: 1Ki}");
        MemoryConnection client = await scene.SendAsync(headers: Prefer + "Content-Length: 1025\r\n", method: "POST");
        MemoryConnection upstream = await AcceptAsync(scene); // at once: its body is not waited for
        await client.SendAsync(new string('x', 1025));
        scene.Time.Advance(10 * Second);

        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));
        Assert.Equal(200, (await scene.ReadAsync(client)).Status);
    }

    [Fact]
    public async Task AnswerThatBreaksOff_IsNotTakenForTheWhole()
    {
        await using RuleScene scene = await StartAsync("{}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        upstream.Reset();

        Assert.Equal((503, 1L), ((await PollAsync(scene, location)).Status, Stats(scene).Lost.Value));
    }

    [Fact]
    public async Task Caller_ThatLeavesBeforeItIsTold_TakesTheCallWithIt()
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection client = await scene.SendAsync(headers: Prefer);
        MemoryConnection upstream = await AcceptAsync(scene);
        client.Reset();

        Assert.True(upstream.IsAborted);
        Assert.Equal((0, "downstream_remote_disconnect"), ((await scene.Sink.NextAsync()) is var record ? (record.Code, record.Details) : default));
        Assert.Equal((0, 0), (scene.Sink.Waiting, scene.Clusters.AsyncReplies.Count));
    }

    [Fact]
    public async Task RequestThatBreaksOff_OrStandsStill_ReachesNobody()
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection gone = await scene.SendAsync(headers: Prefer + "Content-Length: 3\r\n", method: "POST");
        await gone.SendAsync("a");
        gone.Reset();
        Assert.Equal((0, "downstream_remote_disconnect"), ((await scene.Sink.NextAsync()) is var record ? (record.Code, record.Details) : default));

        MemoryConnection still = await scene.SendAsync(headers: Prefer + "Content-Length: 3\r\n", method: "POST");
        scene.Time.Advance(ConnectionLimits.Default.StreamIdle);
        Assert.Equal(408, (await scene.ReadAsync(still)).Status);
        Assert.Empty(scene.Upstreams.Dials);
    }

    [Fact]
    public async Task Id_OfAnotherHost_OrOfNobody_IsUnknown_AndTheDestinationIsNotAsked()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Policy("{}"), RuleTexts.Resilience("host: b.test\nasyncReply: {}", "b"));
        scene.Upstreams.IsManual = true;
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));

        Assert.Equal(404, (await PollAsync(scene, location, "b.test")).Status);
        Assert.Equal(404, (await PollAsync(scene, "/.mesh/async/" + new string('0', 32))).Status);
        Assert.Equal(404, (await PollAsync(scene, "/.mesh/async/")).Status);
        Answered wrong = await scene.CallAsync(location, method: "DELETE");
        Assert.Equal((405, "GET, HEAD"), (wrong.Status, Assert.Single(wrong["allow"])));
        Assert.Equal(200, (await PollAsync(scene, location, "A.test")).Status);
    }

    [Fact]
    public async Task PathOfAHostWithoutTheRule_IsItsOwn()
    {
        await using RuleScene scene = await StartAsync("{}", answers: true);

        Assert.Equal("GET /.mesh/async/1 HTTP/1.1", (await scene.CallAsync("/.mesh/async/1", "b.test")).Sent.Line);
    }

    [Fact]
    public async Task EventStream_TellsWhenTheAnswerIsThere()
    {
        await using RuleScene scene = await StartAsync("{}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        MemoryConnection waiting = await scene.SendAsync(location, headers: "Accept: text/event-stream\r\n");
        Assert.Contains("content-type: text/event-stream\r\n", await waiting.ReadHeadAsync(), StringComparison.Ordinal);
        scene.Time.Advance(15 * Second);
        Assert.Equal(":\n\n", await waiting.ReadAsync(3));
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));

        string told = string.Create(CultureInfo.InvariantCulture, $"event: done\ndata: {{\"status\":200,\"location\":\"{location}\"}}\n\n");
        Assert.Equal(told, await waiting.ReadToEndAsync());
        MemoryConnection late = await scene.SendAsync(location, headers: "Accept: text/event-stream\r\n");
        Assert.EndsWith("\r\n\r\n" + told, await late.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Drain_EndsTheStreams_AndWaitsForTheCalls()
    {
        await using RuleScene scene = await StartAsync("{}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        MemoryConnection waiting = await scene.SendAsync(location, headers: "Accept: text/event-stream\r\n");
        await waiting.ReadHeadAsync();
        scene.Drain();
        Assert.Equal(":\n\n", await waiting.ReadToEndAsync());
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "kept"));

        Assert.Equal("kept", (await PollAsync(scene, location)).Body);
    }

    [Fact]
    public async Task Rule_ThatIsGone_LeavesWhatWasPromised()
    {
        await using RuleScene scene = await StartAsync("{}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        await scene.ApplyAsync(RuleTexts.Services);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "kept"));

        Assert.Equal("kept", (await PollAsync(scene, location)).Body);
    }

    private static Task<RuleScene> StartAsync(string reply, bool answers = false)
    {
        NoSynchronizationContext.Use(); // of the test itself: an async method would give it back
        return CreateAsync();

        async Task<RuleScene> CreateAsync()
        {
            RuleScene scene = await RuleScene.StartAsync(Policy(reply));
            scene.Upstreams.IsManual = !answers;
            return scene;
        }
    }

    private static string Policy(string reply) => RuleTexts.Resilience($"host: a.test\nasyncReply: {reply}");

    private static AsyncReplyStats Stats(RuleScene scene) => scene.Cluster().Stats.AsyncReply!;

    private static async Task<MemoryConnection> AcceptAsync(RuleScene scene) => (await scene.Upstreams.AcceptAsync()).Connection;

    /// <summary>A call whose caller has been told to come back.</summary>
    private static async Task<(string Location, MemoryConnection Upstream)> AcceptedAsync(RuleScene scene)
    {
        MemoryConnection client = await scene.SendAsync(headers: Prefer);
        MemoryConnection upstream = await AcceptAsync(scene);
        await upstream.ReadHeadAsync();
        scene.Time.Advance(2 * Second);
        return (Assert.Single((await scene.ReadAsync(client))["location"]), upstream);
    }

    private static Task<Answered> PollAsync(RuleScene scene, string location, string host = "a.test") => scene.CallAsync(location, host);

    private static async Task<(int Code, string? Id, string? Details)> NextAsync(RuleScene scene)
    {
        Finished record = await scene.Sink.NextAsync();
        return (record.Code, record.RequestId, record.Details);
    }
}
