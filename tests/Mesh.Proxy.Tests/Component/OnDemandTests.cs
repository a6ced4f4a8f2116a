using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Hosts that only the caller names: DYNAMIC_DNS, and those that no service has.</summary>
public sealed class OnDemandTests
{
    private static readonly Func<ClusterConfig, ClusterConfig> Dynamic = static c => c with { Dns = DnsDiscovery.Dynamic };

    [Fact]
    [EffectOf("ServiceEntry", "resolution")]
    public async Task Wildcard_EachNameIsResolvedWhenItIsAskedFor_AndHasConnectionsOfItsOwn()
    {
        await using Pipeline pipeline = new(Dynamic, endpoints: 0);
        pipeline.Dns.Set("x.wild.test", 30, "10.1.0.1");
        pipeline.Dns.Set("y.wild.test", 30, "10.1.0.2", "fd00::2");
        MemoryConnection client = pipeline.Connect();

        MemoryConnection first = await ExchangeAsync(pipeline, client, "X.wild.test");
        await ExchangeAsync(pipeline, client, "y.wild.test");
        await ExchangeAsync(pipeline, client, "x.wild.test:80", over: first);

        Assert.Equal(["10.1.0.1:80", "10.1.0.2:80"], pipeline.Upstreams.Dialled);
        Assert.Equal(["x.wild.test", "y.wild.test"], pipeline.Dns.Asked);
        Assert.Equal(["x.wild.test:80", "y.wild.test:80"], pipeline.Cluster.Endpoints.Select(static e => e.Address).Order());
        Assert.Equal(0, pipeline.Cluster.Stats.RqPendingActive.Value);
    }

    [Fact]
    public async Task Wildcard_MappedPort_IsTheOneDialled()
    {
        await using Pipeline pipeline = new(static c => Dynamic(c) with { OnDemandPort = 8080 }, endpoints: 0);
        pipeline.Dns.Set("x.wild.test", 30, "10.1.0.1");

        await ExchangeAsync(pipeline, pipeline.Connect(), "x.wild.test");

        Assert.Equal("10.1.0.1:8080", Assert.Single(pipeline.Upstreams.Dialled));
    }

    [Fact]
    public async Task Name_DoesNotExist_IsRefusedAsEnvoyDoesAndNamed()
    {
        await using Pipeline pipeline = new(Dynamic, endpoints: 0);
        pipeline.Dns.Remove("x.wild.test");
        MemoryConnection client = pipeline.Connect();
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: x.wild.test\r\n\r\n");
            string head = await client.ReadHeadAsync();
            Assert.StartsWith("HTTP/1.1 503 ", head, StringComparison.Ordinal);
            Assert.Contains("x-mesh-reason: dns_failure; detail=\"dns: NXDOMAIN for x.wild.test\"; scope=sidecar\r\n", head, StringComparison.Ordinal);
            Assert.Contains("x-mesh-outcome: not-sent\r\n", head, StringComparison.Ordinal);
            Assert.Equal("DNS resolution failure", await client.ReadAsync(22));
            Finished record = await pipeline.Sink.NextAsync();
            Assert.Equal((503, ResponseFlag.DF, "dns_resolution_failure"), (record.Code, record.Flag, record.Details));
        }

        Assert.Equal(["x.wild.test"], pipeline.Dns.Asked); // the answer is kept until it is due again
    }

    [Theory]
    [InlineData("127.0.0.1:15001")]
    [InlineData("127.0.0.1.:15001")]
    [InlineData("[::ffff:127.0.0.1]:15001")]
    [InlineData("0.0.0.0:15001")]
    public async Task Address_OfOurOwnListener_IsALoopInEverySpelling(string host)
    {
        await using Pipeline pipeline = new();

        MemoryConnection client = await pipeline.SendAsync($"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("loop_detected", (await pipeline.Sink.NextAsync()).Details);
        Assert.Empty(pipeline.Upstreams.Dialled);
    }

    [Fact]
    public async Task Name_LeadsToOurOwnListener_IsALoop()
    {
        await using Pipeline pipeline = new(static c => Dynamic(c) with { OnDemandPort = 15_001 }, endpoints: 0);
        pipeline.Dns.Set("x.wild.test", 30, "127.0.0.1");

        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: x.wild.test\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("loop_detected", (await pipeline.Sink.NextAsync()).Details);
        Assert.Empty(pipeline.Upstreams.Dialled);
    }

    [Fact]
    public async Task FirstAnswer_RequestsWaitForItWithinThePendingLimit()
    {
        await using Pipeline pipeline = new(static c => Dynamic(c).Limit(pending: 2), endpoints: 0);
        TaskCompletionSource gate = new();
        pipeline.Dns.Gate = gate.Task;
        pipeline.Dns.Set("x.wild.test", 30, "10.1.0.1");
        List<MemoryConnection> waiting = [];
        for (int i = 0; i < 2; i++)
        {
            waiting.Add(await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: x.wild.test\r\n\r\n"));
        }

        await Eventually.HoldsAsync(() => pipeline.Cluster.Stats.RqPendingActive.Value == 2, "both wait");
        MemoryConnection third = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: x.wild.test\r\n\r\n");
        Assert.Contains("x-mesh-reason: pending_overflow; ", await third.ReadHeadAsync(), StringComparison.Ordinal);

        gate.SetResult();
        MemoryConnection[] upstreams = [await pipeline.Upstreams.AcceptAsync(), await pipeline.Upstreams.AcceptAsync()];
        foreach (MemoryConnection upstream in upstreams) // both are in use before the first is answered, so that neither serves both
        {
            await upstream.ReadHeadAsync();
        }

        foreach (MemoryConnection upstream in upstreams)
        {
            await upstream.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        }

        foreach (MemoryConnection client in waiting)
        {
            Assert.StartsWith("HTTP/1.1 204 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        }

        Assert.Single(pipeline.Dns.Asked);
    }

    [Fact]
    public async Task FirstAnswer_NeverComes_IsRefusedAfterTheConnectTimeout()
    {
        await using Pipeline pipeline = new(Dynamic, endpoints: 0);
        pipeline.Dns.Gate = new TaskCompletionSource().Task;
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: x.wild.test\r\n\r\n");
        await Eventually.HoldsAsync(() => pipeline.Dns.Asked.Count == 1, "the name is asked for");

        pipeline.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.Contains("detail=\"dns: no answer yet for x.wild.test:80\"", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(0, pipeline.Cluster.Stats.RqPendingActive.Value);
    }

    [Fact]
    public async Task Name_NobodyAsksForAnyMore_IsForgotten()
    {
        await using Pipeline pipeline = new(Dynamic, endpoints: 0);
        pipeline.Dns.Set("x.wild.test", 3000, "10.1.0.1");
        pipeline.Dns.Set("y.wild.test", 3000, "10.1.0.2");
        MemoryConnection client = pipeline.Connect();
        await ExchangeAsync(pipeline, client, "x.wild.test");
        pipeline.Time.Advance(TimeSpan.FromMinutes(4));
        await ExchangeAsync(pipeline, client, "y.wild.test");

        pipeline.Time.Advance(TimeSpan.FromMinutes(2));

        Assert.Equal("y.wild.test:80", Assert.Single(pipeline.Cluster.Endpoints).Address);
        await ExchangeAsync(pipeline, client, "x.wild.test");
        Assert.Equal(["x.wild.test", "y.wild.test", "x.wild.test"], pipeline.Dns.Asked);
    }

    [Fact]
    public async Task Names_TooMany_ThoseThatLeadNowhereMakeRoom_ThoseInUseDoNot()
    {
        await using Pipeline pipeline = new(Dynamic, endpoints: 0);
        await RentAndEndAsync(pipeline, "h0.wild.test:80");
        List<UpstreamConnection> inUse = [];
        for (int i = 1; i < HostsOnDemand.MaxHosts; i++)
        {
            inUse.Add(await RentAsync(pipeline, i));
        }

        inUse.Add(await RentAsync(pipeline, HostsOnDemand.MaxHosts)); // in the place of h0, which has no address
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: more.wild.test\r\n\r\n");

        Assert.Contains("x-mesh-reason: dns_cache_overflow; limit=1024; now=1024; ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal((ResponseFlag.UO, "dns_cache_overflow"), await NextAsync(pipeline));
        inUse.ForEach(static c => c.Release(reusable: false));
    }

    [Fact]
    public async Task Names_TooMany_ThoseLongestUnusedMakeRoom()
    {
        await using Pipeline pipeline = new(Dynamic, endpoints: 0);
        for (int i = 1; i <= HostsOnDemand.MaxHosts; i++)
        {
            (await RentAsync(pipeline, i)).Release(reusable: false);
            pipeline.Time.Advance(TimeSpan.FromMilliseconds(1));
        }

        (await RentAsync(pipeline, HostsOnDemand.MaxHosts + 1)).Release(reusable: false);

        Assert.Null(pipeline.Cluster.Find("h1.wild.test:80"));
        Assert.NotNull(pipeline.Cluster.Find($"h{HostsOnDemand.MaxHosts}.wild.test:80"));
    }

    [Fact]
    [EffectOf("Sidecar", "outboundTrafficPolicy.mode")]
    public async Task UnknownHost_AllowAny_PassesUnderThePassthroughCluster()
    {
        await using Pipeline pipeline = new();
        pipeline.Dns.Set("who.test", 30, "10.2.0.1");

        await ExchangeAsync(pipeline, pipeline.Connect(), "who.test:8080");

        Assert.Equal("10.2.0.1:8080", Assert.Single(pipeline.Upstreams.Dialled));
        Cluster cluster = pipeline.Clusters.Find("PassthroughCluster|dns")!;
        Assert.Equal((1, 1), (cluster.Stats.RqTotal.Value, cluster.Stats.CxTotal.Value));
        Assert.Contains(cluster, pipeline.Clusters.Clusters);
        Assert.Equal("PassthroughCluster", cluster.Labels.Service);
    }

    [Fact]
    public async Task UnknownHost_AllowAny_AddressesNeedNoName()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect();

        await ExchangeAsync(pipeline, client, "10.2.0.9:8080");
        await ExchangeAsync(pipeline, client, "[fd00::9]");

        Assert.Equal(["10.2.0.9:8080", "[fd00::9]:80"], pipeline.Upstreams.Dialled);
        Assert.Empty(pipeline.Dns.Asked);
    }

    [Fact]
    public async Task UnknownHost_AllowAny_ConnectIsATunnel()
    {
        await using Pipeline pipeline = new();
        pipeline.Dns.Set("who.test", 30, "10.2.0.1");
        MemoryConnection client = await pipeline.SendAsync("CONNECT who.test:443 HTTP/1.1\r\nHost: who.test:443\r\n\r\n");

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.Equal("HTTP/1.1 200 OK\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("10.2.0.1:443", Assert.Single(pipeline.Upstreams.Dialled));
        await client.SendAsync("hello");
        Assert.Equal("hello", await upstream.ReadAsync(5));
        upstream.End();
        client.End();
        Assert.Equal((ResponseFlag.None, "via_upstream"), await NextAsync(pipeline));
    }

    [Fact]
    [EffectOf("Sidecar", "outboundTrafficPolicy.mode")]
    public async Task UnknownHost_RegistryOnly_IsRefusedUnderTheBlackHoleCluster()
    {
        await using Pipeline pipeline = new();
        pipeline.Policy = OutboundTrafficPolicy.RegistryOnly;

        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: who.test\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((502, ResponseFlag.None, "direct_response", "block_all", "BlackHoleCluster"), (record.Code, record.Flag, record.Details, record.RouteName, record.Destination?.Service));
        Assert.Empty(pipeline.Dns.Asked);
    }

    private static async Task<(ResponseFlag Flag, string? Details)> NextAsync(Pipeline pipeline)
    {
        Finished record = await pipeline.Sink.NextAsync();
        return (record.Flag, record.Details);
    }

    private static async Task<UpstreamConnection> RentAsync(Pipeline pipeline, int host)
    {
        pipeline.Dns.Set($"h{host}.wild.test", 3000, "10.1.0.1");
        RentResult rent = await pipeline.Cluster.RentHttpAsync(default, null, new PickContext(Target: $"h{host}.wild.test:80")).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(RentStatus.Ok, rent.Status);
        return rent.Connection!;
    }

    private static async Task<RentResult> RentAndEndAsync(Pipeline pipeline, string target)
    {
        RentResult rent = await pipeline.Cluster.RentHttpAsync(default, null, new PickContext(Target: target)).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        rent.Connection?.Release(reusable: false);
        return rent;
    }

    /// <summary>One request and its answer; over a new connection unless one is given.</summary>
    private static async Task<MemoryConnection> ExchangeAsync(Pipeline pipeline, MemoryConnection client, string host, MemoryConnection? over = null)
    {
        await client.SendAsync($"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        MemoryConnection upstream = over ?? await pipeline.Upstreams.AcceptAsync();
        Assert.Contains($"host: {host}\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 204 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await pipeline.Sink.NextAsync();
        return upstream;
    }
}
