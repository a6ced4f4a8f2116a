using System.Globalization;
using Mesh.Lab.Processes;

namespace Mesh.Soak;

/// <summary>
/// Caller's sidecar, the sidecar in front of instance 0, three upstream instances, and the folder of rules that both read. Everything ends with it.
/// </summary>
internal sealed class SoakWorld(string folder, Random random, TimeProvider time) : IAsyncDisposable
{
    public const string Host = "soak.example";
    private readonly FreePorts _ports = new(random);
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };
    private readonly ChildProcess?[] _upstreams = new ChildProcess?[3];
    private readonly string[] _httpAddresses = new string[3];
    private readonly string[] _tcpAddresses = new string[3];
    private readonly List<SidecarProbe> _sidecars = [];

    public string Rules { get; } = Directory.CreateDirectory(Path.Combine(folder, "rules")).FullName;

    public Uri Proxy { get; private set; } = null!;

    public int TcpPort { get; private set; }

    /// <summary>The address of the inner sidecar, whose failures the caller's sidecar passes on.</summary>
    public string InnerAddress { get; private set; } = "";

    public IReadOnlyList<SidecarProbe> Sidecars => _sidecars;

    public async Task StartAsync(CancellationToken stop)
    {
        TcpPort = _ports.Take();
        for (int i = 0; i < _upstreams.Length; i++)
        {
            (_httpAddresses[i], _tcpAddresses[i]) = ($"127.0.0.1:{_ports.Take()}", $"127.0.0.1:{_ports.Take()}");
            await StartUpstreamAsync(i, stop);
        }

        string noRules = Directory.CreateDirectory(Path.Combine(folder, "no-rules")).FullName;
        ChildProcess inner = Sidecar("inner", noRules, _httpAddresses[0]);
        InnerAddress = (await inner.AddressAsync("inbound", time, stop)).Authority;
        ChildProcess caller = Sidecar("caller", Rules, "127.0.0.1:9");
        Proxy = await caller.AddressAsync("outbound", time, stop);
        _sidecars.Add(new SidecarProbe("caller", caller, await caller.AddressAsync("admin", time, stop), _http));
        _sidecars.Add(new SidecarProbe("inner", inner, await inner.AddressAsync("admin", time, stop), _http));
    }

    public async Task StartUpstreamAsync(int i, CancellationToken stop)
    {
        ChildProcess upstream = ChildProcess.Start($"upstream-{i}", "Mesh.Soak", folder, null, "upstream", _httpAddresses[i], _tcpAddresses[i]);
        _upstreams[i] = upstream;
        await upstream.AddressAsync("upstream", time, stop);
    }

    public async Task KillUpstreamAsync(int i)
    {
        if (_upstreams[i] is { } upstream)
        {
            _upstreams[i] = null;
            await upstream.DisposeAsync();
        }
    }

    public int UpstreamId(int i) => _upstreams[i]!.Id;

    public async Task DelayAsync(int i, int milliseconds, CancellationToken stop) =>
        (await _http.PutAsync(new Uri($"http://{_httpAddresses[i]}/delay/{milliseconds}"), null, stop)).Dispose();

    /// <summary>Writes the rules; each variant has other limits and thresholds, none of which the load reaches for long.</summary>
    public async Task WriteRulesAsync(int variant, CancellationToken stop)
    {
        string endpoints = string.Join("\n", Enumerable.Range(0, 3).Select(i =>
            $"  - {{address: 127.0.0.1, ports: {{web: {Port(i == 0 ? InnerAddress : _httpAddresses[i])}, raw: {Port(_tcpAddresses[i])}}}}}"));
        await ReplaceAsync("se.yaml", $$"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: soak}
            spec:
              hosts: [{{Host}}]
              ports: [{number: 80, name: web, protocol: HTTP}, {number: {{TcpPort}}, name: raw, protocol: TCP}]
              resolution: STATIC
              endpoints:
            {{endpoints.Replace("  - ", "    - ", StringComparison.Ordinal)}}
            """, stop);
        await ReplaceAsync("dr.yaml", $$"""
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: soak}
            spec:
              host: {{Host}}
              trafficPolicy:
                connectionPool:
                  tcp: {maxConnections: {{200 + (variant % 7)}}, connectTimeout: 1s}
                  http: {http1MaxPendingRequests: {{100 + (variant % 5)}}, maxRequestsPerConnection: {{(variant % 3) * 1000}}}
                outlierDetection: {consecutive5xxErrors: {{5 + (variant % 3)}}, interval: 1s, baseEjectionTime: {{1 + (variant % 3)}}s, maxEjectionPercent: 67}
            """, stop);
    }

    public void RemoveRules()
    {
        File.Delete(Path.Combine(Rules, "dr.yaml"));
        File.Delete(Path.Combine(Rules, "se.yaml"));
    }

    public async ValueTask DisposeAsync()
    {
        for (int i = 0; i < _upstreams.Length; i++)
        {
            await KillUpstreamAsync(i);
        }

        foreach (SidecarProbe sidecar in _sidecars)
        {
            await sidecar.Process.DisposeAsync();
        }

        _http.Dispose();
    }

    private static int Port(string address) => int.Parse(address.Split(':')[1], CultureInfo.InvariantCulture);

    // Whole or not at all: a reader never sees half a file.
    private async Task ReplaceAsync(string name, string text, CancellationToken stop)
    {
        string draft = Path.Combine(folder, name + ".new");
        await File.WriteAllTextAsync(draft, text, stop);
        File.Move(draft, Path.Combine(Rules, name), overwrite: true);
    }

    private ChildProcess Sidecar(string name, string rules, string app) => ChildProcess.Start(
        name, "Mesh.Sidecar", folder, null, "run", "--rules", rules, "--service", name + ":8080", "--app", app,
        "--inbound", "127.0.0.1:0", "--outbound", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0");
}
