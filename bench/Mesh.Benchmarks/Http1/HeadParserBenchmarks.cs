using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;

namespace Mesh.Benchmarks.Http1;

/// <summary>Heads parsed in place. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class HeadParserBenchmarks
{
    private readonly RequestHead _request = new(Http1Limits.Default);
    private readonly ResponseHead _response = new(Http1Limits.Default);
    private byte[] _requestBytes = [];
    private byte[] _responseBytes = [];

    [Params(Heads.Short, Heads.Browser)]
    public string Head { get; set; } = Heads.Short;

    [GlobalSetup]
    public void Setup()
    {
        _requestBytes = Heads.Request(Head);
        _responseBytes = Heads.Response(Head);
        Good.OrThrow(ParseRequest() && ParseResponse());
    }

    [Benchmark]
    public bool ParseRequest() => _request.TryParse(_requestBytes, _requestBytes.Length) == HeadError.None;

    [Benchmark]
    public bool ParseResponse() => _response.TryParse(_responseBytes, _responseBytes.Length) == HeadError.None;
}
