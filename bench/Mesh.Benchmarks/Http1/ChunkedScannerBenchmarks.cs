using System.Text;
using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Http1;

namespace Mesh.Benchmarks.Http1;

/// <summary>A chunked body of 16 KiB followed to its end, in chunks of several sizes.</summary>
[MemoryDiagnoser]
public class ChunkedScannerBenchmarks
{
    private const int BodyBytes = 16 * 1024;
    private byte[] _body = [];

    [Params(64, 1024, BodyBytes)]
    public int Chunk { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        string chunk = $"{Chunk:x}\r\n{new string('x', Chunk)}\r\n";
        _body = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(chunk, BodyBytes / Chunk)) + "0\r\n\r\n");
        Good.OrThrow(Scan() == BodyBytes);
    }

    [Benchmark]
    public int Scan()
    {
        ChunkedScanner scanner = default;
        int payloadBytes = 0;
        for (ReadOnlySpan<byte> rest = _body; !scanner.IsDone && !scanner.IsInvalid && !rest.IsEmpty;)
        {
            int taken = scanner.Scan(rest, out Range payload);
            payloadBytes += payload.End.Value - payload.Start.Value;
            rest = rest[taken..];
        }

        return scanner.IsDone ? payloadBytes : -1;
    }
}
