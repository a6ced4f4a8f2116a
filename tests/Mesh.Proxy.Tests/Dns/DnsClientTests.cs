using Mesh.Proxy.Dns;
using Mesh.Proxy.Infrastructure;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Dns;

/// <summary>The client against a nameserver on loopback.</summary>
public sealed class DnsClientTests : IAsyncDisposable
{
    private static readonly string[] Both = ["10.0.0.1", "fd00::1"];

    private readonly FakeDnsServer _server = new();
    private readonly FakeTimeProvider _time = new();
    private readonly string _file = Path.GetTempFileName();

    [Theory]
    [InlineData(DnsRecordType.A, "10.0.0.1")]
    [InlineData(DnsRecordType.Aaaa, "fd00::1")]
    public async Task Query_Datagram_IsAnswered(DnsRecordType type, string expected)
    {
        _server.OverUdp = static query => [FakeDnsServer.Reply(query, ttl: 30, addresses: Both)];

        DnsAnswer answer = await AskAsync(type);

        Assert.Equal((true, TimeSpan.FromSeconds(30)), (answer.IsAnswered, answer.Ttl));
        Assert.Equal(expected, Assert.Single(answer.Addresses).ToString());
    }

    [Fact]
    public async Task Query_ForgedDatagramFirst_WaitsForTheRealOne()
    {
        _server.OverUdp = static query =>
        {
            byte[] forged = FakeDnsServer.Reply(query, addresses: "6.6.6.6");
            forged[1]++;
            return [forged, FakeDnsServer.Reply(query, addresses: "10.0.0.1")];
        };

        Assert.Equal("10.0.0.1", Assert.Single((await AskAsync(DnsRecordType.A)).Addresses).ToString());
    }

    [Fact]
    public async Task Query_TruncatedDatagram_IsAskedAgainOverTcp()
    {
        string[] many = [.. Enumerable.Range(1, 100).Select(static i => $"10.0.0.{i}")];
        _server.OverUdp = static query => [FakeDnsServer.Reply(query, truncated: true)];
        _server.OverTcp = query => FakeDnsServer.Reply(query, addresses: many);

        Assert.Equal(many, (await AskAsync(DnsRecordType.A)).Addresses.Select(static a => a.ToString()));
    }

    [Fact]
    public async Task Query_ServerFails_IsAskedOnceMoreThenGivenUp()
    {
        _server.OverUdp = static query => [FakeDnsServer.Reply(query, code: 2)];

        Assert.False((await AskAsync(DnsRecordType.A)).IsAnswered);
        Assert.Equal(2, _server.Queries.Count);
    }

    [Fact]
    public async Task Query_ServerIsSilent_IsGivenUpWhenTheTimeIsOver()
    {
        Task<DnsAnswer> asked = AskAsync(DnsRecordType.A);
        for (int i = 1; i <= 2; i++)
        {
            int expected = i;
            await Eventually.HoldsAsync(() => _server.Queries.Count == expected, "the next question");
            _time.Advance(TimeSpan.FromSeconds(2));
        }

        Assert.False((await asked).IsAnswered);
    }

    [Fact]
    public async Task Query_NameInHostsFile_AsksNobody()
    {
        await File.WriteAllTextAsync(_file, "# mine\n10.1.1.1 other A.test # here\nfd00::9\ta.test\nbroken a.test\n");

        Assert.Equal("10.1.1.1", Assert.Single((await AskAsync(DnsRecordType.A)).Addresses).ToString());
        Assert.Equal("fd00::9", Assert.Single((await AskAsync(DnsRecordType.Aaaa)).Addresses).ToString());
        Assert.Empty(_server.Queries);
    }

    [Fact]
    public async Task Servers_ResolvConf_NamesTheFirstThree()
    {
        await File.WriteAllTextAsync(_file, "search x.test\nnameserver 10.0.0.1\nnameserver nonsense\nnameserver fd00::2 # two\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n");

        Assert.Equal(["10.0.0.1:53", "[fd00::2]:53", "10.0.0.3:53"], new DnsSources(ResolvConf: _file).Servers().Select(static s => s.ToString()));
        Assert.Equal("127.0.0.1:53", Assert.Single(new DnsSources(ResolvConf: _file + ".none").Servers()).ToString());
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        File.Delete(_file);
    }

    private Task<DnsAnswer> AskAsync(DnsRecordType type)
    {
        DnsClient client = new(new ProxyRuntime(_time, new ScriptedRandom(), NullLoggerFactory.Instance), new DnsSources(_server.EndPoint, Hosts: _file));
        return client.QueryAsync("a.test", type).WaitAsync(TimeSpan.FromSeconds(10));
    }
}
