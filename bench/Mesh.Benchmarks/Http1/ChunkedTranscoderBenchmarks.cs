using System.Buffers;
using System.Text;
using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;

namespace Mesh.Benchmarks.Http1;

/// <summary>A chunked body of 16 KiB read and written anew, in chunks of several sizes. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class ChunkedTranscoderBenchmarks
{
    private const int BodyBytes = 16 * 1024;
    private readonly ChunkedTranscoder _transcoder = new(Http1Limits.Default);
    private readonly ArrayBufferWriter<byte> _output = new(4 * BodyBytes);
    private ReadOnlySequence<byte> _body;

    [Params(64, 1024, BodyBytes)]
    public int Chunk { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        string chunk = $"{Chunk:x}\r\n{new string('x', Chunk)}\r\n";
        _body = new ReadOnlySequence<byte>(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(chunk, BodyBytes / Chunk)) + "0\r\n\r\n"));
        Good.OrThrow(Transcode() == BodyBytes);
    }

    [Benchmark]
    public long Transcode()
    {
        _output.ResetWrittenCount();
        _transcoder.Begin(_output, payloadOnly: false);
        _transcoder.Take(_body);
        return _transcoder.IsDone ? _transcoder.PayloadBytes : -1;
    }
}
