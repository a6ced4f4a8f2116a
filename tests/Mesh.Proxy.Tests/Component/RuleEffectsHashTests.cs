using System.Net;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>consistentHash of a DestinationRule, from its text to which of twenty endpoints a request reaches.</summary>
public sealed class RuleEffectsHashTests
{
    private static readonly string Many = RuleTexts.Entry(
        $"hosts: [b.test]\nresolution: STATIC\nports: [{{number: 80, name: http, protocol: HTTP}}]\nendpoints: [{string.Join(", ", Enumerable.Range(1, 20).Select(static i => $"{{address: 10.0.1.{i}}}"))}]");

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.httpHeaderName")]
    [InlineData("httpHeaderName: x-user", "/", "x-user: {0}\r\n")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.httpCookie.name")]
    [InlineData("httpCookie: {name: user}", "/", "Cookie: a=b; user={0}\r\n")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.httpQueryParameterName")]
    [InlineData("httpQueryParameterName: user", "/?a=b&user={0}", "")]
    public async Task Key_DecidesTheEndpoint(string key, string path, string headers)
    {
        await using RuleScene scene = await StartAsync(key);

        await AssertStickyAsync(i => scene.CallAsync(Format(path, i), "b.test", Format(headers, i)));
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.useSourceIp")]
    public async Task UseSourceIp_DecidesTheEndpoint()
    {
        await using RuleScene scene = await StartAsync("useSourceIp: true");

        await AssertStickyAsync(async i =>
        {
            int before = scene.Upstreams.Seen.Count;
            MemoryConnection client = scene.Connect(from: new IPEndPoint(new IPAddress([127, 0, 0, (byte)(i + 1)]), 50_000 + before));
            await client.SendAsync("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
            return await scene.ReadAsync(client, before);
        });
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl")]
    [InlineData("{name: user}", null)]
    [InlineData("{name: user, ttl: 0s}", "; HttpOnly")]
    [InlineData("{name: user, ttl: 60s}", "; Max-Age=60; HttpOnly")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.httpCookie.path")]
    [InlineData("{name: user, ttl: 60s, path: /x}", "; Max-Age=60; Path=/x; HttpOnly")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes.name")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes.value")]
    [InlineData("{name: user, ttl: 60s, attributes: [{name: SameSite, value: Lax}, {name: Secure}]}", "; Max-Age=60; SameSite=Lax; Secure; HttpOnly")]
    public async Task HttpCookie_IsGivenToWhoHasNone(string cookie, string? attributes)
    {
        await using RuleScene scene = await StartAsync($"httpCookie: {cookie}");

        Answered first = await scene.CallAsync(host: "b.test");

        if (attributes is null)
        {
            Assert.Empty(first["set-cookie"]);
            return;
        }

        string given = Assert.Single(first["set-cookie"]);
        Assert.Matches($"^user=[^;]+{attributes}$", given);
        Assert.Equal(first.Body, (await scene.CallAsync(host: "b.test", headers: $"Cookie: {given.Split(';')[0]}\r\n")).Body);
    }

    // A table of one size puts keys elsewhere than one of another: what they agree on is chance.
    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.ringHash.minimumRingSize")]
    [InlineData("ringHash: {minimumRingSize: 40}", "ringHash: {minimumRingSize: 4000}")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.minimumRingSize")]
    [InlineData("minimumRingSize: 40", "minimumRingSize: 4000")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.maglev.tableSize")]
    [InlineData("maglev: {tableSize: 251}", "maglev: {tableSize: 1009}")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.maglev")]
    [InlineData("maglev: {tableSize: 1009}", "ringHash: {minimumRingSize: 1009}")]
    public async Task Table_DecidesWhichKeysAreWhose(string one, string other)
    {
        string[] first = await PlacesAsync(one);

        Assert.Equal(first, await PlacesAsync(one));
        Assert.True(first.Zip(await PlacesAsync(other)).Count(static p => p.First != p.Second) > 10);
    }

    private static async Task<string[]> PlacesAsync(string table)
    {
        await using RuleScene scene = await StartAsync($"httpHeaderName: x-user\n    {table}");
        List<string> places = [];
        for (int i = 0; i < 100; i++)
        {
            places.Add((await scene.CallAsync(host: "b.test", headers: FormattableString.Invariant($"x-user: {i}\r\n"))).Body);
        }

        return [.. places];
    }

    private static Task<RuleScene> StartAsync(string hash) =>
        RuleScene.StartWithAsync(null, new Random(1), Many, RuleTexts.Policy($"loadBalancer:\n  consistentHash:\n    {hash}", "b.test"));

    private static async Task AssertStickyAsync(Func<int, Task<Answered>> call)
    {
        HashSet<string> used = [];
        for (int key = 0; key < 10; key++)
        {
            string address = (await call(key)).Body;
            used.Add(address);
            for (int i = 0; i < 4; i++)
            {
                Assert.Equal(address, (await call(key)).Body);
            }
        }

        Assert.True(used.Count > 2, "different keys must reach different endpoints");
    }

    private static string Format(string text, int key) => text.Replace("{0}", key.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
