using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>The parsers over the tables of refused shapes, cut at every byte: where the network cuts must not matter.</summary>
public sealed class RefusalTests
{
    [Theory]
    [MemberData(nameof(RefusedRequests.Heads), MemberType = typeof(RefusedRequests))]
    public void Request_HoweverCut_IsRefused(string name)
    {
        RefusedRequest shape = RefusedRequests.Get(name);
        byte[] bytes = Wire.Bytes(shape.Raw);
        foreach (int split in Splits(bytes.Length))
        {
            HeadError error = Wire.Request(bytes, split, out _);
            Assert.True((shape.Status, shape.Details) == (HeadErrors.StatusCode(error), HeadErrors.Details(error)), $"cut at {split}: {error}");
        }
    }

    [Theory]
    [MemberData(nameof(RefusedRequests.BrokenBodies), MemberType = typeof(RefusedRequests))]
    public void RequestBody_HoweverCut_IsRefusedAndWhatWasWrittenIsNoWholeBody(string name) =>
        AssertBodyRefused(RefusedRequests.Get(name).Raw);

    [Theory]
    [MemberData(nameof(RefusedResponses.Heads), MemberType = typeof(RefusedResponses))]
    public void Response_HoweverCut_IsRefused(string name)
    {
        byte[] bytes = Wire.Bytes(RefusedResponses.Get(name).Raw);
        foreach (int split in Splits(bytes.Length))
        {
            HeadError error = Wire.Response(bytes, split, out ResponseHead head, out _);
            Assert.True(error != HeadError.None || head.Status == 101, $"cut at {split}"); // 101 depends on the request
        }
    }

    [Theory]
    [MemberData(nameof(RefusedResponses.BrokenBodies), MemberType = typeof(RefusedResponses))]
    public void ResponseBody_HoweverCut_IsRefusedAndWhatWasWrittenIsNoWholeBody(string name) =>
        AssertBodyRefused(RefusedResponses.Get(name).Raw);

    private static void AssertBodyRefused(string raw)
    {
        byte[] bytes = Wire.Bytes(raw[(raw.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]);
        ChunkedTranscoder chunks = new(Http1Limits.Default);
        foreach (int split in Splits(bytes.Length))
        {
            (string written, _) = Wire.Chunks(chunks, bytes, split);
            Assert.True(chunks.IsInvalid, $"cut at {split}");
            Assert.False(written.StartsWith("0\r\n\r\n", StringComparison.Ordinal) || written.Contains("\r\n0\r\n\r\n", StringComparison.Ordinal), written);
        }
    }

    // Long shapes are long by filling: their ends are what matters.
    private static IEnumerable<int> Splits(int length) =>
        Enumerable.Range(0, length + 1).Where(i => length < 600 || i < 200 || i > length - 200 || i % 997 == 0);
}
