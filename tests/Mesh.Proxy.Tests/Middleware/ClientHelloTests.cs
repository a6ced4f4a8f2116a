using System.Buffers;
using System.Net.Security;
using Mesh.Proxy.Middleware;
using Mesh.Proxy.Tests.Http1;
using Xunit;
using Parser = Mesh.Proxy.Middleware.ClientHello;

namespace Mesh.Proxy.Tests.Middleware;

public sealed class ClientHelloTests
{
    /// <summary>Broken in one place each.</summary>
    public static TheoryData<string, byte[]> Broken => new()
    {
        { "HTTP", "GET / HTTP/1.1\r\n\r\n"u8.ToArray() },
        { "SSL 2", [0x80, 0x2e, 1, 3, 1] },
        { "an alert", Hello.Record([2, 40], kind: 21) },
        { "an empty record", [22, 3, 1, 0, 0] },
        { "a record above the limit", [22, 3, 1, 0x40, 1] },
        { "a ServerHello", Hello.Record(Hello.Raw(Hello.Body, kind: 2)) },
        { "an alert between two records", [.. Hello.Record(Hello.Message()[..9]), .. Hello.Record([2, 40], kind: 21)] },
        { "no body", Hello.Record(Hello.Raw([])) },
        { "cut in the random", Hello.Record(Hello.Raw(Hello.Body[..20])) },
        { "cut in the session", Hello.Record(Hello.Raw(Hello.Body[..50])) },
        { "cut in the cipher suites", Hello.Record(Hello.Raw(Hello.Body[..^4])) },
        { "cut in the compressions", Hello.Record(Hello.Raw(Hello.Body[..^1])) },
        { "bytes behind the extensions", Hello.Record(Hello.Raw([.. Hello.Body, 0, 0, 7])) },
        { "half an extension", Hello.Record(Hello.Message([0, 43, 0])) },
        { "an extension longer than the rest", Hello.Record(Hello.Message([0, 43, 0, 9, 1])) },
        { "two server names", Hello.Record(Hello.Message(Hello.Extension(0, Hello.ServerName("a.x")), Hello.Extension(0, Hello.ServerName("b.x")))) },
        { "two names in one list", Hello.Record(Hello.Message(Hello.Extension(0, Hello.Sized16([0, 0, 1, 97, 0, 0, 1, 98])))) },
        { "a name of another kind", Hello.Record(Hello.Message(Hello.Extension(0, Hello.Sized16([1, 0, 1, 97])))) },
        { "an empty name", Hello.For("") },
        { "no name in the list", Hello.Record(Hello.Message(Hello.Extension(0, [0, 0]))) },
        { "bytes behind the list of names", Hello.Record(Hello.Message(Hello.Extension(0, [.. Hello.ServerName("a"), 0]))) },
        { "a line feed in the name", Hello.For("a\nb") },
        { "letters beyond ASCII", Hello.For("\u00e4.x") },
        { "a name of 256 letters", Hello.For(new string('a', 256)) },
        { "an empty protocol", Hello.For("a.x", "h2", "") },
        { "no protocol in the list", Hello.Record(Hello.Message(Hello.Extension(16, [0, 0]))) },
        { "two lists of protocols", Hello.Record(Hello.Message(Hello.Extension(16, Hello.Sized16([1, 97])), Hello.Extension(16, Hello.Sized16([1, 97])))) },
    };

    [Theory]
    [InlineData("a.x")]
    [InlineData("A.Example.COM", "h2", "http/1.1")]
    [InlineData(null, "h2")]
    [InlineData(null)]
    public void Parse_SplitAnywhere_SaysTheSame(string? name, params string[] protocols)
    {
        byte[] bytes = [.. Hello.For(name, protocols), .. "early data"u8];
        Parser expected = new(name?.ToLowerInvariant(), protocols.Length == 0 ? null : string.Join(',', protocols));

        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            Assert.Equal(HelloStatus.Complete, Parser.Parse(Wire.Cut(bytes, cut), out Parser hello));
            Assert.Equal(expected, hello);
        }
    }

    [Fact]
    public void Parse_Beginning_NeedsMore()
    {
        byte[] bytes = Hello.For("a.example", "h2");

        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(HelloStatus.Incomplete, Parser.Parse(new ReadOnlySequence<byte>(bytes, 0, length), out Parser hello));
            Assert.Equal(default, hello);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(50)]
    public void Parse_InSeveralRecords_IsOneHello(int most)
    {
        byte[] bytes = Hello.Records(Hello.Message(Hello.Extension(0, Hello.ServerName("a.x"))), most);

        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(HelloStatus.Incomplete, Parser.Parse(Wire.Cut(bytes.AsSpan(0, length).ToArray(), length / 2), out _));
        }

        Assert.Equal(HelloStatus.Complete, Parser.Parse(Wire.Cut(bytes, bytes.Length / 3), out Parser hello));
        Assert.Equal("a.x", hello.ServerName);
    }

    [Theory]
    [MemberData(nameof(Broken))]
    public void Parse_Broken_IsNoTlsAndNamesNobody(string what, byte[] bytes)
    {
        Assert.True(HelloStatus.NotTls == Parser.Parse(new ReadOnlySequence<byte>(bytes), out Parser hello), what);
        Assert.Equal(default, hello);
    }

    [Fact]
    public void Parse_WithoutExtensions_IsAHelloOfOldTimes() =>
        Assert.Equal((HelloStatus.Complete, default(Parser)), (Parser.Parse(new ReadOnlySequence<byte>(Hello.Record(Hello.Raw(Hello.Body))), out Parser hello), hello));

    [Theory]
    [InlineData(Parser.MaxBytes - 200, true)]
    [InlineData(Parser.MaxBytes, false)]
    public void Parse_LongerThanTheLimit_NamesNobody(int padding, bool isRead)
    {
        byte[] bytes = Hello.Records(Hello.Message(Hello.Extension(21, new byte[padding]), Hello.Extension(0, Hello.ServerName("a.x"))), 15_000);

        Assert.Equal(isRead ? HelloStatus.Complete : HelloStatus.NotTls, Parser.Parse(new ReadOnlySequence<byte>(bytes), out Parser hello));
        Assert.Equal(isRead ? "a.x" : null, hello.ServerName);
    }

    [Fact]
    public async Task Parse_OfARealClient_FindsNameAndProtocols()
    {
        using MemoryStream sent = new();
        using DeafStream stream = new(sent);
        await using SslStream client = new(stream);
        SslClientAuthenticationOptions options = new() { TargetHost = "Real.Example", ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11] };

        await Assert.ThrowsAnyAsync<IOException>(() => client.AuthenticateAsClientAsync(options).WaitAsync(TimeSpan.FromSeconds(10)));

        Assert.Equal(HelloStatus.Complete, Parser.Parse(new ReadOnlySequence<byte>(sent.ToArray()), out Parser hello));
        Assert.Equal(new Parser("real.example", "h2,http/1.1"), hello);
    }

    /// <summary>Takes everything and never answers.</summary>
    private sealed class DeafStream(MemoryStream sent) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => 0;

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => sent.Write(buffer, offset, count);
    }
}
