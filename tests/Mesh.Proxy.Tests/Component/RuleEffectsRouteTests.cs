using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What routes of a VirtualService do, from their text to the wire.</summary>
public sealed class RuleEffectsRouteTests
{
    private const string Subsets = "host: a.test\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]";

    [Theory]
    [EffectOf("VirtualService", "http.route.destination.host")]
    [InlineData("{host: b.test}", "a.test", "10.0.1.1:80")]
    [EffectOf("VirtualService", "http.route.destination.subset")]
    [InlineData("{host: a.test, subset: v1}", "a.test", "10.0.0.1:80")]
    [InlineData("{host: a.test, subset: v2}", "a.test", "10.0.0.2:80")]
    [EffectOf("VirtualService", "http.route.destination.port.number")]
    [InlineData("{host: a.test, subset: v1, port: {number: 8080}}", "a.test", "10.0.0.1:8080")]
    [InlineData("{host: a.test, subset: v1}", "a.test:8080", "10.0.0.1:8080")]
    [InlineData("{host: a.test, subset: v1, port: {number: 80}}", "a.test:8080", "10.0.0.1:80")]
    public async Task Destination_Leads(string destination, string host, string address)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Routes($"- route: [{{destination: {destination}}}]"), RuleTexts.Destination(Subsets));

        Assert.Equal(address, (await scene.CallAsync(host: host)).Body);
    }

    [Fact]
    [EffectOf("VirtualService", "http.route.weight")]
    public async Task Weight_IsTheShare()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, new Random(1), RuleTexts.Services, RuleTexts.Destination(Subsets),
            RuleTexts.Routes("- route: [{destination: {host: a.test, subset: v1}, weight: 80}, {destination: {host: a.test, subset: v2}, weight: 20}]"));

        int second = 0;
        for (int i = 0; i < 500; i++)
        {
            second += (await scene.CallAsync()).Body == "10.0.0.2:80" ? 1 : 0;
        }

        Assert.InRange(second, 70, 130);
    }

    [Fact]
    [EffectOf("VirtualService", "http.headers.request.set")]
    [EffectOf("VirtualService", "http.headers.request.add")]
    [EffectOf("VirtualService", "http.headers.request.remove")]
    [EffectOf("VirtualService", "http.headers.response.set")]
    [EffectOf("VirtualService", "http.headers.response.add")]
    [EffectOf("VirtualService", "http.headers.response.remove")]
    public async Task Headers_OfTheRoute_Change()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("headers: {request: {set: {x-set: new}, add: {x-add: more}, remove: [x-gone]}, response: {set: {y-set: new}, add: {y-add: more}, remove: [y-gone]}}"));

        AssertHeaders(await CallWithHeadersAsync(scene));
    }

    [Fact]
    [EffectOf("VirtualService", "http.route.headers.request.set")]
    [EffectOf("VirtualService", "http.route.headers.request.add")]
    [EffectOf("VirtualService", "http.route.headers.request.remove")]
    [EffectOf("VirtualService", "http.route.headers.response.set")]
    [EffectOf("VirtualService", "http.route.headers.response.add")]
    [EffectOf("VirtualService", "http.route.headers.response.remove")]
    public async Task Headers_OfTheDestination_Change()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Routes(
            "- route: [{destination: {host: a.test}, headers: {request: {set: {x-set: new}, add: {x-add: more}, remove: [x-gone]}, response: {set: {y-set: new}, add: {y-add: more}, remove: [y-gone]}}}]"));

        AssertHeaders(await CallWithHeadersAsync(scene));
    }

    [Theory]
    [EffectOf("VirtualService", "http.rewrite.uri")]
    [InlineData("rewrite: {uri: /new}\nmatch: [{uri: {prefix: /old}}]", "GET /new/x?q HTTP/1.1", "a.test")]
    [EffectOf("VirtualService", "http.rewrite.authority")]
    [InlineData("rewrite: {authority: other.test}", "GET /old/x?q HTTP/1.1", "other.test")]
    [EffectOf("VirtualService", "http.rewrite.uriRegexRewrite.match")]
    [EffectOf("VirtualService", "http.rewrite.uriRegexRewrite.rewrite")]
    [InlineData("rewrite: {uriRegexRewrite: {match: '/old/(.*)', rewrite: '/\\1/new'}}", "GET /x/new?q HTTP/1.1", "a.test")]
    public async Task Rewrite_ChangesTheRequest(string fields, string line, string host)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route(fields));

        UpstreamRequest sent = (await scene.CallAsync("/old/x?q")).Sent;

        Assert.Equal((line, host), (sent.Line, Assert.Single(sent["host"])));
    }

    [Theory]
    [EffectOf("VirtualService", "http.redirect.uri")]
    [InlineData("uri: /new", "a.test", 301, "http://a.test/new?q")]
    [EffectOf("VirtualService", "http.redirect.prefixRewrite")]
    [InlineData("prefixRewrite: /new", "a.test", 301, "http://a.test/new/x?q")]
    [EffectOf("VirtualService", "http.redirect.authority")]
    [InlineData("authority: c.test", "a.test", 301, "http://c.test/old/x?q")]
    [EffectOf("VirtualService", "http.redirect.port")]
    [InlineData("port: 8443", "a.test", 301, "http://a.test:8443/old/x?q")]
    [EffectOf("VirtualService", "http.redirect.scheme")]
    [InlineData("scheme: https", "a.test", 301, "https://a.test/old/x?q")]
    [EffectOf("VirtualService", "http.redirect.derivePort")]
    [InlineData("authority: c.test, derivePort: FROM_REQUEST_PORT", "a.test:8080", 301, "http://c.test:8080/old/x?q")]
    [InlineData("authority: c.test, derivePort: FROM_PROTOCOL_DEFAULT", "a.test:8080", 301, "http://c.test/old/x?q")]
    [EffectOf("VirtualService", "http.redirect.redirectCode")]
    [InlineData("uri: /new, redirectCode: 307", "a.test", 307, "http://a.test/new?q")]
    public async Task Redirect_SaysWhere(string redirect, string host, int status, string location)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Routes($"- match: [{{uri: {{prefix: /old}}}}]\n  redirect: {{{redirect}}}"));

        Answered answered = await scene.CallAsync("/old/x?q", host);

        Assert.Equal((status, location), (answered.Status, Assert.Single(answered["location"])));
        Assert.Empty(answered.Attempts);
    }

    [Theory]
    [EffectOf("VirtualService", "http.directResponse.status")]
    [InlineData("{status: 418}", 418, "")]
    [EffectOf("VirtualService", "http.directResponse.body.string")]
    [InlineData("{status: 200, body: {string: hello}}", 200, "hello")]
    [EffectOf("VirtualService", "http.directResponse.body.bytes")]
    [InlineData("{status: 200, body: {bytes: aGVsbG8=}}", 200, "hello")]
    public async Task DirectResponse_IsTheAnswer(string response, int status, string body)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Routes($"- directResponse: {response}"));

        Answered answered = await scene.CallAsync();

        Assert.Equal((status, body, 0), (answered.Status, answered.Body, answered.Attempts.Length));
    }

    [Theory]
    [EffectOf("VirtualService", "http.delegate.name")]
    [InlineData("name: inner", "10.0.1.1:80")]
    [EffectOf("VirtualService", "http.delegate.namespace")]
    [InlineData("name: inner, namespace: team", "10.0.0.2:80")]
    public async Task Delegate_Decides(string target, string address)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination(Subsets),
            RuleTexts.Routes($"- match: [{{uri: {{prefix: /in}}}}]\n  delegate: {{{target}}}"),
            RuleTexts.Virtual("http: [{route: [{destination: {host: b.test}}]}]", "inner"),
            RuleTexts.Virtual("http: [{route: [{destination: {host: a.test, subset: v2}}]}]", "inner", "team"));

        Assert.Equal(address, (await scene.CallAsync("/in")).Body);
        Assert.Equal(404, (await scene.CallAsync("/out")).Status);
    }

    [Fact]
    [EffectOf("VirtualService", "http.name")]
    public async Task Name_IsInTheRecord()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("name: checkout"));

        await scene.CallAsync();

        Assert.Equal("checkout", (await scene.Sink.NextAsync()).RouteName);
    }

    [Fact]
    [EffectOf("VirtualService", "http.timeout")]
    public async Task Timeout_EndsTheRequest()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("timeout: 3s"));
        scene.Upstreams.Answer = static _ => null;
        MemoryConnection client = await scene.SendAsync();

        scene.Time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal("", client.ReadAvailable());
        scene.Time.Advance(TimeSpan.FromSeconds(0.2));

        Assert.Equal(504, (await scene.ReadAsync(client)).Status);
    }

    [Theory]
    [EffectOf("VirtualService", "hosts")]
    [InlineData("hosts: [a.test]", true)]
    [InlineData("hosts: ['*.test']", true)]
    [InlineData("hosts: [b.test]", false)]
    [EffectOf("VirtualService", "gateways")]
    [InlineData("hosts: [a.test]\ngateways: [mesh, edge]", true)]
    [InlineData("hosts: [a.test]\ngateways: [edge]", false)]
    [EffectOf("VirtualService", "exportTo")]
    [InlineData("hosts: [a.test]\nexportTo: ['*']", true)]
    [InlineData("hosts: [a.test]\nexportTo: ['.']", false)]
    public async Task Rule_HoldsForThoseItNames(string head, bool isObeyed)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Virtual(head + "\nhttp: [{directResponse: {status: 418}}]", "vs", "elsewhere"));

        Assert.Equal(isObeyed ? 418 : 200, (await scene.CallAsync()).Status);
    }

    private static async Task<Answered> CallWithHeadersAsync(RuleScene scene)
    {
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(200, "ok", "Y-Set: old\r\nY-Add: first\r\nY-Gone: 1\r\n");
        return await scene.CallAsync(headers: "X-Set: old\r\nX-Add: first\r\nX-Gone: 1\r\n");
    }

    private static void AssertHeaders(Answered answered)
    {
        Assert.Equal(["new"], answered.Sent["x-set"]);
        Assert.Equal(["first", "more"], answered.Sent["x-add"]);
        Assert.Empty(answered.Sent["x-gone"]);
        Assert.Equal(["new"], answered["y-set"]);
        Assert.Equal(["first", "more"], answered["y-add"]);
        Assert.Empty(answered["y-gone"]);
    }
}
