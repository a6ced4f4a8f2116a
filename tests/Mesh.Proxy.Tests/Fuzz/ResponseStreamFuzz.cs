using System.Buffers;
using Mesh.Proxy.Tests.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>As <see cref="RequestStreamFuzz"/>, for an upstream's answers and the most credulous client.</summary>
internal static class ResponseStreamFuzz
{
    public static void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return; // the framework's reader over a sequence cannot be advanced in an empty one
        }

        byte[] bytes = input.ToArray();
        List<Relayed> messages = StreamRelay.Responses(new ReadOnlySequence<byte>(bytes));
        foreach (Relayed message in messages)
        {
            GullibleMessage read = GullibleReader.Response(message.Bytes, isHead: false);
            Assert.True(read.IsWhole == message.IsWhole, $"whole: {message.IsWhole}\n{Wire.Text(message.Bytes)}");
            Assert.True(!message.IsWhole || (read.Length, read.Payload) == (message.Bytes.Length, message.Payload), Wire.Text(message.Bytes));
        }

        int cut = ((bytes.Length * 31) + bytes[^1]) % (bytes.Length + 1);
        List<Relayed> again = StreamRelay.Responses(Wire.Cut(bytes, cut));
        Assert.Equal(messages.Select(static m => Wire.Text(m.Bytes)), again.Select(static m => Wire.Text(m.Bytes)));
    }
}
