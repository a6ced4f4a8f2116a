using System.Buffers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Parsing and writing allocate nothing once their objects are there: a request with everything in it, an answer, and a chunked body with trailers, cut.</summary>
public sealed class CodecAllocationTests
{
    private static readonly byte[] RequestBytes = Wire.Bytes(
        "POST http://a.test/x/%2e/../y?z HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: X-A, keep-alive\r\nX-A: 1\r\nTE: gzip, trailers\r\n" +
        "x-request-id: 1\r\nX-Forwarded-For: 1.2.3.4\r\nTransfer-Encoding: chunked\r\n\r\n");

    private static readonly byte[] ResponseBytes = Wire.Bytes("HTTP/1.1 200 OK\r\nServer: x\r\nDate: now\r\nContent-Type: text/plain\r\nContent-Length: 10\r\nKeep-Alive: 5\r\n\r\n");

    private readonly byte[] _bytes = new byte[1024];
    private readonly ReadOnlySequence<byte> _body = Wire.Cut(Wire.Bytes("003;x\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"), 7);
    private readonly RequestHead _request = new(Http1Limits.Default);
    private readonly ResponseHead _response = new(Http1Limits.Default);
    private readonly ChunkedTranscoder _chunks = new(Http1Limits.Default);
    private readonly ArrayBufferWriter<byte> _output = new(8192);

    [Fact]
    public void Messages_OneAfterTheOther_AllocateNothing()
    {
        Exchange(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exchange(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void Exchange(int count)
    {
        bool isRight = true;
        for (int i = 0; i < count; i++)
        {
            _output.ResetWrittenCount();
            RequestBytes.CopyTo(_bytes, 0);
            isRight &= _request.TryParse(_bytes, RequestBytes.Length) == HeadError.None;
            HeadWriter.WriteRequest(_output, _request, "id"u8, 1);
            _chunks.Begin(_output, payloadOnly: false);
            isRight &= _chunks.Take(_body) == _body.Length && _chunks.IsDone;
            isRight &= _response.TryParse(ResponseBytes, ResponseBytes.Length) == HeadError.None;
            isRight &= MessageFraming.DecideResponse(_response.Headers, 1, _response.Status, isHead: false, out BodyFraming framing) == HeadError.None;
            HeadWriter.WriteResponse(_output, _response, framing.Kind, 1, default);
        }

        Assert.True(isRight);
    }
}
