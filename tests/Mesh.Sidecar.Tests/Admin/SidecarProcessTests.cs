using System.Net;
using System.Text.Json;
using Mesh.Proxy.Telemetry;
using Mesh.Sidecar.Hosting;
using Mesh.Sidecar.Options;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

/// <summary>The whole process in this one, on ports of the system's choice: admin pages, readiness, the way it ends.</summary>
public sealed class SidecarProcessTests : IAsyncLifetime, IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });
    private readonly Dictionary<string, Uri> _addresses = [];
    private readonly StringWriter _errors = new();
    private readonly StandardErrorLog _log;
    private SidecarProcess _process = null!;

    public SidecarProcessTests() => _log = new StandardErrorLog(_errors, TimeProvider.System);

    public async Task InitializeAsync()
    {
        _scratch.File("rules/a.yaml", TestRules.Yaml("products"));
        _process = Create(Options());
        await _process.StartAsync(line => _addresses[line.Split(' ')[0]] = new Uri(line.Split(' ')[^1]));
    }

    public async Task DisposeAsync() => await _process.DisposeAsync();

    public void Dispose()
    {
        _scratch.Dispose();
        _http.Dispose();
        _errors.Dispose();
        _log.Dispose();
    }

    [Fact]
    public void Start_PrintsEveryAddressWithItsRealPort()
    {
        Assert.Equal(["admin", "health", "inbound", "metrics", "outbound"], _addresses.Keys.Order());
        Assert.All(_addresses.Values, static a => Assert.NotEqual(0, a.Port));
        Assert.DoesNotContain(" error ", _errors.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/", "/outlier_events")]
    [InlineData("/help", "/quitquitquit")]
    [InlineData("/ready", "LIVE")]
    [InlineData("/listeners", "outbound::127.0.0.1:")]
    [InlineData("/stats?filter=^server\\.live$", "server.live: 1\n")]
    [InlineData("/stats?usedonly&filter=downstream_rq_total", "")]
    [InlineData("/stats?format=json", "\"name\": \"server.state\"")]
    [InlineData("/stats?format=prometheus", "# TYPE envoy_server_live gauge")]
    [InlineData("/stats/prometheus", "istio_build{component=\"proxy\",tag=\"0.1.0\"} 1")]
    [InlineData("/server_info", "\"state\": \"LIVE\"")]
    [InlineData("/certs", "\"certificates\": []")]
    [InlineData("/config_dump", "\"source\": ")]
    [InlineData("/config_dump", "\"virtual_hosts\": [")]
    [InlineData("/config_dump", "\"honours_caller_deadline\": false")]
    [InlineData("/clusters?format=json", "\"cluster_statuses\": [")]
    public async Task Page_SaysWhatItShould(string path, string expected)
    {
        using HttpResponseMessage answer = await _http.GetAsync(new Uri(_addresses["admin"], path));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains(expected, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/config_dump")]
    [InlineData("/clusters?format=json")]
    [InlineData("/decisions")]
    [InlineData("/policies")]
    [InlineData("/listeners?format=json")]
    [InlineData("/stats?format=json")]
    [InlineData("/server_info")]
    [InlineData("/certs")]
    public async Task JsonPages_AreJson(string path)
    {
        using JsonDocument page = JsonDocument.Parse(await _http.GetStringAsync(new Uri(_addresses["admin"], path)));
        Assert.Equal(JsonValueKind.Object, page.RootElement.ValueKind);
    }

    [Theory]
    [InlineData("POST", "/stats", 405, "GET, HEAD")]
    [InlineData("GET", "/quitquitquit", 405, "POST")]
    [InlineData("GET", "/drain_listeners", 405, "POST")]
    [InlineData("GET", "/logging", 405, "POST")]
    [InlineData("GET", "/nope", 404, null)]
    [InlineData("GET", "/stats?filter=(", 400, null)]
    [InlineData("GET", "/stats?format=xml", 400, null)]
    [InlineData("POST", "/logging?level=loud", 400, null)]
    public async Task WrongRequest_IsRefused(string method, string path, int status, string? allow)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), new Uri(_addresses["admin"], path));
        using HttpResponseMessage answer = await _http.SendAsync(request);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(allow, answer.Content.Headers.Allow.Count == 0 ? null : string.Join(", ", answer.Content.Headers.Allow));
    }

    [Fact]
    public async Task ForeignHost_IsRefused()
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(_addresses["admin"], "/quitquitquit"));
        request.Headers.Host = "rebound.example";
        using HttpResponseMessage answer = await _http.SendAsync(request);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.False(_process.State.Stopping.IsCancellationRequested);
    }

    [Fact]
    public async Task Logging_ChangesTheLevel()
    {
        using HttpResponseMessage answer = await _http.PostAsync(new Uri(_addresses["admin"], "/logging?level=debug"), null);

        Assert.Contains("debug", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Debug, _log.Level);
    }

    [Fact]
    public async Task OtherPorts_HaveOnlyTheirPage()
    {
        Assert.Equal("LIVE\n", await _http.GetStringAsync(new Uri(_addresses["health"], "/healthz/ready")));
        Assert.Contains("envoy_server_live 1", await _http.GetStringAsync(new Uri(_addresses["metrics"], "/stats/prometheus")), StringComparison.Ordinal);
        using HttpResponseMessage answer = await _http.PostAsync(new Uri(_addresses["metrics"], "/quitquitquit"), null);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task Quit_DrainsAndEnds()
    {
        Task running = _process.RunAsync();
        using HttpResponseMessage answer = await _http.PostAsync(new Uri(_addresses["admin"], "/quitquitquit"), null);

        await running.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        using HttpResponseMessage ready = await _http.GetAsync(new Uri(_addresses["health"], "/healthz/ready"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "DRAINING\n"), (ready.StatusCode, await ready.Content.ReadAsStringAsync()));
    }

    [Theory]
    [InlineData("outbound")]
    [InlineData("inbound")]
    [InlineData("metrics")]
    public async Task AddressTaken_IsNamed(string name)
    {
        IPEndPoint taken = new(IPAddress.Loopback, _addresses[name].Port);
        SidecarOptions options = name switch
        {
            "outbound" => Options() with { Outbound = taken },
            "inbound" => Options() with { Inbound = taken },
            _ => Options() with { Metrics = taken },
        };
        await using SidecarProcess second = Create(options);

        IOException refusal = await Assert.ThrowsAsync<IOException>(() => second.StartAsync(static _ => { }));

        Assert.Contains(taken.ToString(), refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    private SidecarOptions Options()
    {
        IPEndPoint any = new(IPAddress.Loopback, 0);
        return new SidecarOptions
        {
            Service = "orders",
            ServicePort = 8080,
            App = "127.0.0.1:9",
            Rules = Path.Combine(_scratch.Path, "rules"),
            Outbound = any,
            Inbound = any,
            Admin = any,
            Health = any,
            Metrics = any,
            AccessLogFormat = AccessLogFormat.Json,
        };
    }

    private SidecarProcess Create(SidecarOptions options) =>
        new(options, new IPEndPoint(IPAddress.Loopback, 9), null, TimeProvider.System, new Random(7), _log);
}
