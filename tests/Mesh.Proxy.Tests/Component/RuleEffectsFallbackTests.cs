using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Fallback, from its text to the wire: fixed answers, other hosts, and what they are for.</summary>
public sealed class RuleEffectsFallbackTests
{
    private const string Static = "host: b.test\nstatic: {body: sorry}\n";

    private static readonly string OneAMinute = RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 60s");

    private static readonly string Open = RuleTexts.Breaker("host: b.test\nstate: forcedOpen");

    [Fact]
    [EffectOf("Fallback", "host")]
    [EffectOf("Fallback", "static.body")]
    public async Task Static_AnswersInThePlaceOfTheRefusal_WhoseReasonStays()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Breaker("host: a.test\nstate: forcedOpen", "cb2"), RuleTexts.Fallback(Static));

        Answered answer = await scene.CallAsync(host: "b.test");

        Assert.Equal((200, "sorry"), (answer.Status, answer.Body));
        Assert.Equal(["static; reason=circuit_open"], answer["x-mesh-fallback"]);
        Assert.Equal(["circuit_open; rule=default/cb#spec.state; scope=sidecar"], answer["x-mesh-reason"]);
        Assert.Equal(["text/plain; charset=utf-8", "not-sent", "forced_open", "envoy", "Tue, 01 Jan 2030 00:00:00 GMT"], [.. answer["content-type"], .. answer["x-mesh-outcome"], .. answer["x-mesh-breaker"], .. answer["server"], .. answer["date"]]);
        Assert.Empty((string[])[.. answer["age"], .. answer["retry-after"], .. answer["x-envoy-overloaded"], .. answer["vary"]]);
        ClusterStats stats = scene.Cluster("b.test").Stats;
        Assert.Equal((1, 0, 1), (stats.Fallback!.Static.Value, stats.Fallback!.Missed.Value, stats.RqByCode[503])); // the cluster is charged with what it did
        Assert.Equal(503, (await scene.CallAsync(host: "a.test")).Status); // another service's callers get the refusal
    }

    [Fact]
    public async Task Static_InTheAccessLog_KeepsTheFlag_AndTellsTheKind()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Fallback(Static));

        await scene.CallAsync(host: "b.test");

        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.UO, "circuit_breaker_open{fallback_static}"), (record.Code, record.Flag, record.Details));
    }

    [Theory]
    [EffectOf("Fallback", "triggers")]
    [InlineData("", "open", 200)]
    [InlineData("", "overflow", 200)]
    [InlineData("", "timeout", 200)]
    [InlineData("", "no-healthy-upstream", 200)]
    [InlineData("", "connect-failure", 200)]
    [InlineData("", "reset", 502)]
    [InlineData("", "503", 503)]
    [InlineData("[reset]", "reset", 200)]
    [InlineData("[reset]", "open", 503)]
    [InlineData("[open]", "overflow", 503)]
    [InlineData("[overflow]", "timeout", 504)]
    [InlineData("[timeout]", "no-healthy-upstream", 503)]
    [InlineData("[no-healthy-upstream]", "connect-failure", 503)]
    [InlineData("['503']", "503", 200)]
    [InlineData("['503']", "open", 503)]
    [InlineData("['502', '500']", "503", 503)]
    [InlineData("", "rate-limited", 429)] // who is told to slow down must be told so, unless a rule says otherwise
    [InlineData("[overflow]", "rate-limited", 429)]
    [InlineData("['429']", "rate-limited", 429)] // a code is the upstream's own
    [InlineData("[rate-limited]", "rate-limited", 200)]
    [InlineData("[rate-limited]", "open", 503)]
    public async Task Triggers_SayWhatItAnswersFor(string triggers, string trouble, int status)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Fallback(Static + (triggers.Length > 0 ? $"triggers: {triggers}" : "")),
            RuleTexts.Virtual("hosts: [b.test]\nhttp: [{route: [{destination: {host: b.test}}], timeout: 2s, retries: {attempts: 0}}]"),
            trouble == "open" ? Open : trouble == "overflow" ? RuleTexts.Policy("connectionPool: {http: {http2MaxRequests: 1}}", "b.test")
            : trouble == "no-healthy-upstream" ? RuleTexts.Policy("outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}", "b.test")
            : trouble == "rate-limited" ? OneAMinute : "");
        await TroubleAsync(scene, trouble);

        Answered answer = await scene.SettleAsync(await scene.SendAsync(host: "b.test"));

        Assert.Equal((status, status == 200 ? "sorry" : answer.Body), (answer.Status, answer.Body));
    }

    [Theory]
    [EffectOf("Fallback", "methods")]
    [InlineData("", "GET", 200)]
    [InlineData("", "HEAD", 200)]
    [InlineData("", "OPTIONS", 200)]
    [InlineData("", "POST", 503)]
    [InlineData("methods: [POST]", "POST", 200)]
    [InlineData("methods: [POST]", "GET", 503)]
    public async Task Methods_AreAnswered(string methods, string method, int status)
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Fallback(Static + methods));
        MemoryConnection client = await scene.SendAsync(host: "b.test", method: method);

        string head = await client.ReadHeadAsync();

        Assert.StartsWith($"HTTP/1.1 {status} ", head, StringComparison.Ordinal);
        await client.ReadAsync(method == "HEAD" ? 0 : AnsweringUpstreams.LengthOf(head));
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 X", await client.ReadHeadAsync(), StringComparison.Ordinal); // the connection goes on behind it
    }

    [Fact]
    [EffectOf("Fallback", "mode")]
    public async Task ShadowMode_CountsAndChangesNothing()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Fallback(Static + "mode: shadow"));

        Answered answer = await scene.CallAsync(host: "b.test");

        Assert.Equal((503, "circuit breaker open"), (answer.Status, answer.Body));
        Assert.Empty(answer["x-mesh-fallback"]);
        Assert.Equal((1, 0), (scene.Cluster("b.test").Stats.Fallback!.Shadow.Value, scene.Cluster("b.test").Stats.Fallback!.Static.Value));
    }

    [Theory]
    [EffectOf("Fallback", "port")]
    [InlineData("port: 80", "/", 200)]
    [InlineData("port: 8080", "/", 503)]
    [EffectOf("Fallback", "subset")]
    [InlineData("subset: v1", "/v1", 200)]
    [InlineData("subset: v1", "/", 503)]
    public async Task Selection_IsThatOfEveryKindOfOurs(string selection, string path, int status)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}]"),
            RuleTexts.Breaker("host: a.test\nstate: forcedOpen"),
            RuleTexts.Fallback($"host: a.test\nstatic: {{}}\n{selection}"),
            RuleTexts.Routes("- match: [{uri: {prefix: /v1}}]\n  route: [{destination: {host: a.test, subset: v1}}]\n- route: [{destination: {host: a.test}}]"));

        Assert.Equal(status, (await scene.CallAsync(path)).Status);
    }

    [Fact]
    [EffectOf("Fallback", "static.status")]
    [EffectOf("Fallback", "static.contentType")]
    [EffectOf("Fallback", "static.headers")]
    public async Task Static_HasTheStatusAndFieldsOfTheRule()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Fallback("host: b.test\nstatic: {status: 503, contentType: application/json, headers: {X-From: mesh, server: none}, body: '[]'}"));

        Answered answer = await scene.CallAsync(host: "b.test");

        Assert.Equal((503, "[]"), (answer.Status, answer.Body));
        Assert.Equal(["application/json", "mesh", "none"], [.. answer["content-type"], .. answer["x-from"], .. answer["server"]]);
    }

    [Theory]
    [EffectOf("Fallback", "static.bodies")]
    [InlineData("", "sorry", null)]
    [InlineData("Accept-Language: fr\r\n", "sorry", null)]
    [InlineData("Accept-Language: ko-KR, en;q=0.5\r\n", "mian", "ko")]
    [InlineData("Accept-Language: fr\r\nAccept-Language: de\r\n", "leider", "de")]
    public async Task Bodies_AreChosenByLanguage(string headers, string body, string? language)
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Fallback("host: b.test\nstatic: {body: sorry, bodies: {ko: mian, de: leider}}"));

        Answered answer = await scene.CallAsync(host: "b.test", headers: headers);

        Assert.Equal((body, language), (answer.Body, answer["content-language"].SingleOrDefault()));
        Assert.Equal(["accept-language"], answer["vary"]);
    }

    [Fact]
    public async Task RouteHeaders_ChangeAFixedAnswerAsAnyOther()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Open, RuleTexts.Fallback("host: b.test\nstatic: {headers: {x-from: mesh}}"),
            RuleTexts.Virtual("hosts: [b.test]\nhttp: [{route: [{destination: {host: b.test}}], headers: {response: {add: {x-route: r}, remove: [x-from, server]}}}]"));

        Answered answer = await scene.CallAsync(host: "b.test");

        Assert.Equal(["r"], [.. answer["x-route"], .. answer["x-from"], .. answer["server"]]);
    }

    [Theory]
    [EffectOf("Fallback", "destination.host")]
    [EffectOf("Fallback", "destination.subset")]
    [EffectOf("Fallback", "destination.port.number")]
    [InlineData("host: a.test, subset: v2", "10.0.0.2:80")]
    [InlineData("host: a.test, subset: v1, port: {number: 8080}", "10.0.0.1:8080")]
    public async Task Destination_GetsTheRequest(string destination, string address)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Open, RuleTexts.Fallback($"host: b.test\ndestination: {{{destination}}}\nstatic: {{}}"),
            RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"));

        Answered answer = await scene.CallAsync("/x?y=1", "b.test");

        Assert.Equal((200, address), (answer.Status, answer.Body));
        Assert.Equal(["host; reason=circuit_open"], answer["x-mesh-fallback"]);
        Assert.Equal(["circuit_open; rule=default/cb#spec.state; scope=sidecar"], answer["x-mesh-reason"]);
        Assert.Equal(("GET /x?y=1 HTTP/1.1", "b.test"), (answer.Sent.Line, Assert.Single(answer.Sent["host"])));
        Assert.Equal(1, scene.Cluster("b.test").Stats.Fallback!.Host.Value);
        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.UO, "via_upstream{fallback_host}", address), (record.Code, record.Flag, record.Details, record.UpstreamHost));
    }

    [Theory]
    [InlineData("open")]
    [InlineData("overflow")]
    [InlineData("connect-failure")]
    [InlineData("reset")]
    [InlineData("503")]
    [InlineData("rate-limited")]
    public async Task Destination_IsAskedAfterAnyTroubleThatLeavesTime(string trouble)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}\ntriggers: [open, overflow, connect-failure, reset, rate-limited, '503']"),
            RuleTexts.Virtual("hosts: [b.test]\nhttp: [{route: [{destination: {host: b.test}}], retries: {attempts: 0}}]"),
            trouble == "open" ? Open : trouble == "overflow" ? RuleTexts.Policy("connectionPool: {http: {http2MaxRequests: 1}}", "b.test") : trouble == "rate-limited" ? OneAMinute : "");
        await TroubleAsync(scene, trouble);

        Answered answer = await scene.CallAsync(host: "b.test");

        Assert.Equal(200, answer.Status);
        Assert.StartsWith("10.0.0.", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Destination_IsAskedOnce_AndTheFixedAnswerIsLast()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Open, RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}\nstatic: {body: sorry}\ntriggers: [open, '500']"),
            RuleTexts.Fallback("host: a.test\nstatic: {body: of the other}\ntriggers: ['500']", "fb2"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "no");

        Answered answer = await scene.CallAsync(host: "b.test");

        Assert.Single(answer.Attempts);
        Assert.Equal((200, "sorry"), (answer.Status, answer.Body));
        Assert.Equal(["static; reason=upstream_500"], answer["x-mesh-fallback"]);
        ClusterStats stats = scene.Cluster("b.test").Stats;
        Assert.Equal((1, 1, 0), (stats.Fallback!.Host.Value, stats.Fallback!.Static.Value, scene.Cluster("a.test").Stats.Fallback!.Static.Value));
    }

    [Fact]
    public async Task Destination_HasItsOwnBreaker()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Open, RuleTexts.Breaker("host: a.test\nstate: forcedOpen", "cb2"), RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}"));

        Answered answer = await scene.CallAsync(host: "b.test");

        Assert.Equal((503, 0), (answer.Status, answer.Attempts.Length));
        Assert.Equal(["circuit_open; rule=default/cb2#spec.state; scope=sidecar"], answer["x-mesh-reason"]);
        Assert.Equal((1, 1), (scene.Cluster("b.test").Stats.Fallback!.Host.Value, scene.Cluster("b.test").Stats.Fallback!.Missed.Value));
    }

    [Fact]
    public async Task Destination_HasItsOwnRateLimit()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Open, RuleTexts.Limit("host: a.test\ntokens: 1\ninterval: 60s"), RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}\nstatic: {body: sorry}"));

        Answered first = await scene.CallAsync(host: "b.test");
        Answered second = await scene.CallAsync(host: "b.test");

        Assert.Equal((1, 0, "sorry"), (first.Attempts.Length, second.Attempts.Length, second.Body));
    }

    [Fact]
    public async Task Destination_ThatIsUnknown_LeavesTheFixedAnswer_ElseTheRefusal()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Fallback("host: b.test\ndestination: {host: nowhere.test}\nstatic: {body: sorry}"));
        Assert.Equal("sorry", (await scene.CallAsync(host: "b.test")).Body);

        await scene.ApplyAsync(RuleTexts.Services, Open, RuleTexts.Fallback("host: b.test\ndestination: {host: nowhere.test}"));

        Assert.Equal((503, 1), ((await scene.CallAsync(host: "b.test")).Status, scene.Cluster("b.test").Stats.Fallback!.Missed.Value));
    }

    [Fact]
    public async Task Destination_GetsABodyThatHasNotLeft_AndNoneThatIsGone()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Open, RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}\nmethods: [POST]\ntriggers: [open, '503']"));
        Answered whole = await scene.CallAsync(host: "b.test", method: "POST", headers: "Content-Length: 0\r\n");
        Assert.Equal(200, whole.Status);
        MemoryConnection client = scene.Connect();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 5\r\n\r\nhello");
        Assert.Contains("x-mesh-fallback: host", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(["5"], scene.Upstreams.Seen[^1]["content-length"]);

        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}\nmethods: [POST]\ntriggers: [open, '503']"));
        scene.Upstreams.Answer = static r => AnsweringUpstreams.Text(r.Address == "10.0.1.1:80" ? 503 : 200, "");
        MemoryConnection gone = scene.Connect();
        await gone.SendAsync("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 5\r\n\r\nhello");
        Assert.StartsWith("HTTP/1.1 503 ", await gone.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Destination_GetsABodyThatIsKeptForRetries()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}\nmethods: [POST]\ntriggers: [reset]"),
            RuleTexts.Virtual("hosts: [b.test]\nhttp: [{route: [{destination: {host: b.test}}], retries: {attempts: 1, retryOn: reset}}]"));
        await TroubleAsync(scene, "reset");
        MemoryConnection client = scene.Connect();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 5\r\n\r\nhello");

        Answered answer = await scene.SettleAsync(client);

        Assert.Equal((200, 3), (answer.Status, scene.Upstreams.Seen.Count)); // each of them had the whole body, or it would not have answered
        Assert.Equal(["host; reason=upstream_protocol_error"], answer["x-mesh-fallback"]);
        Assert.Equal(["3"], scene.Upstreams.Seen[^1]["x-envoy-attempt-count"]);
    }

    private static async Task TroubleAsync(RuleScene scene, string trouble)
    {
        switch (trouble)
        {
            case "overflow":
                scene.Upstreams.Answer = static r => r.Address == "10.0.1.1:80" ? null : AnsweringUpstreams.Text(200, r.Address);
                await scene.SendAsync(host: "b.test");
                await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 1, "one request is on its way");
                break;
            case "timeout":
                scene.Upstreams.Answer = static _ => null;
                break;
            case "no-healthy-upstream":
                scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
                await scene.CallAsync(host: "b.test");
                break;
            case "connect-failure":
                scene.Upstreams.Refuses = static a => a == "10.0.1.1:80";
                break;
            case "reset":
                scene.Upstreams.Answer = static r => r.Address == "10.0.1.1:80" ? "no http\r\n\r\n" : AnsweringUpstreams.Text(200, r.Address);
                break;
            case "rate-limited":
                await scene.CallAsync(host: "b.test"); // takes the token
                break;
            case "503":
                scene.Upstreams.Answer = static r => AnsweringUpstreams.Text(r.Address == "10.0.1.1:80" ? 503 : 200, r.Address);
                break;
            default:
                break;
        }
    }
}
