using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>fault and corsPolicy of a VirtualService, from their text to the wire.</summary>
public sealed class RuleEffectsFaultTests
{
    [Theory]
    [EffectOf("VirtualService", "http.fault.abort.httpStatus")]
    [InlineData("{httpStatus: 429, percentage: {value: 100}}", 429)]
    [EffectOf("VirtualService", "http.fault.abort.percentage.value")]
    [InlineData("{httpStatus: 503, percentage: {value: 0}}", 200)]
    public async Task Abort_Answers(string abort, int status)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route($"fault: {{abort: {abort}}}"));

        Answered answered = await scene.CallAsync();

        Assert.Equal((status, status == 200 ? 1 : 0), (answered.Status, answered.Attempts.Length));
    }

    [Theory]
    [EffectOf("VirtualService", "http.fault.abort.percentage.value")]
    [InlineData("abort: {httpStatus: 503, percentage: {value: 30}}")]
    [EffectOf("VirtualService", "http.fault.delay.percentage.value")]
    [InlineData("delay: {fixedDelay: 60s, percentage: {value: 30}}")]
    [EffectOf("VirtualService", "http.fault.delay.percent")]
    [InlineData("delay: {fixedDelay: 60s, percent: 30}")]
    public async Task Share_IsHit(string fault)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(null, new Random(1), RuleTexts.Services, RuleTexts.Route($"fault: {{{fault}}}"));

        for (int i = 0; i < 300; i++)
        {
            await scene.SendAsync();
        }

        Assert.InRange(300 - scene.Upstreams.Seen.Count, 60, 120);
    }

    [Fact]
    [EffectOf("VirtualService", "http.fault.delay.fixedDelay")]
    public async Task Delay_Passes()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("fault: {delay: {fixedDelay: 7s, percentage: {value: 100}}}"));
        MemoryConnection client = await scene.SendAsync();

        scene.Time.Advance(TimeSpan.FromSeconds(6.9));
        Assert.Empty(scene.Upstreams.Seen);
        scene.Time.Advance(TimeSpan.FromSeconds(0.2));

        Assert.Equal(200, (await scene.ReadAsync(client)).Status);
    }

    [Theory]
    [EffectOf("VirtualService", "http.corsPolicy.allowOrigins.exact")]
    [InlineData("allowOrigins: [{exact: 'https://x.test'}]", "https://x.test", "https://x.test.evil")]
    [EffectOf("VirtualService", "http.corsPolicy.allowOrigins.prefix")]
    [InlineData("allowOrigins: [{prefix: 'https://x.'}]", "https://x.test", "https://y.test")]
    [EffectOf("VirtualService", "http.corsPolicy.allowOrigins.regex")]
    [InlineData("allowOrigins: [{regex: 'https://[a-z]+[.]test'}]", "https://x.test", "https://x.y.test")]
    [EffectOf("VirtualService", "http.corsPolicy.allowOrigin")]
    [InlineData("allowOrigin: ['https://x.test']", "https://x.test", "https://y.test")]
    public async Task Cors_Origin_IsAllowed(string origins, string allowed, string other)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route($"corsPolicy: {{{origins}}}"));

        Assert.Equal([allowed], (await scene.CallAsync(headers: $"Origin: {allowed}\r\n"))["access-control-allow-origin"]);
        Assert.Empty((await scene.CallAsync(headers: $"Origin: {other}\r\n"))["access-control-allow-origin"]);
    }

    [Theory]
    [EffectOf("VirtualService", "http.corsPolicy.allowMethods")]
    [InlineData("allowMethods: [PUT, GET]", "access-control-allow-methods", "PUT,GET")]
    [EffectOf("VirtualService", "http.corsPolicy.allowHeaders")]
    [InlineData("allowHeaders: [x-a, x-b]", "access-control-allow-headers", "x-a,x-b")]
    [EffectOf("VirtualService", "http.corsPolicy.maxAge")]
    [InlineData("maxAge: 600s", "access-control-max-age", "600")]
    [EffectOf("VirtualService", "http.corsPolicy.allowCredentials")]
    [InlineData("allowCredentials: true", "access-control-allow-credentials", "true")]
    public async Task Cors_Preflight_IsTold(string field, string header, string value)
    {
        foreach ((string more, string[] expected) in ((string, string[])[])[($", {field}", [value]), ("", [])])
        {
            await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route($"corsPolicy: {{allowOrigins: [{{exact: 'https://x.test'}}]{more}}}"));

            Answered answered = await scene.CallAsync(headers: "Origin: https://x.test\r\nAccess-Control-Request-Method: PUT\r\n", method: "OPTIONS");

            Assert.Equal(expected, answered[header]);
            Assert.Empty(answered.Attempts);
        }
    }

    [Fact]
    [EffectOf("VirtualService", "http.corsPolicy.exposeHeaders")]
    public async Task Cors_Answer_TellsWhatPagesMayRead()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("corsPolicy: {allowOrigins: [{exact: 'https://x.test'}], exposeHeaders: [x-a, x-b]}"));

        Assert.Equal(["x-a,x-b"], (await scene.CallAsync(headers: "Origin: https://x.test\r\n"))["access-control-expose-headers"]);
    }

    [Theory]
    [EffectOf("VirtualService", "http.corsPolicy.unmatchedPreflights")]
    [InlineData("FORWARD", 1)]
    [InlineData("IGNORE", 0)]
    public async Task Cors_PreflightFromElsewhere_GoesOnOrNot(string word, int sent)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Route($"corsPolicy: {{allowOrigins: [{{exact: 'https://x.test'}}], unmatchedPreflights: {word}}}"));

        Answered answered = await scene.CallAsync(headers: "Origin: https://y.test\r\nAccess-Control-Request-Method: PUT\r\n", method: "OPTIONS");

        Assert.Equal((200, sent), (answered.Status, answered.Attempts.Length));
    }
}
