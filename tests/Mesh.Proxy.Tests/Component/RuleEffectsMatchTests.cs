using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>match of a VirtualService from its text to the wire: who fits gets to b.test, who does not to a.test.</summary>
public sealed class RuleEffectsMatchTests
{
    [Theory]
    [EffectOf("VirtualService", "http.match.uri.exact")]
    [InlineData("uri: {exact: /x}", "/x?q", "/x/y")]
    [EffectOf("VirtualService", "http.match.uri.prefix")]
    [InlineData("uri: {prefix: /x}", "/xy", "/y")]
    [EffectOf("VirtualService", "http.match.uri.regex")]
    [InlineData("uri: {regex: '/[0-9]+'}", "/42", "/42/x")]
    [EffectOf("VirtualService", "http.match.ignoreUriCase")]
    [InlineData("uri: {prefix: /abc}\n    ignoreUriCase: true", "/AbC/d", "/ab")]
    [InlineData("uri: {prefix: /abc}\n    ignoreUriCase: false", "/abc", "/ABC")]
    [EffectOf("VirtualService", "http.match.queryParams.exact")]
    [InlineData("queryParams: {q: {exact: '1'}}", "/?q=1", "/?q=12")]
    [EffectOf("VirtualService", "http.match.queryParams.prefix")]
    [InlineData("queryParams: {q: {prefix: '1'}}", "/?q=12", "/?q=21")]
    [EffectOf("VirtualService", "http.match.queryParams.regex")]
    [InlineData("queryParams: {q: {regex: '[0-9]+'}}", "/?q=12", "/?q=1x")]
    [EffectOf("VirtualService", "http.match.queryParams")]
    [InlineData("queryParams: {q: {}}", "/?p&q", "/?p")]
    public Task Path_Decides(string match, string fits, string other) => AssertAsync(match, (fits, "a.test", "", "GET"), (other, "a.test", "", "GET"));

    [Theory]
    [EffectOf("VirtualService", "http.match.headers.exact")]
    [InlineData("headers: {X-A: {exact: yes1}}", "x-a: yes1\r\n", "x-a: yes12\r\n")]
    [EffectOf("VirtualService", "http.match.headers.prefix")]
    [InlineData("headers: {x-a: {prefix: yes1}}", "x-a: yes12\r\n", "x-a: no\r\n")]
    [EffectOf("VirtualService", "http.match.headers.regex")]
    [InlineData("headers: {x-a: {regex: '[0-9]+'}}", "x-a: 12\r\n", "x-a: 1x\r\n")]
    [EffectOf("VirtualService", "http.match.headers")]
    [InlineData("headers: {x-a: {}}", "x-a: any\r\n", "")]
    [EffectOf("VirtualService", "http.match.withoutHeaders.exact")]
    [InlineData("withoutHeaders: {x-a: {exact: yes1}}", "x-a: yes12\r\n", "x-a: yes1\r\n")]
    [EffectOf("VirtualService", "http.match.withoutHeaders.prefix")]
    [InlineData("withoutHeaders: {x-a: {prefix: yes1}}", "x-a: no\r\n", "x-a: yes12\r\n")]
    [EffectOf("VirtualService", "http.match.withoutHeaders.regex")]
    [InlineData("withoutHeaders: {x-a: {regex: '[0-9]+'}}", "x-a: 1x\r\n", "x-a: 12\r\n")]
    [EffectOf("VirtualService", "http.match.withoutHeaders")]
    [InlineData("withoutHeaders: {x-a: {}}", "", "x-a: any\r\n")]
    public Task Headers_Decide(string match, string fits, string other) => AssertAsync(match, ("/", "a.test", fits, "GET"), ("/", "a.test", other, "GET"));

    [Theory]
    [EffectOf("VirtualService", "http.match.method.exact")]
    [InlineData("method: {exact: PUT}", "PUT", "GET")]
    [EffectOf("VirtualService", "http.match.method.prefix")]
    [InlineData("method: {prefix: P}", "PATCH", "GET")]
    [EffectOf("VirtualService", "http.match.method.regex")]
    [InlineData("method: {regex: 'P.T'}", "PUT", "PATCH")]
    public Task Method_Decides(string match, string fits, string other) =>
        AssertAsync(match, ("/", "a.test", "Content-Length: 0\r\n", fits), ("/", "a.test", "Content-Length: 0\r\n", other));

    [Theory]
    [EffectOf("VirtualService", "http.match.authority.exact")]
    [InlineData("authority: {exact: 'a.test:80'}", "a.test:80", "a.test")]
    [EffectOf("VirtualService", "http.match.authority.prefix")]
    [InlineData("authority: {prefix: 'a.test:'}", "a.test:80", "a.test")]
    [EffectOf("VirtualService", "http.match.authority.regex")]
    [InlineData("authority: {regex: '.*[0-9]'}", "a.test:80", "a.test")]
    [EffectOf("VirtualService", "http.match.port")]
    [InlineData("port: 8080", "a.test:8080", "a.test")]
    public Task Authority_Decides(string match, string fits, string other) => AssertAsync(match, ("/", fits, "", "GET"), ("/", other, "", "GET"));

    // A sidecar is called in plain HTTP alone: one scheme fits, the other never.
    [Theory]
    [EffectOf("VirtualService", "http.match.scheme.exact")]
    [InlineData("scheme: {exact: http}", true)]
    [InlineData("scheme: {exact: https}", false)]
    [EffectOf("VirtualService", "http.match.scheme.prefix")]
    [InlineData("scheme: {prefix: ht}", true)]
    [InlineData("scheme: {prefix: https}", false)]
    [EffectOf("VirtualService", "http.match.scheme.regex")]
    [InlineData("scheme: {regex: 'https?'}", true)]
    [InlineData("scheme: {regex: 'https'}", false)]
    [EffectOf("VirtualService", "http.match.gateways")]
    [InlineData("gateways: [mesh]", true)]
    [InlineData("gateways: [istio-system/ingress]", false)]
    [EffectOf("VirtualService", "http.match.sourceNamespace")]
    [InlineData("sourceNamespace: default", true)]
    [InlineData("sourceNamespace: other", false)]
    [EffectOf("VirtualService", "http.match.sourceLabels")]
    [InlineData("sourceLabels: {app: caller}", true)]
    [InlineData("sourceLabels: {app: caller, version: v2}", false)]
    public async Task Caller_Decides(string match, bool fits)
    {
        await using RuleScene scene = await StartAsync(match);

        Assert.Equal(fits ? "10.0.1.1:80" : "10.0.0.1:80", (await scene.CallAsync()).Body);
    }

    [Fact]
    [EffectOf("VirtualService", "http.match")]
    public async Task Matches_OneIsEnough_ButAllOfIt()
    {
        await using RuleScene scene = await StartAsync("uri: {prefix: /x}\n    method: {exact: GET}\n  - headers: {x-a: {}}");

        Assert.Equal("10.0.1.1:80", (await scene.CallAsync("/x")).Body);
        Assert.Equal("10.0.1.1:80", (await scene.CallAsync("/y", headers: "x-a: 1\r\n")).Body);
        Assert.Equal("10.0.0.1:80", (await scene.CallAsync("/x", headers: "Content-Length: 0\r\n", method: "POST")).Body);
    }

    private static async Task AssertAsync(string match, (string, string, string, string) fits, (string, string, string, string) other)
    {
        await using RuleScene scene = await StartAsync(match);
        foreach (((string path, string host, string headers, string method), string address) in (((string, string, string, string), string)[])[(fits, "10.0.1.1:80"), (other, "10.0.0.1:80")])
        {
            Assert.Equal(address, (await scene.CallAsync(path, host, headers, method)).Body);
        }
    }

    private static Task<RuleScene> StartAsync(string match) => RuleScene.StartAsync(
        RuleTexts.Routes($"- match:\n  - {match}\n  route: [{{destination: {{host: b.test, port: {{number: 80}}}}}}]\n- route: [{{destination: {{host: a.test, port: {{number: 80}}, subset: v1}}}}]"),
        RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}]"));
}
