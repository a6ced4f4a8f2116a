using System.Globalization;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Fallback, from its text to the wire: the last good answer.</summary>
public sealed class RuleEffectsLastGoodTests
{
    private const string Host = "host: b.test\ntriggers: [connect-failure, '503']\n";
    private const string Gone = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n";

    [Fact]
    public async Task LastGood_IsGivenWithItsAge_AndTheLiveAnswerWhenThereIsOne()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(200, "first", "Content-Type: a/b\r\nETag: \"1\"\r\nDate: Mon, 31 Dec 2029 23:59:59 GMT\r\nx-envoy-upstream-service-time: 7\r\nConnection: x-hop\r\nx-hop: 1\r\n");
        Assert.Equal("first", (await scene.CallAsync("/x?y", "b.test")).Body);
        scene.Upstreams.Answer = static _ => Gone;
        scene.Time.Advance(TimeSpan.FromSeconds(12.9));

        Answered stale = await scene.CallAsync("/x?y", "b.test");

        Assert.Equal((200, "first", "HTTP/1.1 200 OK"), (stale.Status, stale.Body, stale.Head.Split("\r\n")[0]));
        Assert.Equal(["12", "stale; age=12; reason=upstream_503"], [.. stale["age"], .. stale["x-mesh-fallback"]]);
        Assert.Equal(["a/b", "\"1\"", "Mon, 31 Dec 2029 23:59:59 GMT", "answered", "5"], [.. stale["content-type"], .. stale["etag"], .. stale["date"], .. stale["x-mesh-outcome"], .. stale["content-length"]]);
        Assert.Empty((string[])[.. stale["x-envoy-upstream-service-time"], .. stale["x-hop"], .. stale["connection"], .. stale["x-mesh-reason"]]);
        Assert.Equal(503, (await scene.CallAsync("/x", "b.test")).Status); // another query is another answer
        Assert.Equal((1, 1), (scene.Cluster("b.test").Stats.Fallback!.Stale.Value, scene.Cluster("b.test").Stats.Fallback!.Missed.Value));

        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(200, "second");
        Answered live = await scene.CallAsync("/x?y", "b.test");
        Assert.Equal(("second", 0), (live.Body, live["x-mesh-fallback"].Length));
        scene.Upstreams.Answer = static _ => Gone;
        Assert.Equal("second", (await scene.CallAsync("/x?y", "b.test")).Body);
    }

    [Fact]
    public async Task LastGood_ComesBeforeAnotherHost_AndThatBeforeTheFixedAnswer()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}\ndestination: {host: a.test}\nstatic: {body: sorry}"));
        await scene.CallAsync("/kept", "b.test");
        scene.Upstreams.Answer = static r => r.Address == "10.0.1.1:80" || r["x-both"] is ["1"] ? Gone : AnsweringUpstreams.Text(200, "other");

        Assert.Equal("10.0.1.1:80", (await scene.CallAsync("/kept", "b.test")).Body);
        Assert.Equal("other", (await scene.CallAsync("/", "b.test")).Body);
        Assert.Equal("sorry", (await scene.CallAsync("/", "b.test", "x-both: 1\r\n")).Body);
    }

    [Fact]
    public async Task Head_GetsTheHeadOfTheAnswerToGet()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}"));
        await scene.CallAsync(host: "b.test");
        scene.Upstreams.Answer = static _ => Gone;

        MemoryConnection client = await scene.SendAsync(host: "b.test", method: "HEAD");

        Assert.Contains("content-length: 11\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await client.SendAsync("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 503", await client.ReadHeadAsync(), StringComparison.Ordinal); // no body stands between the two
    }

    [Theory]
    [InlineData("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n", "abcde")]
    [InlineData("HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n", "")]
    public async Task EveryFraming_IsKeptAsOneBody(string answer, string body)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}"));
        scene.Upstreams.Answer = _ => answer;
        MemoryConnection client = await scene.SendAsync(host: "b.test");
        await client.ReadHeadAsync();
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").FallbackEntries == 1, "the answer is kept");
        scene.Upstreams.Answer = static _ => Gone;

        Answered stale = await scene.CallAsync(host: "b.test");

        Assert.Equal((200, body), (stale.Status, stale.Body));
        Assert.Empty((string[])[.. stale["transfer-encoding"], .. stale["x-trailer"]]);
    }

    [Theory]
    [InlineData("", "", true)]
    [InlineData("", "cache-control: max-age=5\r\n", true)]
    [InlineData("", "cache-control: max-age=5, No-Store\r\n", false)]
    [InlineData("", "cache-control: private=\"a\"\r\n", false)]
    [InlineData("", "set-cookie: a=b\r\n", false)]
    [InlineData("", "x-mesh-fallback: static; reason=circuit_open\r\n", false)]
    [InlineData("", "vary: accept-encoding\r\n", true)]
    [InlineData("", "vary: accept-encoding, origin\r\n", false)]
    [InlineData("", "vary: *\r\n", false)]
    [InlineData("authorization: x\r\n", "", false)]
    [InlineData("cookie: a=b\r\n", "", false)]
    [InlineData("cache-control: no-store\r\n", "", false)]
    public async Task WhatIsNotForEverybody_IsNotKept(string request, string answer, bool isKept)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}"));
        scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(200, "ok", answer);

        await scene.CallAsync(host: "b.test", headers: request);

        Assert.Equal(isKept ? 1 : 0, scene.Cluster("b.test").FallbackEntries);
    }

    [Theory]
    [InlineData("POST", 200)]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 404)]
    public async Task OnlyGoodAnswersToGet_AreKept(string method, int status)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}"));
        scene.Upstreams.Answer = _ => $"HTTP/1.1 {status.ToString(CultureInfo.InvariantCulture)} X\r\nContent-Length: 0\r\n\r\n";

        await scene.CallAsync(host: "b.test", method: method);

        Assert.Equal(0, scene.Cluster("b.test").FallbackEntries);
    }

    [Theory]
    [EffectOf("Fallback", "lastGood.shared")]
    [InlineData("{}", "503 200")]
    [InlineData("{shared: true}", "200 200")]
    public async Task Shared_GivesKeptAnswersToThoseWithCredentialsToo(string lastGood, string statuses)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + $"lastGood: {lastGood}"));
        await scene.CallAsync(host: "b.test");
        scene.Upstreams.Answer = static _ => Gone;

        Answered with = await scene.CallAsync(host: "b.test", headers: "authorization: x\r\n");
        Answered without = await scene.CallAsync(host: "b.test");

        Assert.Equal(statuses, $"{with.Status} {without.Status}");
    }

    [Theory]
    [EffectOf("Fallback", "lastGood.maxAge")]
    [InlineData("{}", 300, 200)]
    [InlineData("{}", 301, 503)]
    [InlineData("{maxAge: 10s}", 10, 200)]
    [InlineData("{maxAge: 10s}", 11, 503)]
    public async Task MaxAge_IsTheOldestAnswerGiven(string lastGood, int seconds, int status)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + $"lastGood: {lastGood}"));
        await scene.CallAsync(host: "b.test");
        scene.Upstreams.Answer = static _ => Gone;
        scene.Time.Advance(TimeSpan.FromSeconds(seconds));

        Assert.Equal(status, (await scene.CallAsync(host: "b.test")).Status);
    }

    [Fact]
    public async Task Age_CountsWhatTheAnswerCameWith()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {maxAge: 60s}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(200, "", "Age: 50\r\n");
        await scene.CallAsync(host: "b.test");
        scene.Upstreams.Answer = static _ => Gone;
        scene.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(["60"], (await scene.CallAsync(host: "b.test"))["age"]);

        scene.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(503, (await scene.CallAsync(host: "b.test")).Status);
    }

    [Theory]
    [EffectOf("Fallback", "lastGood.maxEntries")]
    [InlineData("{maxEntries: 2}", "503 200 200")]
    [EffectOf("Fallback", "lastGood.maxBytes")]
    [InlineData("{maxBytes: 4Ki}", "200 200 200")]
    [InlineData("{maxBytes: 2100}", "503 200 200")]
    [InlineData("{maxBytes: 1Ki}", "503 503 503")]
    public async Task Bounds_KeepTheLatest(string lastGood, string statuses)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + $"lastGood: {lastGood}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(200, new string('x', 700));
        string[] paths = ["/1", "/2", "/3"];
        foreach (string path in paths)
        {
            Assert.Equal(700, (await scene.CallAsync(path, "b.test")).Body.Length); // whatever becomes of the copy
        }

        scene.Upstreams.Answer = static _ => Gone;
        List<int> got = [];
        foreach (string path in paths)
        {
            got.Add((await scene.CallAsync(path, "b.test")).Status);
        }

        Assert.Equal(statuses, string.Join(' ', got));
    }

    [Theory]
    [EffectOf("Fallback", "lastGood.vary")]
    [InlineData("{}", "503 503")] // the answer varies by what the rule does not name
    [InlineData("{vary: [Accept-Language]}", "200 503")]
    public async Task Vary_TellsAnswersApart(string lastGood, string statuses)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + $"lastGood: {lastGood}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(200, "", "Vary: Accept-Language\r\n");
        await scene.CallAsync(host: "b.test", headers: "accept-language: ko\r\n");
        scene.Upstreams.Answer = static _ => Gone;

        Answered same = await scene.CallAsync(host: "b.test", headers: "Accept-Language: ko\r\n");
        Answered other = await scene.CallAsync(host: "b.test", headers: "accept-language: en\r\n");

        Assert.Equal(statuses, $"{same.Status} {other.Status}");
    }

    [Fact]
    public async Task KeptAnswers_OutliveAPushThatDoesNotChangeTheirBounds()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}"));
        await scene.CallAsync(host: "b.test");

        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Fallback(Host + "lastGood: {}\nstatic: {body: sorry}"), RuleTexts.Policy("connectionPool: {http: {http2MaxRequests: 7}}", "b.test"));
        Assert.Equal(1, scene.Cluster("b.test").FallbackEntries);

        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Fallback(Host + "lastGood: {maxAge: 1m}"));
        Assert.Equal((0, 0L), (scene.Cluster("b.test").FallbackEntries, scene.Cluster("b.test").FallbackBytes));
    }

    [Fact]
    public async Task AnswerThatBreaksOff_IsNotKept()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Fallback(Host + "lastGood: {}"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = await scene.SendAsync(host: "b.test");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhalf");
        await client.ReadHeadAsync();
        upstream.Reset();

        await scene.Sink.NextAsync();

        Assert.Equal(0, scene.Cluster("b.test").FallbackEntries);
        Assert.Equal(0, scene.Cluster("b.test").Fallback!.CopyMemory!.Used);
    }

    [Fact]
    public async Task RewrittenRequests_AreToldApartByWhatTheUpstreamSees()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Fallback(Host + "lastGood: {}"),
            RuleTexts.Virtual("""
                hosts: [b.test]
                http:
                - match: [{headers: {x-new: {exact: "1"}}}]
                  rewrite: {uri: /v2}
                  route: [{destination: {host: b.test}}]
                - route: [{destination: {host: b.test}}]
                """));
        scene.Upstreams.Answer = static r => AnsweringUpstreams.Text(200, r.Line);
        await scene.CallAsync("/x", "b.test");
        scene.Upstreams.Answer = static _ => Gone;

        Assert.Equal(503, (await scene.SettleAsync(await scene.SendAsync("/x", "b.test", "x-new: 1\r\n"))).Status);
        Assert.Equal("GET /x HTTP/1.1", (await scene.SettleAsync(await scene.SendAsync("/x", "b.test"))).Body);
    }
}
