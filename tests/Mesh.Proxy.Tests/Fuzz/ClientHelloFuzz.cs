using System.Buffers;
using Mesh.Proxy.Middleware;
using Mesh.Proxy.Tests.Http1;
using Mesh.Proxy.Tests.Middleware;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>
/// The hello, cut anywhere, says the same; a verdict is never taken back when more bytes come; and a name that was read stands in the bytes as a client would write it.
/// </summary>
internal static class ClientHelloFuzz
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        Hello.For("a.example", "h2", "http/1.1"), Hello.For(null), Hello.Record(Hello.Raw(Hello.Body)), Hello.Records(Hello.Message(Hello.Extension(0, Hello.ServerName("b.x"))), 20),
        .. ClientHelloTests.Broken.Select(static row => (byte[])((object[])row)[1]),
    ];

    public static void Run(ReadOnlySpan<byte> input)
    {
        byte[] bytes = input.ToArray();
        HelloStatus status = ClientHello.Parse(new ReadOnlySequence<byte>(bytes), out ClientHello hello);
        int cut = bytes.Length == 0 ? 0 : ((bytes.Length * 31) + bytes[^1]) % (bytes.Length + 1);
        Assert.Equal((status, hello), (ClientHello.Parse(Wire.Cut(bytes, cut), out ClientHello again), again));
        HelloStatus before = ClientHello.Parse(new ReadOnlySequence<byte>(bytes, 0, cut), out ClientHello early);
        Assert.True(before == HelloStatus.Incomplete || (before, early) == (status, hello), $"{before} after {cut} bytes became {status}");
        if (hello.ServerName is { } name)
        {
            Assert.Equal(HelloStatus.Complete, status);
            Assert.InRange(name.Length, 1, 255);
            Assert.All(name, static c => Assert.InRange(c, '!', '~'));
            Assert.Equal(HelloStatus.Complete, ClientHello.Parse(new ReadOnlySequence<byte>(Hello.For(name)), out ClientHello same));
            Assert.Equal(name, same.ServerName);
        }

        if (status != HelloStatus.Complete)
        {
            Assert.Equal(default, hello);
        }
    }
}
