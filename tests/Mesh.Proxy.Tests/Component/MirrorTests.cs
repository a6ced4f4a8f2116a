using Mesh.Proxy.Http1;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Copies of requests on the wire (semantics 6.3, adr/0022): what they are, whom they never touch, and what bounds them.</summary>
public sealed class MirrorTests
{
    private const string Get = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    private const string Oops = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops";

    private static readonly HttpRouteConfig Mirrored = new()
    {
        Name = "r",
        Source = "default/a#spec.http[0]",
        Clusters = [new WeightedClusterConfig(Pipeline.Name)],
        Mirrors = [new MirrorConfig(Pipeline.OtherName)],
    };

    [Fact]
    [EffectOf("VirtualService", "http.mirror")]
    [EffectOf("VirtualService", "http.mirror.host")]
    [EffectOf("VirtualService", "http.mirror.subset")]
    [EffectOf("VirtualService", "http.mirror.port.number")]
    public async Task Copy_IsTheSameRequest_AndItsAnswerIsDropped()
    {
        await using Pipeline pipeline = new(routes: [Mirrored]);
        ClusterStats copies = pipeline.Clusters.Find(Pipeline.OtherName)!.Stats;
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();

        Assert.Equal(await upstream.ReadHeadAsync(), await mirror.ReadHeadAsync()); // Host too: Istio has -shadow off
        await mirror.SendAsync(Oops);
        Assert.Equal("", client.ReadAvailable());
        await upstream.SendAsync(Ok);

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        Assert.Equal(Pipeline.Name, (await pipeline.Sink.NextAsync()).Cluster);
        Assert.Equal((1L, 1L, 0L), (copies.RqTotal.Value, copies.RqByCode[500], copies.RqActive.Value));
        Assert.Equal((1L, 0L), (pipeline.Cluster.Stats.RqTotal.Value, pipeline.Cluster.Stats.RqByCode[500]));
        Assert.Equal(0, pipeline.Exchanges.CopiesInFlight);
    }

    [Fact]
    [EffectOf("VirtualService", "http.mirrors.destination")]
    [EffectOf("VirtualService", "http.mirrors.destination.host")]
    [EffectOf("VirtualService", "http.mirrors.destination.subset")]
    [EffectOf("VirtualService", "http.mirrors.destination.port.number")]
    public async Task EveryMirror_GetsItsCopy_WithTheChangesOfTheRoute_AndConnectionsAreUsedAgain()
    {
        HttpRouteConfig route = Mirrored with
        {
            Mirrors = [new(Pipeline.OtherName), new(Pipeline.InboundName), new("outbound|80||lost.test")],
            Rewrite = new RewriteConfig { Path = "/new/", Authority = "new.test" },
        };
        await using Pipeline pipeline = new(routes: [route]);
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection[] all = [await pipeline.Upstreams.AcceptAsync(), await pipeline.Upstreams.AcceptAsync(), await pipeline.Upstreams.AcceptAsync()];
        for (int round = 0; round < 2; round++)
        {
            foreach (MemoryConnection upstream in all)
            {
                Assert.StartsWith("GET /new/x HTTP/1.1\r\nhost: new.test\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
                await upstream.SendAsync(Ok);
            }

            await client.ReadUntilAsync("ok");
            await client.SendAsync(round == 0 ? Get : "");
        }

        Assert.Equal(3, pipeline.Upstreams.Made);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // switched off, and one in shadow mode would be looked at
    public async Task Body_IsKeptForTheCopyAlone_WithoutRetries(bool isOff)
    {
        await using Pipeline pipeline = new(routes: [isOff ? Mirrored with { Retry = new RetryConfig { Attempts = 0, IsOff = true } } : Mirrored]);
        await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadUntilAsync("abc");
        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();
        await mirror.ReadUntilAsync("abc");

        Assert.Equal(0, pipeline.Context.RetryMemory.Used); // before the answer
        mirror.Reset();
    }

    [Theory]
    [InlineData("Content-Length: 6\r\n\r\n", "abc", "def", "abcdef")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n", "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")]
    public async Task Body_IsCopied_OnceItHasLeft(string framing, string first, string second, string expected)
    {
        await using Pipeline pipeline = new(routes: [Mirrored]);
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\n" + framing + first);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        string head = await upstream.ReadHeadAsync();
        Assert.Equal(1, pipeline.Upstreams.Made);

        await client.SendAsync(second);

        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(head, await mirror.ReadHeadAsync());
        Assert.Equal(expected, await mirror.ReadUntilAsync(expected[^3..]));
        Assert.Equal(expected, await upstream.ReadUntilAsync(expected[^3..]));
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Assert.Equal(0, pipeline.Context.RetryMemory.Used); // although the copy still waits for its answer
        mirror.Reset();
    }

    [Fact]
    public async Task Body_ThatIsTooLong_GoesOnWithoutACopy()
    {
        await using Pipeline pipeline = new(routes: [Mirrored]);
        int length = pipeline.Context.RetryMemory.MaxRequestBytes + 1;
        MemoryConnection client = await pipeline.SendAsync($"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        await client.SendAsync(new byte[length]);

        Assert.Equal(length, (await upstream.ReadAsync(length)).Length);
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Assert.Equal(1, pipeline.Upstreams.Made);
        Assert.Equal(1, pipeline.Cluster.Stats.RetryOrShadowAbandoned.Value);
        Assert.Equal(1, pipeline.Clusters.Find(Pipeline.OtherName)!.Stats.RqShadowDropped.Value);
    }

    [Theory]
    [InlineData(30, 29, 2)]
    [InlineData(30, 30, 1)]
    [InlineData(100, 99, 2)]
    [EffectOf("VirtualService", "http.mirrorPercentage")]
    [EffectOf("VirtualService", "http.mirrorPercentage.value")]
    [EffectOf("VirtualService", "http.mirrorPercent")]
    [EffectOf("VirtualService", "http.mirrors.percentage")]
    [EffectOf("VirtualService", "http.mirrors.percentage.value")]
    public async Task Percent_IsTheShareOfRequests(double percent, int drawn, int connections)
    {
        ScriptedRandom rehearsal = new();
        await using (new Pipeline(random: rehearsal))
        {
        }

        await using Pipeline pipeline = new(
            random: new ScriptedRandom([.. new int[rehearsal.Draws], drawn]), routes: [Mirrored with { Mirrors = [new(Pipeline.OtherName, percent)] }]);

        await pipeline.SendAsync(Get);

        Assert.Equal(connections, pipeline.Upstreams.Made);
    }

    [Fact]
    public async Task MirrorThatHangs_CostsTheCallerNothing_AndIsGivenUpWithTheTimeOfTheRoute()
    {
        await using Pipeline pipeline = new(routes: [Mirrored with { Timeout = TimeSpan.FromSeconds(3) }]);
        ClusterStats copies = pipeline.Clusters.Find(Pipeline.OtherName)!.Stats;
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        client.End(); // the copy does not belong to the client
        Assert.False(mirror.IsAborted);
        Assert.Equal(1, pipeline.Exchanges.CopiesInFlight);

        pipeline.Time.Advance(TimeSpan.FromSeconds(3));

        await Eventually.HoldsAsync(() => pipeline.Exchanges.CopiesInFlight == 0, "the copy has been given up");
        Assert.True(mirror.IsAborted);
        Assert.Equal((1L, 1L, 1L), (copies.RqTimeout.Value, copies.RqTxReset.Value, copies.RqByCode[504]));
        Assert.Equal(0, pipeline.Cluster.Stats.RqTimeout.Value);
    }

    [Fact]
    public async Task MirrorThatCannotBeReached_IsChargedToItsOwnClusterAlone()
    {
        await using Pipeline pipeline = new(routes: [Mirrored]);
        ClusterStats copies = pipeline.Clusters.Find(Pipeline.OtherName)!.Stats;
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        pipeline.Upstreams.Refuses = "Connection refused";

        await client.SendAsync("a");
        await upstream.SendAsync(Ok);

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        Assert.Equal((1L, 1L), (copies.CxConnectFail.Value, copies.RqByCode[503]));
        Assert.Equal(0, pipeline.Cluster.Stats.CxConnectFail.Value);
        Assert.Equal(ResponseFlag.None, (await pipeline.Sink.NextAsync()).Flag);
    }

    [Fact]
    public async Task MirrorThatFails_IsEjectedFromItsOwnCluster()
    {
        await using Pipeline pipeline = new(
            configure: static c => c with { Outlier = new OutlierConfig { Consecutive5xx = 1, MaxEjectionPercent = 100 } }, routes: [Mirrored]);
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();

        await mirror.SendAsync(Oops);
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");

        Assert.Equal(1, pipeline.Clusters.Find(Pipeline.OtherName)!.Stats.EjectionsActive.Value);
        Assert.Equal(0, pipeline.Cluster.Stats.EjectionsActive.Value);
    }

    [Fact]
    public async Task LimitsOfTheMirror_HoldForCopies()
    {
        await using Pipeline pipeline = new(
            configure: static c => c with { Limits = c.Limits with { MaxConnections = 1, MaxPendingRequests = 1 } }, routes: [Mirrored]);
        ClusterStats copies = pipeline.Clusters.Find(Pipeline.OtherName)!.Stats;
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        for (int i = 0; i < 3; i++)
        {
            await upstream.SendAsync(Ok); // while the mirror still works on the first
            await client.ReadUntilAsync("ok");
            await client.SendAsync(i < 2 ? Get : "");
        }

        Assert.Equal((1L, 1L, 1L), (copies.RqTotal.Value, copies.RqPendingActive.Value, copies.RqPendingOverflow.Value));
        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();
        for (int i = 0; i < 2; i++)
        {
            await mirror.ReadHeadAsync();
            await mirror.SendAsync(Ok); // then the one that waited has its turn
        }

        await Eventually.HoldsAsync(() => pipeline.Exchanges.CopiesInFlight == 0, "both copies are done");
        Assert.Equal(2, copies.RqTotal.Value);
    }

    [Fact]
    public async Task RequestThatIsTriedAgain_IsCopiedOnce()
    {
        RetryConfig retry = new() { Conditions = RetryConditions.ServerError, Attempts = 2 };
        await using Pipeline pipeline = new(routes: [Mirrored with { Retry = retry }]);
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();

        Assert.EndsWith("abc", await upstream.ReadUntilAsync("abc"), StringComparison.Ordinal);
        await upstream.SendAsync(Oops);
        Assert.Contains("x-envoy-attempt-count: 2\r\n", await upstream.ReadUntilAsync("abc"), StringComparison.Ordinal);
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        await mirror.SendAsync(Oops);

        Assert.Equal(1, pipeline.Clusters.Find(Pipeline.OtherName)!.Stats.RqTotal.Value);
        Assert.Equal(0, pipeline.Clusters.Find(Pipeline.OtherName)!.Stats.RqRetry.Value);
    }

    [Theory]
    [InlineData("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")]
    public async Task TunnelsAndUpgrades_AreNotCopied(string request)
    {
        await using Pipeline pipeline = new(routes: [Mirrored]);

        await pipeline.SendAsync(request);

        Assert.Equal(1, pipeline.Upstreams.Made);
    }

    [Fact]
    public async Task CopiesAtTheSameTime_AreBounded()
    {
        await using Pipeline pipeline = new();
        MirrorSender sender = new(pipeline.Context, maxInFlight: 1);
        Cluster to = pipeline.Clusters.Find(Pipeline.OtherName)!;
        KeptBody head = new(pipeline.Context.RetryMemory);
        head.TryReserve(Get.Length);
        System.Text.Encoding.ASCII.GetBytes(Get, head.GetSpan());
        head.Advance(Get.Length);
        MirrorMessage message = new(head, null, IsHead: false, TimeSpan.FromSeconds(1));

        sender.Send(to, message, null, default);
        sender.Send(to, message, null, default);

        message.Release();
        Assert.Equal((1, 1L, 1L), (sender.InFlight, to.Stats.RqTotal.Value, to.Stats.RqShadowDropped.Value));
        MemoryConnection mirror = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(Get, await mirror.ReadHeadAsync());
        await mirror.SendAsync(Ok);
        Assert.Equal(0, sender.InFlight);
    }
}
