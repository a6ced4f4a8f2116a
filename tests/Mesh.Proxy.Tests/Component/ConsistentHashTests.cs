using System.Net;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What each key of consistentHash does to traffic: the same key finds the same endpoint, other keys find others.</summary>
public sealed class ConsistentHashTests
{
    private const int Endpoints = 8;
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    public static TheoryData<string, HashKeySource, string, string> Keys { get; } = new()
    {
        { "X-User", HashKeySource.Header, "GET / HTTP/1.1\r\nHost: a.test\r\nx-user: {0}\r\n\r\n", "ring" },
        { "X-User", HashKeySource.Header, "GET / HTTP/1.1\r\nHost: a.test\r\nx-user: {0}\r\n\r\n", "maglev" },
        { ":path", HashKeySource.Header, "GET /{0} HTTP/1.1\r\nHost: a.test\r\n\r\n", "ring" },
        { "user", HashKeySource.Cookie, "GET / HTTP/1.1\r\nHost: a.test\r\nCookie: a=b; user={0}; c=d\r\n\r\n", "ring" },
        { "user", HashKeySource.Cookie, "GET / HTTP/1.1\r\nHost: a.test\r\nCookie: user=\"{0}\"\r\n\r\n", "maglev" },
        { "user", HashKeySource.QueryParameter, "GET /p?a=b&user={0}&c HTTP/1.1\r\nHost: a.test\r\n\r\n", "ring" },
    };

    [Theory]
    [MemberData(nameof(Keys))]
    public async Task Key_DecidesTheEndpoint(string name, HashKeySource source, string request, string table)
    {
        await using Pipeline pipeline = Create(new HashConfig { Source = source, Name = name, MaglevTableSize = table == "ring" ? 0 : 65_537 });
        HashSet<string> used = [];
        for (int user = 0; user < 12; user++)
        {
            string text = string.Format(null, request, $"user{user}");
            string first = await AskAsync(pipeline, text);
            used.Add(first);

            Assert.Equal(first, await AskAsync(pipeline, text));
            Assert.Equal(first, await AskAsync(pipeline, text));
        }

        Assert.InRange(used.Count, 3, Endpoints);
    }

    [Theory]
    [InlineData(HashKeySource.Header)]
    [InlineData(HashKeySource.Cookie)]
    [InlineData(HashKeySource.QueryParameter)]
    public async Task KeyMissing_ChoiceIsRandom(HashKeySource source)
    {
        await using Pipeline pipeline = Create(new HashConfig { Source = source, Name = "user" }, new Random(1));
        HashSet<string> used = [];
        for (int i = 0; i < 20; i++)
        {
            used.Add(await AskAsync(pipeline, "GET /?users=1 HTTP/1.1\r\nHost: a.test\r\nCookie: users=1\r\n\r\n"));
        }

        Assert.InRange(used.Count, 3, Endpoints);
    }

    [Fact]
    public async Task SourceIp_DecidesTheEndpoint_ItsPortDoesNot()
    {
        await using Pipeline pipeline = Create(new HashConfig { Source = HashKeySource.SourceIp });
        HashSet<string> used = [];
        for (int last = 1; last < 13; last++)
        {
            string first = await AskAsync(pipeline, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", new(IPAddress.Parse($"127.9.8.{last}"), 1000));
            used.Add(first);

            Assert.Equal(first, await AskAsync(pipeline, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", new(IPAddress.Parse($"127.9.8.{last}"), 2000)));
        }

        Assert.InRange(used.Count, 3, Endpoints);
    }

    [Fact]
    public async Task SourceIp_HoldsForTcp()
    {
        await using Pipeline pipeline = Create(new HashConfig { Source = HashKeySource.SourceIp });
        HashSet<string> used = [];
        for (int i = 0; i < 24; i++)
        {
            MemoryConnection client = pipeline.Connect(pipeline.Tcp, from: new IPEndPoint(new IPAddress([127, 9, 8, (byte)(i / 2)]), 1000 + i));
            (await pipeline.Upstreams.AcceptAsync()).End();
            client.End();
            string host = (await pipeline.Sink.NextAsync()).UpstreamHost!;

            Assert.Equal(i % 2 == 0, used.Add($"{i / 2} {host}"));
        }

        Assert.InRange(used.Select(static u => u.Split(' ')[1]).Distinct().Count(), 3, Endpoints);
    }

    [Fact]
    public async Task CookieMissing_WithTtl_IsGenerated_AndLeadsBack()
    {
        await using Pipeline pipeline = Create(
            new HashConfig { Source = HashKeySource.Cookie, Name = "user", CookieAttributes = "; Max-Age=60; Path=/shop; HttpOnly" }, new Random(7));
        for (int i = 0; i < 10; i++)
        {
            MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            await AnswerAsync(pipeline);
            string head = await client.ReadHeadAsync();
            string? first = (await pipeline.Sink.NextAsync()).UpstreamHost;
            string cookie = Assert.Single(head.Split("\r\n"), static l => l.StartsWith("set-cookie: ", StringComparison.Ordinal));

            Assert.Matches("^set-cookie: user=[0-9a-f]{16}; Max-Age=60; Path=/shop; HttpOnly$", cookie);
            string value = cookie["set-cookie: ".Length..cookie.IndexOf(';')];
            Assert.Equal(first, await AskAsync(pipeline, $"GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {value}\r\n\r\n"));
        }
    }

    [Fact]
    public async Task CookieThere_IsNotGeneratedAgain()
    {
        await using Pipeline pipeline = Create(new HashConfig { Source = HashKeySource.Cookie, Name = "user", CookieAttributes = "; HttpOnly" });
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: user=1\r\n\r\n");
        await AnswerAsync(pipeline);

        Assert.DoesNotContain("set-cookie", await client.ReadHeadAsync(), StringComparison.OrdinalIgnoreCase);
    }

    private static Pipeline Create(HashConfig hash, Random? random = null) =>
        new(c => c with { Hash = hash, Connection = c.Connection with { MaxRequestsPerConnection = 1 } }, Endpoints, random: random);

    private static async Task<string> AskAsync(Pipeline pipeline, string request, IPEndPoint? from = null)
    {
        MemoryConnection client = pipeline.Connect(from: from);
        await client.SendAsync(request);
        await AnswerAsync(pipeline);
        await client.ReadUntilAsync("ok");
        return (await pipeline.Sink.NextAsync()).UpstreamHost!;
    }

    private static async Task AnswerAsync(Pipeline pipeline)
    {
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync(); // each request has a connection of its own
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
    }
}
