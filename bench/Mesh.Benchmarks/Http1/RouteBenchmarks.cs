using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;

namespace Mesh.Benchmarks.Http1;

/// <summary>Finding the route of a request: the last of them fits, the worst case. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class RouteBenchmarks
{
    private readonly RequestHead _request = new(Http1Limits.Default);
    private VirtualHost _host = null!; // from Setup on

    [Params(1, 50)]
    public int Routes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        byte[] request = Heads.Request(Heads.Short);
        Good.OrThrow(_request.TryParse(request, request.Length) == HeadError.None);
        _host = new VirtualHost(new VirtualHostConfig("a:80", 80, ["a"], "c")
        {
            Routes =
            [
                .. Enumerable.Range(1, Routes - 1).Select(static i => new HttpRouteConfig { Name = $"r{i}", Matches = [new HttpMatchConfig { Path = new(StringMatchKind.Prefix, $"/v{i}/") }] }),
                new HttpRouteConfig { Name = "all" },
            ],
        });
    }

    [Benchmark]
    public object? Find() => _host.Find(Router.View(_request));
}
