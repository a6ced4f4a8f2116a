using System.Globalization;
using System.Text;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Rings of a living cluster: made anew behind the requests' backs, and nobody who has left or was ejected is chosen meanwhile.</summary>
public sealed class HashTableLifeTests
{
    private static readonly HashConfig ByHeader = new() { Source = HashKeySource.Header, Name = "x-user" };

    [Fact]
    public async Task Endpoint_Leaves_OnlyItsKeysMove()
    {
        using UpstreamHarness harness = new(static c => c with { Hash = ByHeader }, endpoints: 5);
        harness.Connector.ConnectsAtOnce = true;
        string[] before = await AskAllAsync(harness);

        harness.Manager.AddOrUpdate([(harness.Cluster.Config, UpstreamHarness.Addresses(4))]);
        string[] meanwhile = await AskAllAsync(harness);
        await Eventually.HoldsAsync(() => !harness.Cluster.IsHostSetStale, "the new ring is in force");
        string[] after = await AskAllAsync(harness);

        Assert.Contains("10.0.0.5:80", before);
        Assert.DoesNotContain("10.0.0.5:80", meanwhile);
        Assert.DoesNotContain("10.0.0.5:80", after);
        Assert.All(before.Zip(after), static pair => Assert.True(pair.First == pair.Second || pair.First == "10.0.0.5:80"));
    }

    [Fact]
    public async Task Endpoint_IsEjectedAndReturns_ItsKeysGoAndComeBack()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 50 }) with { Hash = ByHeader }, endpoints: 5);
        harness.Connector.ConnectsAtOnce = true;
        string[] before = await AskAllAsync(harness);
        Endpoint bad = harness.First;

        harness.Answer(bad, 500, times: 5);
        Assert.True(bad.IsEjected);
        Assert.DoesNotContain(bad.Address, await AskAllAsync(harness));
        await Eventually.HoldsAsync(() => !harness.Cluster.IsHostSetStale, "the ring without it is in force");
        Assert.DoesNotContain(bad.Address, await AskAllAsync(harness));

        harness.Time.Advance(TimeSpan.FromSeconds(60));
        await Eventually.HoldsAsync(() => !bad.IsEjected && !harness.Cluster.IsHostSetStale, "the ring with it is in force");
        Assert.Equal(before, await AskAllAsync(harness));
    }

    [Fact]
    public async Task Policy_BecomesHash_TheOldBalancerServesUntilTheRingIsThere()
    {
        using UpstreamHarness harness = new(endpoints: 3);
        harness.Connector.ConnectsAtOnce = true;

        harness.Configure(static c => c with { Hash = ByHeader });
        Assert.Equal(100, (await AskAllAsync(harness)).Length);
        await Eventually.HoldsAsync(() => !harness.Cluster.IsHostSetStale, "the ring is in force");

        Assert.Equal(await AskAllAsync(harness), await AskAllAsync(harness));
    }

    [Fact]
    public async Task Build_Throws_IsCountedAndTheNextChangeBuildsAgain()
    {
        using UpstreamHarness harness = new(static c => c with { Hash = ByHeader }, endpoints: 3);
        harness.Connector.ConnectsAtOnce = true;
        harness.Configure(static c => c with { Hash = ByHeader with { MaglevTableSize = int.MaxValue } }); // longer than an array can be
        await Eventually.HoldsAsync(() => harness.ProcessStats.UnexpectedExceptions.Value == 1, "the bug is counted");
        Assert.Equal(1, harness.TakeBugs());
        Assert.Equal(100, (await AskAllAsync(harness)).Length); // the old ring serves

        harness.Configure(static c => c with { Hash = ByHeader with { MaglevTableSize = 101 } });

        await Eventually.HoldsAsync(() => !harness.Cluster.IsHostSetStale, "the next table is built");
    }

    [Fact]
    public async Task AllEndpointsLeave_NobodyIsChosen()
    {
        using UpstreamHarness harness = new(static c => c with { Hash = ByHeader }, endpoints: 3);

        harness.Manager.AddOrUpdate([(harness.Cluster.Config, [])]);

        Assert.Equal(RentStatus.NoHealthyUpstream, (await harness.Rent()).Status);
    }

    [Fact]
    public async Task Retry_FindsAnotherEndpoint()
    {
        using UpstreamHarness harness = new(static c => c with { Hash = ByHeader }, endpoints: 3);
        harness.Connector.ConnectsAtOnce = true;
        for (int key = 0; key < 50; key++)
        {
            RentResult first = await harness.Cluster.RentHttpAsync(default, pick: new PickContext(KeyOf(key)));
            RentResult second = await harness.Cluster.RentHttpAsync(default, pick: new PickContext(KeyOf(key), [first.Endpoint!]));
            first.Connection!.Release(true);
            second.Connection!.Release(true);

            Assert.NotEqual(first.Endpoint, second.Endpoint);
        }
    }

    private static async Task<string[]> AskAllAsync(UpstreamHarness harness)
    {
        string[] chosen = new string[100];
        for (int key = 0; key < chosen.Length; key++)
        {
            RentResult rent = await harness.Cluster.RentHttpAsync(default, pick: new PickContext(KeyOf(key)));
            chosen[key] = rent.Endpoint!.Address;
            rent.Connection!.Release(true);
        }

        return chosen;
    }

    private static ulong KeyOf(int key) => XxHash64.Of(Encoding.ASCII.GetBytes(key.ToString(CultureInfo.InvariantCulture)));
}
