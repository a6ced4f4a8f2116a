using Mesh.Proxy.Tests.Config;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Happy eyeballs: a host with several addresses is one endpoint, and a connection goes to the first address that can be reached.</summary>
public sealed class ConnectRaceTests : IDisposable
{
    private static readonly ClusterConfig Logical = ApplierHarness.Config with { Dns = DnsDiscovery.Logical };
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ApplierHarness _proxy = new();

    [Fact]
    [EffectOf("ServiceEntry", "resolution")]
    public async Task Connect_FirstAddressIsSilent_TheOtherFamilyIsTriedAfter300Milliseconds()
    {
        Task<RentResult> rent = await BeginAsync("10.0.0.1", "10.0.0.2", "fd00::1");
        Assert.Equal(["10.0.0.1:80"], Tried());

        _proxy.Time.Advance(TimeSpan.FromMilliseconds(299));
        Assert.Equal(["10.0.0.1:80"], Tried());
        _proxy.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(["10.0.0.1:80", "[fd00::1]:80"], Tried());
        _proxy.Connector.Started[1].Succeed();

        RentResult result = await rent.WaitAsync(Patience);
        Assert.Equal((RentStatus.Ok, "a.test:80"), (result.Status, result.Endpoint!.Address));
        Assert.True(_proxy.Connector.Started[0].IsOver); // given up
        Assert.Equal(1, _proxy.Cluster.Stats.CxTotal.Value);
        _proxy.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, Tried().Length);
    }

    [Fact]
    public async Task Connect_AttemptFails_TheNextFollowsAtOnceAndTheLastWordsAreTold()
    {
        Task<RentResult> rent = await BeginAsync("10.0.0.1", "fd00::1");

        _proxy.Connector.Started[0].Fail("Connection refused");
        Assert.Equal(["10.0.0.1:80", "[fd00::1]:80"], Tried());
        Assert.False(rent.IsCompleted);
        _proxy.Connector.Started[1].Fail("Network is unreachable");

        RentResult result = await rent.WaitAsync(Patience);
        Assert.Equal((RentStatus.ConnectFailure, "Network is unreachable"), (result.Status, result.FailureText));
        Assert.Equal((1, 0), (_proxy.Cluster.Stats.CxConnectFail.Value, _proxy.Cluster.Stats.CxActive.Value));
    }

    [Fact]
    public async Task Connect_AttemptFailsWhileAnotherRuns_ThatOneStillCounts()
    {
        Task<RentResult> rent = await BeginAsync("10.0.0.1", "fd00::1");
        _proxy.Time.Advance(TimeSpan.FromMilliseconds(300));

        _proxy.Connector.Started[1].Fail();
        Assert.False(rent.IsCompleted);
        _proxy.Connector.Started[0].Succeed();

        Assert.Equal(RentStatus.Ok, (await rent.WaitAsync(Patience)).Status);
    }

    [Fact]
    public async Task Connect_TimeIsOver_EndsTheWholeRaceAndTriesNoMore()
    {
        Task<RentResult> rent = await BeginAsync("10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2");
        _proxy.Time.Advance(TimeSpan.FromMilliseconds(600));
        Assert.Equal(["10.0.0.1:80", "[fd00::1]:80", "10.0.0.2:80"], Tried());

        _proxy.Time.Advance(TimeSpan.FromMilliseconds(100));

        Assert.Equal(RentStatus.ConnectTimeout, (await rent.WaitAsync(Patience)).Status);
        _proxy.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(3, Tried().Length);
        Assert.Equal((1, 0), (_proxy.Cluster.Stats.CxConnectTimeout.Value, _proxy.Cluster.Stats.CxActive.Value));
    }

    [Fact]
    public async Task Connect_LoserConnectsAfterAll_IsClosed()
    {
        _proxy.Connector.IgnoresCancellation = true;
        Task<RentResult> rent = await BeginAsync("10.0.0.1", "fd00::1");
        _proxy.Time.Advance(TimeSpan.FromMilliseconds(300));
        FakeTransport winner = _proxy.Connector.Started[1].Succeed();
        await rent.WaitAsync(Patience);

        FakeTransport loser = _proxy.Connector.Started[0].Succeed();

        await Eventually.HoldsAsync(() => loser.IsDisposed, "the loser is closed");
        Assert.Same(winner, Assert.Single(_proxy.Connector.Alive));
    }

    [Fact]
    public async Task Connect_ConnectorThrows_CountsABugAndTriesTheNext()
    {
        _proxy.Connector.Bugs = 1;
        Task<RentResult> rent = await BeginAsync("10.0.0.1", "fd00::1");

        _proxy.Connector.Started[^1].Succeed();

        Assert.Equal(RentStatus.Ok, (await rent.WaitAsync(Patience)).Status);
        Assert.Equal(1, _proxy.TakeBugs());
    }

    public void Dispose() => _proxy.Dispose();

    private async Task<Task<RentResult>> BeginAsync(params string[] addresses)
    {
        _proxy.Connector.ConnectsAtOnce = false;
        _proxy.Dns.Set("a.test", 30, addresses);
        ConnectionConfig connection = new() { ConnectTimeout = TimeSpan.FromMilliseconds(700) };
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Logical with { Connection = connection }, "a.test:80"));
        return _proxy.Cluster.RentHttpAsync(CancellationToken.None).AsTask();
    }

    private string[] Tried() => [.. _proxy.Connector.Started.Select(static c => c.Address)];
}
