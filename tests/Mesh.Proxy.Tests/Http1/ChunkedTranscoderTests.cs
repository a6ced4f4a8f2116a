using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Chunked bodies that pass, written anew; what is refused is in <see cref="RefusedRequests"/>.</summary>
public sealed class ChunkedTranscoderTests
{
    private readonly ChunkedTranscoder _chunks = new(Http1Limits.Default);

    [Theory]
    [InlineData("0\r\n\r\n", "0\r\n\r\n", 0)]
    [InlineData("3\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", 3)]
    [InlineData("000A\r\n0123456789\r\n000\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n", 10)]
    [InlineData("3;x=\"y;\";\tz\r\nabc\r\n0;last\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", 3)]
    [InlineData("2\r\n\r\n\r\n0\r\n\r\n", "2\r\n\r\n\r\n0\r\n\r\n", 2)]
    [InlineData("1\r\nz\r\n0\r\nT:1\t\r\nU:\r\nV:  \u00e9\r\n\r\n", "1\r\nz\r\n0\r\nT: 1\r\nU: \r\nV: \u00e9\r\n\r\n", 1)]
    public void Take_HoweverCut_WritesTheSameAndLeavesWhatFollows(string wire, string expected, int payload)
    {
        byte[] bytes = Wire.Bytes(wire + "NEXT");
        for (int split = 0; split <= bytes.Length; split++)
        {
            (string written, long taken) = Wire.Chunks(_chunks, bytes, split);
            Assert.True(_chunks.IsDone, $"cut at {split}");
            Assert.Equal((expected, (long)wire.Length, (long)payload, (long)expected.Length), (written, taken, _chunks.PayloadBytes, _chunks.WrittenBytes));
        }
    }

    [Fact]
    public void Take_PayloadOnly_WritesNeitherFramingNorTrailers()
    {
        (string written, _) = Wire.Chunks(_chunks, Wire.Bytes("2\r\nab\r\n1;x\r\nc\r\n0\r\nT: 1\r\n\r\n"), 9, payloadOnly: true);
        Assert.Equal("abc", written);
        Assert.True(_chunks.IsDone);
    }

    [Fact]
    public void Take_LinesAtTheirLimits_Pass()
    {
        string longest = "3;" + new string('x', 1020) + "\r\nabc\r\n0\r\nT: " + new string('y', (16 * 1024) - 5) + "\r\n\r\n";
        byte[] bytes = Wire.Bytes(longest);
        foreach (int split in (int[])[0, 1, 500, 1023, 1024, 1025, 1030, 9000, bytes.Length - 3, bytes.Length])
        {
            Wire.Chunks(_chunks, bytes, split);
            Assert.True(_chunks.IsDone, $"cut at {split}");
        }
    }

    [Fact]
    public void Take_UnfinishedLine_TakesNothingOfIt()
    {
        (string written, long taken) = Wire.Chunks(_chunks, Wire.Bytes("3\r\nabc\r\n1;ext"), 4);
        Assert.Equal(("3\r\nabc\r\n", 8L, false, false), (written, taken, _chunks.IsDone, _chunks.IsInvalid));
    }
}
