using System.Net;
using Mesh.Proxy.Telemetry;
using Mesh.Sidecar.Admin;
using Mesh.Sidecar.Hosting;
using Mesh.Sidecar.Options;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Agent;

/// <summary>The port that kubelet and Prometheus ask in a pod (Istio's 15020): readiness, the application's probes, metrics of both, and the end from within the pod.</summary>
internal sealed class AgentPages
{
    private readonly AdminPages _admin;
    private readonly AppClient _app;
    private readonly SidecarOptions _options;
    private readonly SidecarState _state;
    private readonly Action _drain;
    private long _scrapes;
    private long _scrapeFailures;

    /// <summary>Pages of one process.</summary>
    /// <param name="admin">Pages that the other ports have too.</param>
    /// <param name="app">Asks the application.</param>
    /// <param name="options">Its probes and metrics.</param>
    /// <param name="state">Life of the process.</param>
    /// <param name="drain">Begins the drain of the inbound side.</param>
    public AgentPages(AdminPages admin, AppClient app, SidecarOptions options, SidecarState state, Action drain)
    {
        (_admin, _app, _options, _state, _drain) = (admin, app, options, state, drain);
        Routes =
        [
            new("GET", "/healthz/ready", "200 when rules are in force", admin.AnswerReadyAsync),
            new("GET", "/stats/prometheus", "metrics of sidecar and application", AnswerMetricsAsync),
            new("GET", "/metrics", "the same", AnswerMetricsAsync),
            new("POST", "/drain", "not ready, inbound connections end; the application's calls go on (from this pod only)", FromThisPod(AnswerDrainAsync)),
            new("POST", "/quitquitquit", "end the sidecar at once (from this pod only)", FromThisPod(AnswerQuitAsync)),
            .. options.AppProbes.Select(p => new AdminRoute("GET", p.Key, "probe of the application", http => AnswerProbeAsync(http, p.Value))),
        ];
    }

    private IReadOnlyList<AdminRoute> Routes { get; }

    /// <summary>Answers one request.</summary>
    public Task AnswerAsync(HttpContext http) =>
        http.Request.Path.Value is "/drain" or "/quitquitquit" && !IsFromThisPod(http) ? RefuseAsync(http) : AdminPages.AnswerAsync(http, Routes);

    /// <summary>Whether the caller is on loopback: kubelet and peers are not.</summary>
    internal static bool IsFromThisPod(HttpContext http) => http.Connection.RemoteIpAddress is { } peer && IPAddress.IsLoopback(peer);

    private static Task RefuseAsync(HttpContext http) => Respond.TextAsync(http, 403, "only from the pod itself: 127.0.0.1 or [::1]\n");

    // A path with a slash at its end comes to the same page.
    private static Func<HttpContext, Task> FromThisPod(Func<HttpContext, Task> answer) => http => IsFromThisPod(http) ? answer(http) : RefuseAsync(http);

    private async Task AnswerMetricsAsync(HttpContext http)
    {
        byte[]? metrics = null;
        if (_options.AppMetrics is { } where)
        {
            Interlocked.Increment(ref _scrapes);
            metrics = await _app.ScrapeAsync(where, http.RequestAborted);
            Interlocked.Add(ref _scrapeFailures, metrics is null ? 1 : 0);
        }

        await _admin.AnswerPrometheusAsync(http);
        PrometheusText text = new(http.Response.BodyWriter);
        text.Family("istio_agent_scrapes_total", StatType.Counter, "Scrapes of the application for the page of both");
        text.Sample("istio_agent_scrapes_total", "", Interlocked.Read(ref _scrapes));
        text.Family("istio_agent_scrape_failures_total", StatType.Counter, "Scrapes of the application that gave nothing");
        text.Sample("istio_agent_scrape_failures_total", PrometheusText.Labels(("type", "application")), Interlocked.Read(ref _scrapeFailures));
        await http.Response.BodyWriter.WriteAsync(metrics ?? [], http.RequestAborted);
    }

    private async Task AnswerProbeAsync(HttpContext http, AppProbe probe)
    {
        (int status, string text) = await _app.ProbeAsync(probe, http.Request.Headers.UserAgent.ToString(), http.RequestAborted);
        await Respond.TextAsync(http, status, text);
    }

    private Task AnswerDrainAsync(HttpContext http)
    {
        _drain();
        return Respond.TextAsync(http, 200, "OK\n");
    }

    private Task AnswerQuitAsync(HttpContext http)
    {
        http.Response.OnCompleted(() =>
        {
            _state.RequestQuit();
            return Task.CompletedTask;
        });
        return Respond.TextAsync(http, 200, "OK\n");
    }
}
