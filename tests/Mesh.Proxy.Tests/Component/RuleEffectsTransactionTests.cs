using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>transactionId of a ResiliencePolicy, from its text to the wire (adr/0050).</summary>
public sealed class RuleEffectsTransactionTests
{
    private const string Field = "X-Api-Tran-Id";

    [Fact]
    [EffectOf("ResiliencePolicy", "transactionId.header")]
    [EffectOf("ResiliencePolicy", "transactionId.format")]
    public async Task Calls_CarryTheIdInTheHostsForm_EachItsOwn()
    {
        await using RuleScene scene = await StartAsync("""{header: X-Api-Tran-Id, format: "M202512U-{time:yyyyMMddHHmmss}-{instance:4}-{sequence:9}"}""");
        string time = scene.Time.GetUtcNow().ToString("yyyyMMddHHmmss", System.Globalization.CultureInfo.InvariantCulture);

        Assert.Equal([$"M202512U-{time}-ecar-000000001"], (await scene.CallAsync()).Sent[Field]);
        Assert.Equal([$"M202512U-{time}-ecar-000000002"], (await scene.CallAsync()).Sent[Field]);
        Assert.Empty((await scene.CallAsync(host: "b.test")).Sent[Field]);
        Assert.EndsWith("-000000002", (await LastIdAsync(scene, 2))!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_WithAnIdOfItsOwn_KeepsIt()
    {
        await using RuleScene scene = await StartAsync("{header: X-Api-Tran-Id}");

        Assert.Equal(["mine"], (await scene.CallAsync(headers: "x-api-tran-id: mine\r\n")).Sent[Field]);
        Assert.Null(await LastIdAsync(scene, 1));
        Assert.EndsWith("-000000001", Assert.Single((await scene.CallAsync(headers: "Connection: x-api-tran-id\r\nx-api-tran-id: hop\r\n")).Sent[Field]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_WhoseRouteTakesTheFieldOut_HasNone()
    {
        await using RuleScene scene = await StartAsync(
            "{header: X-Api-Tran-Id}", RuleTexts.Route("headers: {request: {remove: [x-api-tran-id]}}"));

        Assert.Empty((await scene.CallAsync()).Sent[Field]);
    }

    [Fact]
    public async Task Retry_OfACall_HasTheSameId_SoThatTheHostSeesTheRepeat()
    {
        await using RuleScene scene = await StartAsync("{header: X-Api-Tran-Id}", RuleTexts.Route("retries: {attempts: 2, retryOn: 5xx}"));
        scene.Upstreams.Answer = request => AnsweringUpstreams.Text(scene.Upstreams.Seen.Count % 2 == 1 ? 503 : 200, "x");

        Answered first = await scene.SettleAsync(await scene.SendAsync());
        Answered second = await scene.SettleAsync(await scene.SendAsync(), since: 2);

        Assert.Equal((200, 2, 2), (first.Status, first.Attempts.Length, second.Attempts.Length));
        Assert.Single(first.Attempts.Select(static a => Assert.Single(a[Field])).Distinct());
        Assert.Single(second.Attempts.Select(static a => Assert.Single(a[Field])).Distinct());
        Assert.NotEqual(first.Attempts[0][Field], second.Attempts[0][Field]);
    }

    [Fact]
    public async Task Copy_OfACall_HasItsId()
    {
        await using RuleScene scene = await StartAsync("{header: X-Api-Tran-Id}", RuleTexts.Route("mirror: {host: b.test}"));

        Answered answered = await scene.CallAsync();

        Assert.Equal(2, answered.Attempts.Length);
        Assert.Single(answered.Attempts.Select(static a => Assert.Single(a[Field])).Distinct());
    }

    [Theory]
    [InlineData("add")]
    [InlineData("set")]
    public async Task IdThatTheRouteGives_IsTheOnlyOne(string change)
    {
        await using RuleScene scene = await StartAsync("{header: X-Api-Tran-Id}", RuleTexts.Route($"headers: {{request: {{{change}: {{x-api-tran-id: mine, x-other: y}}}}}}"));

        Assert.Equal(["mine"], (await scene.CallAsync()).Sent[Field]);
    }

    [Fact]
    public async Task CallThatAFallbackLeadsElsewhere_CarriesTheOtherHostsId()
    {
        await using RuleScene scene = await StartAsync(
            "{header: X-Api-Tran-Id}", RuleTexts.Fallback("host: a.test\ntriggers: ['503']\ndestination: {host: b.test}"),
            RuleTexts.Resilience("host: b.test\ntransactionId: {header: X-Other, format: \"{sequence:3}\"}", "other"));
        scene.Upstreams.Answer = static request => AnsweringUpstreams.Text(request.Address.StartsWith("10.0.0.", StringComparison.Ordinal) ? 503 : 200, "x");

        Answered answered = await scene.SettleAsync(await scene.SendAsync());

        UpstreamRequest elsewhere = answered.Attempts[^1];
        Assert.Equal((200, "10.0.1.1:80"), (answered.Status, elsewhere.Address));
        Assert.Empty(elsewhere[Field]);
        Assert.Equal(["002"], elsewhere["X-Other"]);
    }

    [Fact]
    public async Task Rule_ThatChangesOrGoes_CountsOn()
    {
        await using RuleScene scene = await StartAsync("""{header: X-Api-Tran-Id, format: "a{sequence}"}""");
        Assert.Equal(["a1"], (await scene.CallAsync()).Sent[Field]);

        await scene.ApplyAsync(RuleTexts.Services, Policy("""{header: X-Api-Tran-Id, format: "b{sequence}"}"""));
        Assert.Equal(["b2"], (await scene.CallAsync()).Sent[Field]);

        await scene.ApplyAsync(RuleTexts.Services);
        Assert.Empty((await scene.CallAsync()).Sent[Field]);
    }

    private static Task<RuleScene> StartAsync(string id, params string[] rules) => RuleScene.StartAsync([Policy(id), .. rules]);

    private static string Policy(string id) => RuleTexts.Resilience($"host: a.test\ntransactionId: {id}");

    private static async Task<string?> LastIdAsync(RuleScene scene, int requests)
    {
        string? last = null;
        for (int i = 0; i < requests; i++)
        {
            last = (await scene.Sink.NextAsync()).TransactionId;
        }

        return last;
    }
}
