using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Mesh.Sidecar.Agent;
using Mesh.Sidecar.Hosting;
using Mesh.Sidecar.Options;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.Sidecar.Tests.Agent;

/// <summary>A sidecar as in a pod, with an application behind it: probes, merged metrics, and the end of both.</summary>
public sealed class AgentTests : IAsyncLifetime, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly Scratch _scratch = new();
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });
    private readonly Dictionary<string, Uri> _addresses = [];
    private readonly StringWriter _errors = new();
    private readonly StandardErrorLog _log;
    private readonly TcpListener _silent = new(IPAddress.Loopback, 0);
    private WebApplication _app = null!;
    private SidecarOptions _options = null!;
    private SidecarProcess _process = null!;
    private int _closedPort;

    public AgentTests() => _log = new StandardErrorLog(_errors, TimeProvider.System);

    public async Task InitializeAsync()
    {
        _scratch.File("rules/a.yaml", TestRules.Yaml("products"));
        _silent.Start();
        using (Socket closed = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _closedPort = ((IPEndPoint)closed.LocalEndPoint!).Port;
        }

        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, static l => l.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, 0, static l => l.Protocols = HttpProtocols.Http2);
        });
        _app = builder.Build();
        _app.Run(AnswerAsync);
        await _app.StartAsync();
        int[] ports = [.. _app.Urls.Select(static u => new Uri(u).Port)];
        _options = Options(ports[0], ports[1]);
        _process = Create(_options);
        await _process.StartAsync(line => _addresses[line.Split(' ')[0]] = new Uri(line.Split(' ')[^1]));
        _addresses["app"] = new Uri($"http://127.0.0.1:{ports[0]}");
    }

    public async Task DisposeAsync()
    {
        await _process.DisposeAsync();
        await _app.DisposeAsync();
    }

    public void Dispose()
    {
        _silent.Dispose();
        _scratch.Dispose();
        _http.Dispose();
        _errors.Dispose();
        _log.Dispose();
    }

    [Theory]
    [InlineData("/healthz/ready", 200)]
    [InlineData("/app-health/web/livez", 204)]
    [InlineData("/app-health/web/readyz", 503)]
    [InlineData("/app-health/web/startupz", 200)]
    [InlineData("/app-health/closed/livez", 500)]
    [InlineData("/app-health/silent/livez", 500)]
    [InlineData("/app-health/rpc/livez", 200)]
    [InlineData("/app-health/rpc/readyz", 500)]
    [InlineData("/app-health/nobody/livez", 404)]
    public async Task Probe_HasTheApplicationsAnswer(string path, int status)
    {
        using HttpResponseMessage answer = await _http.GetAsync(new Uri(_addresses["agent"], path));
        Assert.Equal(status, (int)answer.StatusCode);
    }

    [Theory]
    [InlineData("/stats/prometheus")]
    [InlineData("/metrics")]
    public async Task Metrics_AreThoseOfBoth(string path)
    {
        string page = await _http.GetStringAsync(new Uri(_addresses["agent"], path));
        Assert.Contains("\nenvoy_server_live 1\n", page, StringComparison.Ordinal);
        Assert.Contains("istio_agent_scrapes_total 1\n", page, StringComparison.Ordinal);
        Assert.Contains("istio_agent_scrape_failures_total{type=\"application\"} 0\n", page, StringComparison.Ordinal);
        Assert.EndsWith("shop_orders 7\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_WhenTheApplicationGivesNone_AreTheSidecars()
    {
        await _app.StopAsync();
        string page = await _http.GetStringAsync(new Uri(_addresses["agent"], "/metrics"));
        Assert.Contains("istio_agent_scrape_failures_total{type=\"application\"} 1\n", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/quitquitquit")]
    [InlineData("GET", "/drain")]
    [InlineData("POST", "/metrics")]
    public async Task OtherMethod_IsRefused(string method, string path)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), new Uri(_addresses["agent"], path));
        using HttpResponseMessage answer = await _http.SendAsync(request);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.False(_process.State.IsDraining);
    }

    [Fact]
    public async Task Quit_EndsAtOnce()
    {
        Task running = _process.RunAsync();
        using HttpResponseMessage answer = await _http.PostAsync(new Uri(_addresses["agent"], "/quitquitquit"), null);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await running.WaitAsync(Patience); // the drain time is an hour
    }

    [Fact]
    public async Task Drain_EndsTheInboundSide_WhileTheApplicationCallsOn_AndThenTheSignalEndsAtOnce()
    {
        Task running = _process.RunAsync();
        using HttpResponseMessage drained = await _http.PostAsync(new Uri(_addresses["agent"], "/drain"), null);
        using HttpResponseMessage ready = await _http.GetAsync(new Uri(_addresses["agent"], "/healthz/ready"));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (drained.StatusCode, ready.StatusCode));
        await AssertInboundDrainsAsync();
        Assert.False(running.IsCompleted);
        _process.State.RequestStop();
        await running.WaitAsync(Patience);
    }

    [Fact]
    public async Task Signal_EndsTheInboundSide_WhileTheApplicationCallsOn()
    {
        Task running = _process.RunAsync();
        _process.State.RequestStop();
        await AssertInboundDrainsAsync();
        Assert.False(running.IsCompleted);
        _process.State.RequestStop();
        await running.WaitAsync(Patience);
    }

    [Fact]
    public async Task Signal_WithExitOnZeroConnections_WaitsForTheLastOne()
    {
        Uri outbound = null!;
        await using SidecarProcess process = Create(_options with { ExitsWithoutConnections = true, MinimumDrainTime = TimeSpan.FromMilliseconds(1) });
        await process.StartAsync(line => outbound = line.StartsWith("outbound", StringComparison.Ordinal) ? new Uri(line.Split(' ')[^1]) : outbound);
        Task running = process.RunAsync();
        using (HttpClient application = new(new SocketsHttpHandler { Proxy = new WebProxy(outbound) }))
        {
            using HttpResponseMessage first = await application.GetAsync(new Uri(_addresses["app"], "/")); // its connection is kept
            process.State.RequestStop();
            using HttpResponseMessage second = await application.GetAsync(new Uri(_addresses["app"], "/"));
            Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NoContent, false), (first.StatusCode, second.StatusCode, running.IsCompleted));
        }

        await running.WaitAsync(Patience); // the drain time is an hour
    }

    private async Task AssertInboundDrainsAsync()
    {
        using HttpResponseMessage inbound = await _http.GetAsync(new Uri(_addresses["inbound"], "/"));
        Assert.Equal((HttpStatusCode.NoContent, true), (inbound.StatusCode, inbound.Headers.ConnectionClose));
        using HttpClient application = new(new SocketsHttpHandler { Proxy = new WebProxy(_addresses["outbound"]) });
        using HttpResponseMessage outbound = await application.GetAsync(new Uri(_addresses["app"], "/"));
        Assert.Equal((HttpStatusCode.NoContent, null), (outbound.StatusCode, outbound.Headers.ConnectionClose));
    }

    private static Task AnswerAsync(HttpContext http)
    {
        switch (http.Request.Path.Value)
        {
            case "/ready":
                http.Response.StatusCode = http.Request.Headers["x-probe"] == "yes" ? 503 : 400;
                return Task.CompletedTask;
            case "/app-metrics":
                return http.Response.WriteAsync("shop_orders 7\n");
            case "/grpc.health.v1.Health/Check":
                return CheckAsync(http);
            default:
                http.Response.StatusCode = 204;
                return Task.CompletedTask;
        }
    }

    // Serves as a whole; the service "down" does not.
    private static async Task CheckAsync(HttpContext http)
    {
        using MemoryStream question = new();
        await http.Request.Body.CopyToAsync(question);
        bool isDown = question.ToArray().AsSpan().EndsWith("down"u8);
        http.Response.ContentType = "application/grpc";
        await http.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 2, 8, (byte)(isDown ? 2 : 1) });
    }

    private SidecarProcess Create(SidecarOptions options) => new(options, IPEndPoint.Parse(options.App), null, TimeProvider.System, new Random(7), _log);

    private SidecarOptions Options(int http1, int http2)
    {
        IPEndPoint any = new(IPAddress.Loopback, 0);
        return new SidecarOptions
        {
            Service = "orders",
            ServicePort = 8080,
            App = $"127.0.0.1:{http1}",
            Rules = Path.Combine(_scratch.Path, "rules"),
            Outbound = any,
            Inbound = any,
            Admin = any,
            Health = any,
            Metrics = any,
            Agent = any,
            DrainTime = TimeSpan.FromHours(1),
            AppMetrics = new AppMetrics("/app-metrics", http1),
            AppProbes = new Dictionary<string, AppProbe>
            {
                ["/app-health/web/livez"] = new(ProbeKind.Http, http1),
                ["/app-health/web/readyz"] = new(ProbeKind.Http, http1) { Path = "/ready", Headers = [("x-probe", "yes")] },
                ["/app-health/web/startupz"] = new(ProbeKind.Tcp, http1),
                ["/app-health/closed/livez"] = new(ProbeKind.Tcp, _closedPort),
                ["/app-health/silent/livez"] = new(ProbeKind.Http, ((IPEndPoint)_silent.LocalEndpoint).Port) { Timeout = TimeSpan.FromMilliseconds(50) },
                ["/app-health/rpc/livez"] = new(ProbeKind.Grpc, http2) { Timeout = Patience },
                ["/app-health/rpc/readyz"] = new(ProbeKind.Grpc, http2) { Service = "down", Timeout = Patience },
            }.ToImmutableDictionary(),
        };
    }
}
