using System.Buffers;
using Mesh.Proxy.Tests.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>
/// A connection's bytes from head to head: each request that goes on is one request and no more, with the body we counted, even to the most credulous upstream;
/// one that broke off is whole to nobody. Where the network cuts does not matter.
/// </summary>
internal static class RequestStreamFuzz
{
    public static void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return; // the framework's reader over a sequence cannot be advanced in an empty one
        }

        byte[] bytes = input.ToArray();
        List<Relayed> messages = StreamRelay.Requests(new ReadOnlySequence<byte>(bytes));
        foreach (Relayed message in messages)
        {
            GullibleMessage read = GullibleReader.Request(message.Bytes);
            Assert.True(read.IsWhole == message.IsWhole, $"whole: {message.IsWhole}\n{Wire.Text(message.Bytes)}");
            Assert.True(!message.IsWhole || (read.Length, read.Payload) == (message.Bytes.Length, message.Payload), Wire.Text(message.Bytes));
        }

        int cut = ((bytes.Length * 31) + bytes[^1]) % (bytes.Length + 1);
        List<Relayed> again = StreamRelay.Requests(Wire.Cut(bytes, cut));
        Assert.Equal(messages.Select(static m => Wire.Text(m.Bytes)), again.Select(static m => Wire.Text(m.Bytes)));
    }
}
