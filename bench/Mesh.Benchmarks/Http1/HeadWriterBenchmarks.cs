using System.Buffers;
using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;

namespace Mesh.Benchmarks.Http1;

/// <summary>Header rules: what concerns one connection goes, the rest is written anew. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class HeadWriterBenchmarks
{
    private readonly RequestHead _request = new(Http1Limits.Default);
    private readonly ResponseHead _response = new(Http1Limits.Default);
    private readonly ArrayBufferWriter<byte> _output = new(4096);

    [Params(Heads.Short, Heads.Browser)]
    public string Head { get; set; } = Heads.Short;

    [GlobalSetup]
    public void Setup()
    {
        byte[] request = Heads.Request(Head);
        byte[] response = Heads.Response(Head);
        Good.OrThrow(_request.TryParse(request, request.Length) == HeadError.None && _response.TryParse(response, response.Length) == HeadError.None);
    }

    [Benchmark]
    public int WriteRequest()
    {
        _output.ResetWrittenCount();
        HeadWriter.WriteRequest(_output, _request, "7b2c1f0e-5d3a-4c8e-9f10-223344556677"u8, attempt: 1);
        return _output.WrittenCount;
    }

    [Benchmark]
    public int WriteResponse()
    {
        _output.ResetWrittenCount();
        HeadWriter.WriteResponse(_output, _response, BodyKind.Length, 3, default);
        return _output.WrittenCount;
    }
}
