using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What bounds late answers (adr/0051): memory, time, and the connection that a caller comes back on.</summary>
public sealed class AsyncReplyBoundsTests
{
    private const string Prefer = "Prefer: respond-async\r\n";
    private const string Post = Prefer + "Content-Length: 3\r\n";

    [Fact]
    public async Task Body_ForWhichThereIsNoRoom_IsServedAsEver()
    {
        await using RuleScene scene = await StartAsync("{}");
        Assert.True(scene.Clusters.AsyncReplies.TryReserve(AsyncReplyStore.MaxBytes - 2));
        MemoryConnection client = await scene.SendAsync(headers: Post, method: "POST");
        MemoryConnection upstream = await AcceptAsync(scene); // at once: its body is not waited for
        await client.SendAsync("abc");
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));

        Assert.Equal(200, (await scene.ReadAsync(client)).Status);
    }

    [Fact]
    public async Task Body_HoldsItsRoomUntilTheCallIsOver()
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection client = await scene.SendAsync(headers: Post, method: "POST");
        Assert.Equal((3L, 0), (scene.Clusters.AsyncReplies.Bytes, scene.Upstreams.Dials.Count));
        await client.SendAsync("abc");
        MemoryConnection upstream = await AcceptAsync(scene);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));
        Assert.Equal(200, (await scene.ReadAsync(client)).Status);

        await Eventually.HoldsAsync(() => scene.Clusters.AsyncReplies.Bytes == 0, "its room is free");
        (await scene.SendAsync(headers: Post, method: "POST")).Reset(); // before its body is here
        await Eventually.HoldsAsync(() => scene.Clusters.AsyncReplies.Bytes == 0, "its room is free too");
    }

    [Theory]
    [InlineData(400, 600, true)]
    [InlineData(400, 700, false)]
    [InlineData(1100, 1, false)]
    public async Task HeaderFields_CountAsTheBodyDoes(int field, int body, bool isKept)
    {
        await using RuleScene scene = await StartAsync("{maxBytes: 1Ki}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        Assert.Equal(1024, scene.Clusters.AsyncReplies.Bytes);
        await upstream.SendAsync($"HTTP/1.1 200 OK\r\nX-Long: {new string('x', field)}\r\nTransfer-Encoding: chunked\r\n\r\n{body:x}\r\n{new string('y', body)}\r\n0\r\n\r\n");

        Answered answered = await scene.CallAsync(location);
        Assert.Equal((isKept ? 200 : 502, isKept ? 0 : 1), (answered.Status, Stats(scene).Lost.Value));
        Assert.InRange(scene.Clusters.AsyncReplies.Bytes, answered.Body.Length, 1024);
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "asyncReply.keepFor")]
    public async Task CallThatTakesTooLong_IsCutOff_HoweverBusyItIs()
    {
        await using RuleScene scene = await StartAsync("{keepFor: 5m}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        for (int i = 0; i < 4; i++)
        {
            await upstream.SendAsync("x");
            scene.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(202, (await scene.CallAsync(location)).Status);
        await upstream.SendAsync("x");
        scene.Time.Advance(TimeSpan.FromMinutes(1));

        await Eventually.HoldsAsync(() => upstream.IsAborted, "it is cut off");
        Answered lost = await scene.CallAsync(location);
        Assert.Equal((504, 1L), (lost.Status, Stats(scene).Lost.Value));
        Assert.Contains("asyncReply.keepFor of default/rp#spec.asyncReply, 300s", lost.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answers_GoEachAtItsOwnTime_AndThenNoRequestIsLookedAt()
    {
        await using RuleScene scene = await StartAsync("{keepFor: 5m}");
        AsyncReplyStore store = scene.Clusters.AsyncReplies;
        string longer = await KeptAsync(scene);
        await scene.ApplyAsync(RuleTexts.Services, Policy("{keepFor: 1m}"));
        string shorter = await KeptAsync(scene);
        await scene.ApplyAsync(RuleTexts.Services);

        scene.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal((200, true, 1), ((await scene.CallAsync(longer)).Status, store.IsInUse, store.Count));
        scene.Time.Advance(TimeSpan.FromMinutes(4));
        await Eventually.HoldsAsync(() => store.Count == 0, "both are gone");
        Assert.Equal((false, 0L), (store.IsInUse, store.Bytes));
        scene.Upstreams.IsManual = false;
        Assert.Equal($"GET {shorter} HTTP/1.1", (await scene.CallAsync(shorter)).Sent.Line); // the path is the host's own again
    }

    [Fact]
    public async Task SlowReader_GetsAKeptAnswerPieceByPiece()
    {
        const int Length = 200_000;
        await using RuleScene scene = await StartAsync("{}");
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, new string('x', Length)));
        MemoryConnection client = scene.Connect(window: 1024);
        await client.SendAsync($"GET {location} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        string head = await client.ReadHeadAsync();

        int read = 0;
        while (read < Length)
        {
            string piece = client.ReadAvailable();
            Assert.InRange(piece.Length, 1, 64 * 1024);
            read += piece.Length;
        }

        Assert.Equal((Length, Length), (read, AnsweringUpstreams.LengthOf(head)));
        await client.SendAsync($"GET {location} HTTP/1.1\r\nHost: a.test\r\n\r\n"); // the connection goes on
        Assert.StartsWith("HTTP/1.1 200 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task LastRequestOfAConnection_IsToldSo()
    {
        await using Pipeline pipeline = new(
            static c => c with { AsyncReply = new AsyncReplyConfig() }, limits: ConnectionLimits.Default with { MaxRequestsPerConnection = 2 });
        MemoryConnection client = pipeline.Connect();
        MemoryConnection? upstream = null;
        for (int i = 1; i <= 2; i++)
        {
            await client.SendAsync($"GET / HTTP/1.1\r\nHost: a.test\r\n{Prefer}\r\n");
            upstream ??= await pipeline.Upstreams.AcceptAsync();
            await upstream.ReadHeadAsync();
            await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

            string head = await client.ReadHeadAsync();
            Assert.Equal(i == 2, head.Contains("connection: close\r\n", StringComparison.OrdinalIgnoreCase));
        }

        Assert.Equal("", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Id_IsInNoLog()
    {
        await using RuleScene scene = await StartAsync("{}");
        string location = await KeptAsync(scene);
        await scene.CallAsync(location);
        await scene.CallAsync("/.mesh/async/" + new string('0', 32));

        List<string?> paths = [];
        while (scene.Sink.Waiting > 0)
        {
            paths.Add((await scene.Sink.NextAsync()).Path);
        }

        Assert.Equal(["/", "/", "/.mesh/async/...", "/.mesh/async/..."], paths.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Head_IsServedAsEver()
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection client = await scene.SendAsync(headers: Prefer, method: "HEAD");
        MemoryConnection upstream = await AcceptAsync(scene);
        scene.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal("", client.ReadAvailable());
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");

        Assert.Contains("content-length: 5", await client.ReadHeadAsync(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task DrainsEnd_IsNotTakenForTheUpstreams()
    {
        await using RuleScene scene = await StartAsync("{}");
        MemoryConnection other = scene.Connect(); // its place in the registry goes to the call's own connection, which is cut off first then
        MemoryConnection client = scene.Connect();
        other.Reset();
        await Eventually.HoldsAsync(() => other.IsDisposed, "it has gone");
        await client.SendAsync($"GET / HTTP/1.1\r\nHost: a.test\r\n{Prefer}\r\n");
        await AcceptAsync(scene);

        scene.CutOff();
        await Eventually.HoldsAsync(() => client.IsDisposed, "all is over");

        Assert.Equal(ResponseFlag.DC, (await scene.Sink.NextAsync()).Flag);
        Assert.Equal(0, scene.Sink.Waiting);
    }

    private static Task<RuleScene> StartAsync(string reply)
    {
        NoSynchronizationContext.Use(); // of the test itself: an async method would give it back
        return CreateAsync();

        async Task<RuleScene> CreateAsync()
        {
            RuleScene scene = await RuleScene.StartAsync(Policy(reply));
            scene.Upstreams.IsManual = true;
            return scene;
        }
    }

    private static string Policy(string reply) => RuleTexts.Resilience($"host: a.test\nasyncReply: {reply}");

    private static AsyncReplyStats Stats(RuleScene scene) => scene.Cluster().Stats.AsyncReply!;

    private static async Task<MemoryConnection> AcceptAsync(RuleScene scene) => (await scene.Upstreams.AcceptAsync()).Connection;

    /// <summary>A call whose caller has been told to come back.</summary>
    private static async Task<(string Location, MemoryConnection Upstream)> AcceptedAsync(RuleScene scene)
    {
        MemoryConnection client = await scene.SendAsync(headers: Prefer + "Connection: close\r\n");
        MemoryConnection upstream = await AcceptAsync(scene);
        await upstream.ReadHeadAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(2));
        return (Assert.Single((await scene.ReadAsync(client))["location"]), upstream);
    }

    /// <summary>A call whose answer is kept; its upstream has gone.</summary>
    private static async Task<string> KeptAsync(RuleScene scene)
    {
        (string location, MemoryConnection upstream) = await AcceptedAsync(scene);
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
        return location;
    }
}
