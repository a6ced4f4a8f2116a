using System.Buffers;
using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Telemetry;

namespace Mesh.Benchmarks.Telemetry;

/// <summary>What counting costs a request (Allocated must be 0), and what a page of metrics costs its reader.</summary>
[MemoryDiagnoser]
public class StatsBenchmarks
{
    private readonly StripedCounter _counter = new();
    private readonly Gauge _gauge = new();
    private readonly CodeCounters _codes = new();
    private readonly Histogram _histogram = new();
    private readonly StandardMetrics _metrics = new(new WorkloadLabels("orders", "default", "v1"), "0.1.0");
    private readonly ArrayBufferWriter<byte> _page = new(1 << 20);
    private readonly RequestRecord _record = new()
    {
        ResponseCode = 200,
        WireBytesReceived = 200,
        WireBytesSent = 1200,
        Duration = TimeSpan.FromMilliseconds(3),
        Destination = new DestinationLabels("a.test", "a", "default", "a-v1", "default", "v1"),
    };

    [Benchmark]
    public void Count() => _counter.Add();

    [Benchmark]
    public void Gauge()
    {
        _gauge.Add();
        _gauge.Add(-1);
    }

    [Benchmark]
    public void CountByCode() => _codes.Add(200);

    [Benchmark]
    public void Observe() => _histogram.Observe(3.2);

    [Benchmark]
    public void StandardMetricsOfRequest() => _metrics.OnFinished(_record);

    [Benchmark]
    public int WriteStandardMetrics()
    {
        _page.ResetWrittenCount();
        _metrics.OnFinished(_record);
        _metrics.Write(new PrometheusText(_page));
        return _page.WrittenCount;
    }
}
