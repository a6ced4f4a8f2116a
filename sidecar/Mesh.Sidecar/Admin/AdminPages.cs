using System.Net;
using System.Text;
using Mesh.Sidecar.Hosting;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary>The pages of the admin port and their dispatch.</summary>
internal sealed class AdminPages
{
    private readonly List<AdminRoute> _routes;
    private readonly AdminContext _context;
    private readonly StatsEndpoints _stats;

    /// <summary>Pages over <paramref name="context"/>.</summary>
    public AdminPages(AdminContext context)
    {
        _context = context;
        ClusterPages clusters = new(context);
        StatsEndpoints stats = _stats = new StatsEndpoints(context);
        ConfigPages config = new(context);
        ControlPages control = new(context);
        _routes =
        [
            new("GET", "/", "this list", AnswerHelpAsync),
            new("GET", "/certs", "certificates in use", static c => Respond.JsonAsync(c, static json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("certificates");
                json.WriteEndArray();
                json.WriteEndObject();
            })),
            new("GET", "/clusters", "clusters, limits and endpoints (format=json)", clusters.AnswerAsync),
            new("GET", "/config_dump", "rules, compiled snapshot and findings as JSON", config.AnswerAsync),
            new("GET", "/decisions", "the last refusals, waits, retries and shadow decisions (request=ID, host=, rule=, reason=)", new DecisionPage(context).AnswerAsync),
            new("POST", "/drain_listeners", "stop accepting, finish what is in flight", control.DrainAsync),
            new("GET", "/help", "this list", AnswerHelpAsync),
            new("GET", "/listeners", "addresses bound (format=json)", config.AnswerListenersAsync),
            new("POST", "/logging", "show or set the log level (level=trace|debug|info|warning|error)", control.LoggingAsync),
            new("GET", "/outlier_events", "the last ejections and returns", control.OutlierEventsAsync),
            new("GET", "/policies", "what is in force on each cluster, by which rule, and its value now (host=, rule=)", new PolicyPage(context).AnswerAsync),
            new("POST", "/quitquitquit", "end the process at once", control.QuitAsync),
            new("GET", "/ready", "200 LIVE when rules are in force", AnswerReadyAsync),
            new("GET", "/server_info", "version, state, uptime as JSON", control.ServerInfoAsync),
            new("GET", "/shadow", "what rules in shadow mode would have done, as JSON", c => ShadowPage.AnswerAsync(c, context)),
            new("GET", "/stats", "statistics (filter=regex, usedonly, format=json|prometheus)", stats.AnswerAsync),
            new("GET", "/stats/prometheus", "statistics in Prometheus' format", stats.AnswerPrometheusAsync),
        ];
    }

    /// <summary>The admin port: everything, for clients that name this machine as host.</summary>
    public Task AnswerAdminAsync(HttpContext context) =>
        IsLocalHost(context.Request.Host.Host)
            ? AnswerAsync(context, _routes)
            : Respond.TextAsync(context, 403, "the admin port answers only to localhost, 127.0.0.1 or [::1] as Host\n");

    /// <summary>Metrics of the sidecar, in Prometheus' format.</summary>
    public Task AnswerPrometheusAsync(HttpContext context) => _stats.AnswerPrometheusAsync(context);

    /// <summary>The health port.</summary>
    public Task AnswerHealthAsync(HttpContext context) =>
        AnswerAsync(context, [new("GET", "/healthz/ready", "200 when rules are in force", AnswerReadyAsync)]);

    /// <summary>The metrics port.</summary>
    public Task AnswerMetricsAsync(HttpContext context) =>
        AnswerAsync(context, [_routes.First(static r => r.Path == "/stats/prometheus")]);

    /// <summary>Answers by one of <paramref name="routes"/>, or says which there are.</summary>
    public static Task AnswerAsync(HttpContext context, IReadOnlyList<AdminRoute> routes)
    {
        string path = context.Request.Path.Value is { Length: > 1 } given ? given.TrimEnd('/') : "/";
        AdminRoute? route = routes.FirstOrDefault(r => r.Path == path);
        if (route is null)
        {
            return Respond.TextAsync(context, 404, $"there is no page {path}; there are:\n{List(routes)}");
        }

        bool isRightMethod = context.Request.Method == route.Method || (route.Method == "GET" && context.Request.Method == "HEAD");
        if (isRightMethod)
        {
            return route.Answer(context);
        }

        string allowed = route.Method == "GET" ? "GET, HEAD" : route.Method;
        context.Response.Headers.Allow = allowed;
        return Respond.TextAsync(context, 405, $"{path} takes {allowed}\n");
    }

    private static bool IsLocalHost(string host) =>
        host is "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    private static string List(IEnumerable<AdminRoute> routes)
    {
        StringBuilder text = new();
        foreach (AdminRoute route in routes)
        {
            text.Append($"  {route.Method,-4} {route.Path,-20} {route.Help}\n");
        }

        return text.ToString();
    }

    private Task AnswerHelpAsync(HttpContext context) => Respond.TextAsync(context, 200, "admin pages:\n" + List(_routes));

    /// <summary>Readiness.</summary>
    public Task AnswerReadyAsync(HttpContext context) =>
        Respond.TextAsync(context, _context.State.Current == ServerState.Live ? 200 : 503, _context.State.Text + "\n");
}
