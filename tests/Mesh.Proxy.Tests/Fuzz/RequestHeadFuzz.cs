using System.Buffers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Tests.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>A head that is taken is written so that it parses again to the same meaning, and then writes the same bytes.</summary>
internal static class RequestHeadFuzz
{
    private static readonly byte[] RequestId = "00000000-0000-4000-8000-000000000000"u8.ToArray();

    public static void Run(ReadOnlySpan<byte> input)
    {
        RequestHead first = new(Http1Limits.Default);
        byte[] bytes = input.ToArray(); // of its very size: what reads past the end is found
        if (first.TryParse(bytes, bytes.Length) != HeadError.None)
        {
            return;
        }

        byte[] written = Write(first);
        AssertClean(written);
        RequestHead second = new(Http1Limits.Default);
        byte[] again = [.. written];
        HeadError error = second.TryParse(again, again.Length);
        if (error == HeadError.TooManyHeaders || error == HeadError.TargetTooLong)
        {
            return; // what the proxy adds went over a limit
        }

        Assert.Equal(HeadError.None, error);
        Assert.Equal(Wire.Text(first.Method), Wire.Text(second.Method));
        Assert.Equal(Wire.Text(first.Authority), Wire.Text(second.Authority));
        Assert.Equal((first.Framing, first.IsUpgrade), (second.Framing, second.IsUpgrade));
        if (!first.IsConnect)
        {
            Assert.Equal(Wire.Text(written), Wire.Text(Write(second)));
        }
    }

    /// <summary>Nothing in a head but printable bytes, blanks inside values, and CR LF at the ends of lines.</summary>
    public static void AssertClean(ReadOnlySpan<byte> head)
    {
        Assert.True(head.EndsWith("\r\n\r\n"u8));
        while (!head.IsEmpty)
        {
            int end = FieldLine.IndexOfControl(head);
            Assert.True(end >= 0 && head[end..].StartsWith("\r\n"u8), "a control byte goes on");
            head = head[(end + 2)..];
            Assert.False(head.StartsWith(" "u8) || head.StartsWith("\t"u8), "a line goes on folded");
        }
    }

    private static byte[] Write(RequestHead head)
    {
        ArrayBufferWriter<byte> output = new();
        HeadWriter.WriteRequest(output, head, RequestId, 1);
        byte[] written = output.WrittenSpan.ToArray();
        if (head.IsConnect)
        {
            // Never forwarded as it is: the proxy answers CONNECT itself, and its target is an authority.
            written = Wire.Bytes(Wire.Text(written).Replace("CONNECT / ", $"CONNECT {Wire.Text(head.Authority)} ", StringComparison.Ordinal));
        }

        return written;
    }
}
