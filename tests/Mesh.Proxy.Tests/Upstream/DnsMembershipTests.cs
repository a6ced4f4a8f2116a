using Mesh.Proxy.Dns;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Config;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Names become endpoints, and traffic follows them.</summary>
public sealed class DnsMembershipTests : IDisposable
{
    private static readonly ClusterConfig Strict = ApplierHarness.Config with { Dns = DnsDiscovery.Strict };
    private static readonly ClusterConfig Logical = ApplierHarness.Config with { Dns = DnsDiscovery.Logical };

    private readonly ApplierHarness _proxy = new();

    [Fact]
    public async Task Strict_EveryRecordOfBothFamilies_IsAnEndpointWithWhatWasDeclared()
    {
        _proxy.Dns.Set("a.test", 30, "10.0.0.2", "10.0.0.1", "fd00::1");

        await _proxy.ApplyAsync(ApplierHarness.With(Strict, new EndpointConfig("a.test:80", 3, "eu"), new EndpointConfig("10.0.0.9:81")));

        Assert.Equal(["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80", "10.0.0.9:81"], Addresses());
        Assert.All(_proxy.Cluster.Endpoints.Take(3), static e => Assert.Equal((3, "eu"), (e.Config.Weight, e.Config.Zone)));
    }

    [Fact]
    public async Task Strict_RecordChanges_TrafficFollowsAndConnectionsOfThoseThatStayLive()
    {
        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        UpstreamConnection first = await _proxy.WarmUpAsync();

        _proxy.Dns.Set("a.test", 5, "10.0.0.1", "10.0.0.2");
        _proxy.Time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.Equal(["10.0.0.1:80"], Addresses());
        _proxy.Time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(["10.0.0.1:80", "10.0.0.2:80"], Addresses());
        Assert.Single(_proxy.Connector.Alive);
        Assert.Same(first.Endpoint, _proxy.Cluster.Endpoints[0]);

        _proxy.Dns.Set("a.test", 5, "10.0.0.2");
        _proxy.Time.Advance(TimeSpan.FromSeconds(5.1));
        Assert.Equal("10.0.0.2:80", (await _proxy.RentAsync()).Endpoint.Address);
        Assert.Equal("10.0.0.2:80", Assert.Single(Addresses()));
    }

    [Fact]
    public async Task Strict_NobodyCanTell_LastGoodAddressesStayAndPausesGrowToAMinute()
    {
        _proxy.Dns.Set("a.test", 5, "10.0.0.1", "fd00::1");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        _proxy.Dns.Fail("a.test");

        List<double> asked = [];
        for (int second = 1; second <= 200; second++)
        {
            int before = _proxy.Dns.Asked.Count;
            _proxy.Time.Advance(TimeSpan.FromSeconds(1));
            if (_proxy.Dns.Asked.Count > before)
            {
                asked.Add(second);
            }
        }

        Assert.Equal([5, 6, 8, 12, 20, 36, 68, 128, 188], asked);
        Assert.Equal(["10.0.0.1:80", "[fd00::1]:80"], Addresses());
    }

    [Fact]
    public async Task Strict_OneFamilyFails_OnlyTheOtherChanges()
    {
        _proxy.Dns.Set("a.test", 5, "10.0.0.1", "fd00::1");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));

        _proxy.Dns.Set("a.test", 5, "10.0.0.2");
        _proxy.Dns.Fail("a.test", DnsRecordType.Aaaa);
        _proxy.Time.Advance(TimeSpan.FromSeconds(5.1));

        Assert.Equal(["10.0.0.2:80", "[fd00::1]:80"], Addresses());
    }

    [Fact]
    public async Task Strict_NoSuchName_NoUpstreamUntilItExists()
    {
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        Assert.Equal(RentStatus.NoHealthyUpstream, (await _proxy.Cluster.RentHttpAsync(CancellationToken.None)).Status);

        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        _proxy.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("10.0.0.1:80", (await _proxy.RentAsync()).Endpoint.Address);
    }

    [Fact]
    public async Task Strict_RecordGone_NoUpstream()
    {
        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));

        _proxy.Dns.Set("a.test", 5);
        _proxy.Time.Advance(TimeSpan.FromSeconds(5.1));

        Assert.Equal(RentStatus.NoHealthyUpstream, (await _proxy.Cluster.RentHttpAsync(CancellationToken.None)).Status);
    }

    [Fact]
    public async Task Logical_FirstAddressChanges_NewConnectionsGoThereAndOldOnesStay()
    {
        _proxy.Dns.Set("a.test", 5, "10.0.0.1", "10.0.0.2");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Logical, "a.test:80"));
        UpstreamConnection old = await _proxy.RentAsync();
        Assert.Equal("a.test:80", Assert.Single(Addresses()));

        _proxy.Dns.Set("a.test", 5, "10.0.0.3", "10.0.0.1");
        _proxy.Time.Advance(TimeSpan.FromSeconds(5.1));
        UpstreamConnection young = await _proxy.RentAsync();

        Assert.Same(old.Endpoint, young.Endpoint);
        Assert.Equal(["10.0.0.1:80", "10.0.0.3:80"], _proxy.Connector.Started.Select(static c => c.Address));
        Assert.Equal(2, _proxy.Connector.Alive.Count);
    }

    [Fact]
    public async Task Apply_NewName_WaitsForItsFirstAnswerButNotLong()
    {
        TaskCompletionSource gate = new();
        _proxy.Dns.Gate = gate.Task;
        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        Task applied = _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        Assert.False(applied.IsCompleted);

        _proxy.Time.Advance(TimeSpan.FromSeconds(1));
        await applied.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Empty(_proxy.Cluster.Endpoints);

        gate.SetResult();
        await Eventually.HoldsAsync(() => Addresses() is ["10.0.0.1:80"], "the late answer counts");
    }

    [Fact]
    public async Task Watches_SameNameTwice_AreOneQuestionAndEndWithTheCluster()
    {
        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        await _proxy.ApplyAsync(ApplierHarness.With(Strict, new EndpointConfig("a.test:80"), new EndpointConfig("a.test:81")));
        Assert.Equal(["10.0.0.1:80", "10.0.0.1:81"], Addresses());
        Assert.Single(_proxy.Dns.Asked);

        await _proxy.ApplyAsync(ProxySnapshot.Empty with { Version = "none" });
        _proxy.Time.Advance(TimeSpan.FromMinutes(1));
        int asked = _proxy.Dns.Asked.Count;
        _proxy.Time.Advance(TimeSpan.FromMinutes(5));

        Assert.Equal(asked, _proxy.Dns.Asked.Count);
    }

    [Fact]
    public async Task Update_FromAddressesToNamesAndBack_EndpointsFollow()
    {
        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.9:80"));
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "10.0.0.9:80"));
        Assert.Equal(["10.0.0.9:80"], Addresses());
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        Assert.Equal(["10.0.0.1:80"], Addresses());

        await _proxy.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.9:80"));
        _proxy.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(["10.0.0.9:80"], Addresses());
    }

    [Fact]
    public async Task Apply_NameWithoutDns_IsRefused()
    {
        ApplyResultOf(await _proxy.Applier.ApplyAsync(ApplierHarness.Snapshot(null, "a.test:80")), "is not an address");
        ApplyResultOf(await _proxy.Applier.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:0")), "is not an address");
    }

    [Fact]
    public async Task Failure_IsCountedLoggedOnceAndNamedInTheRefusal()
    {
        _proxy.Dns.Remove("a.test");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        RentResult refused = await _proxy.Cluster.RentHttpAsync(CancellationToken.None);
        Assert.Equal("dns: NXDOMAIN for a.test", refused.Decision.Detail);
        Assert.Equal((1, 1, 0, 1, 1), Updates());

        _proxy.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Single(_proxy.Log.Entries, static e => e.Text.Contains("NXDOMAIN for a.test", StringComparison.Ordinal));

        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        _proxy.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(_proxy.Cluster.DnsProblem);
        Assert.Single(_proxy.Log.Entries, static e => e.Text.Contains("a.test has 1 address(es) again", StringComparison.Ordinal));

        _proxy.Dns.Fail("a.test");
        _proxy.Time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal("dns: no answer for a.test", _proxy.Cluster.DnsProblem);
        Assert.Single(_proxy.Log.Entries, static e => e.Text.Contains("no answer for a.test; address(es) in use: 1", StringComparison.Ordinal));
        Assert.True(Updates().Failure > 3);
        Assert.Equal(["10.0.0.1:80"], Addresses());
    }

    [Fact]
    public async Task Client_Throws_IsCountedAndAskedAgain()
    {
        _proxy.Dns.Bugs = 1;
        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        Assert.Equal(1, _proxy.TakeBugs());
        Assert.Empty(Addresses());

        _proxy.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(["10.0.0.1:80"], Addresses());
    }

    [Fact]
    public async Task Publishing_Throws_IsCountedAndDoneAtTheNextAnswer()
    {
        HashConfig broken = new() { Source = HashKeySource.SourceIp, MaglevTableSize = int.MaxValue }; // longer than an array can be
        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict with { Hash = broken }, "a.test:80"));
        _proxy.Dns.Set("a.test", 5, "10.0.0.1");
        _proxy.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, _proxy.TakeBugs());
        Assert.Empty(Addresses());

        await _proxy.ApplyAsync(ApplierHarness.Snapshot(Strict, "a.test:80"));
        _proxy.Time.Advance(TimeSpan.FromSeconds(6));

        Assert.Equal("10.0.0.1:80", (await _proxy.RentAsync()).Endpoint.Address);
    }

    public void Dispose() => _proxy.Dispose();

    private (long Attempt, long Success, long Failure, long Empty, long NoRebuild) Updates()
    {
        ClusterStats stats = _proxy.Cluster.Stats;
        return (stats.UpdateAttempt.Value, stats.UpdateSuccess.Value, stats.UpdateFailure.Value, stats.UpdateEmpty.Value, stats.UpdateNoRebuild.Value);
    }

    private static void ApplyResultOf(Mesh.Proxy.Config.ApplyResult result, string text) => Assert.Contains(text, Assert.Single(result.Errors), StringComparison.Ordinal);

    private string[] Addresses() => [.. _proxy.Cluster.Endpoints.Select(static e => e.Address)];
}
