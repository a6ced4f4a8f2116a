using Mesh.Proxy.Dns;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Dns;

public sealed class DnsMessageTests
{
    private const ushort Id = 0x1234;

    [Fact]
    public void WriteQuery_Name_IsOneQuestionAsOfTheRfc() => Assert.Equal(
        [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, (byte)'a', 4, (byte)'t', (byte)'e', (byte)'s', (byte)'t', 0, 0, 28, 0, 1],
        Query("a.test", DnsRecordType.Aaaa));

    [Theory]
    [InlineData("")]
    [InlineData("a..test")]
    [InlineData("é.test")]
    [InlineData("a234567890123456789012345678901234567890123456789012345678901234.test")]
    public void WriteQuery_NameThatCannotBe_WritesNothing(string name) => Assert.Empty(Query(name));

    [Fact]
    public void WriteQuery_NameTooLong_WritesNothing() => Assert.Empty(Query(string.Join('.', Enumerable.Repeat("abcdefgh", 29))));

    [Fact]
    public void Read_Addresses_InOrderWithTheShortestTtl()
    {
        byte[] query = Query("a.test");
        byte[] reply = [.. FakeDnsServer.Reply(query, ttl: 60, addresses: ["10.0.0.2", "10.0.0.1"])];
        reply[query.Length + 6 + 3 + 16] = 7; // TTL of the second record

        Assert.Equal(DnsReply.Answer, DnsMessage.Read(reply, query, out DnsAnswer answer));
        Assert.Equal(["10.0.0.2", "10.0.0.1"], answer.Addresses.Select(static a => a.ToString()));
        Assert.Equal(TimeSpan.FromSeconds(7), answer.Ttl);
    }

    [Fact]
    public void Read_Alias_IsFollowed()
    {
        byte[] query = Query("a.test");
        byte[] alias = [0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, (byte)'B', 0xC0, 14];
        byte[] stranger = [1, (byte)'x', 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 6, 6, 6];
        byte[] address = [1, (byte)'b', 0xC0, 14, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1];

        Assert.Equal(DnsReply.Answer, DnsMessage.Read(Message(query, 3, alias, stranger, address), query, out DnsAnswer answer));
        Assert.Equal("10.0.0.1", Assert.Single(answer.Addresses).ToString());
        Assert.Equal(TimeSpan.FromSeconds(9), answer.Ttl);
    }

    [Fact]
    public void Read_AliasToItself_IsNoAddress()
    {
        byte[] query = Query("a.test");

        DnsMessage.Read(Message(query, 1, [0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xC0, 12]), query, out DnsAnswer answer);

        Assert.Equal(DnsAnswer.Empty, answer);
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(0, true)]
    [InlineData(2, false)]
    [InlineData(5, false)]
    public void Read_NoRecords_OnlyNoSuchNameAndNoDataAreAnswers(int code, bool isAnswered)
    {
        byte[] query = Query("a.test");

        Assert.Equal(DnsReply.Answer, DnsMessage.Read(FakeDnsServer.Reply(query, code), query, out DnsAnswer answer));
        Assert.Equal((isAnswered, 0), (answer.IsAnswered, answer.Addresses.Length));
    }

    [Fact]
    public void Read_OtherIdOrOtherQuestionOrQuestionItself_IsNotOurs()
    {
        byte[] query = Query("a.test");
        byte[] otherId = FakeDnsServer.Reply(query);
        otherId[0]++;

        Assert.Equal(DnsReply.NotOurs, DnsMessage.Read(otherId, query, out _));
        Assert.Equal(DnsReply.NotOurs, DnsMessage.Read(FakeDnsServer.Reply(Query("b.test")), query, out _));
        Assert.Equal(DnsReply.NotOurs, DnsMessage.Read(query, query, out _));
        Assert.Equal(DnsReply.NotOurs, DnsMessage.Read([], query, out _));
    }

    [Fact]
    public void Read_CutShort_IsTruncated() => Assert.Equal(
        DnsReply.Truncated, DnsMessage.Read(FakeDnsServer.Reply(Query("a.test"), truncated: true), Query("a.test"), out _));

    [Theory]
    [InlineData(new byte[] { 0xC0, 24, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4 })] // a name that points at itself
    [InlineData(new byte[] { 0xC0, 40, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4 })] // forward
    [InlineData(new byte[] { 0xC0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4 })] // into the header
    [InlineData(new byte[] { 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 1, 2, 3 })] // an address of three bytes
    [InlineData(new byte[] { 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 40, 1, 2, 3, 4 })] // longer than the message
    [InlineData(new byte[] { 0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 0xC0, 12, 0 })] // an alias with something behind it
    [InlineData(new byte[] { 0x80, 12 })]
    [InlineData(new byte[] { 0xC0 })]
    [InlineData(new byte[0])]
    public void Read_BrokenRecord_IsNoAnswer(byte[] record)
    {
        byte[] query = Query("a.test");
        Assert.Equal(24, query.Length);

        Assert.Equal(DnsReply.Answer, DnsMessage.Read(Message(query, 1, record), query, out DnsAnswer answer));
        Assert.False(answer.IsAnswered);
    }

    [Fact]
    public void Read_AnyBytes_NeverThrows()
    {
        Random random = new(20261121);
        byte[] query = Query("a.test");
        byte[] good = FakeDnsServer.Reply(query, addresses: ["10.0.0.1", "10.0.0.2"]);
        int answers = 0;
        for (int i = 0; i < 100_000; i++)
        {
            byte[] bad = good[..random.Next(query.Length, good.Length + 1)];
            bad[random.Next(bad.Length)] = (byte)random.Next(256);
            bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
            answers += DnsMessage.Read(bad, query, out _) == DnsReply.Answer ? 1 : 0;
        }

        Assert.InRange(answers, 1, 99_999);
    }

    private static byte[] Message(byte[] query, byte count, params byte[][] records) =>
        [query[0], query[1], 0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0, .. query[12..], .. records.SelectMany(static r => r)];

    private static byte[] Query(string name, DnsRecordType type = DnsRecordType.A)
    {
        byte[] buffer = new byte[DnsMessage.MaxQueryLength];
        return buffer[..DnsMessage.WriteQuery(buffer, Id, name, type)];
    }
}
