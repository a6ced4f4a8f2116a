using System.Buffers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Tests.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>As <see cref="RequestHeadFuzz"/>, for answers.</summary>
internal static class ResponseHeadFuzz
{
    public static void Run(ReadOnlySpan<byte> input)
    {
        ResponseHead first = new(Http1Limits.Default);
        byte[] bytes = input.ToArray();
        if (first.TryParse(bytes, bytes.Length) != HeadError.None || Decide(first, out BodyFraming framing) != HeadError.None)
        {
            return;
        }

        byte[] written = Write(first, framing);
        RequestHeadFuzz.AssertClean(written);
        ResponseHead second = new(Http1Limits.Default);
        byte[] again = [.. written];
        HeadError error = second.TryParse(again, again.Length);
        if (error == HeadError.TooManyHeaders)
        {
            return;
        }

        Assert.Equal(HeadError.None, error);
        Assert.Equal(HeadError.None, Decide(second, out BodyFraming framingAgain));
        Assert.Equal((first.Status, Wire.Text(first.Reason), framing), (second.Status, Wire.Text(second.Reason), framingAgain));
        Assert.Equal(Wire.Text(written), Wire.Text(Write(second, framingAgain)));
    }

    private static HeadError Decide(ResponseHead head, out BodyFraming framing) =>
        MessageFraming.DecideResponse(head.Headers, head.MinorVersion, head.Status, isHead: false, out framing);

    private static byte[] Write(ResponseHead head, BodyFraming framing)
    {
        ArrayBufferWriter<byte> output = new();
        HeadWriter.WriteResponse(output, head, framing.Kind, 7, "close"u8);
        return output.WrittenSpan.ToArray();
    }
}
