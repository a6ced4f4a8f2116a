using System.Globalization;
using Mesh.Sidecar.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh.Sidecar.Admin;

/// <summary>Pages about the process itself, and those that change it.</summary>
internal sealed class ControlPages(AdminContext context)
{
    private static readonly Dictionary<string, LogLevel> Levels = new(StringComparer.OrdinalIgnoreCase)
    {
        ["trace"] = LogLevel.Trace,
        ["debug"] = LogLevel.Debug,
        ["info"] = LogLevel.Information,
        ["warning"] = LogLevel.Warning,
        ["error"] = LogLevel.Error,
        ["critical"] = LogLevel.Critical,
        ["off"] = LogLevel.None,
    };

    /// <summary><c>/server_info</c>.</summary>
    public Task ServerInfoAsync(HttpContext http) => Respond.JsonAsync(http, json =>
    {
        json.WriteStartObject();
        json.WriteString("version", $"mesh/{context.Version}");
        json.WriteString("state", context.State.Text);
        json.WriteString("uptime_current_epoch", string.Create(CultureInfo.InvariantCulture, $"{(long)context.State.Uptime.TotalSeconds}s"));
        json.WriteString("started_at", context.State.StartedAt);
        json.WriteString("snapshot_version", context.Pipeline.Version);
        json.WriteStartObject("node");
        json.WriteString("id", context.Node());
        json.WriteEndObject();
        json.WriteStartObject("command_line_options");
        json.WriteNumber("concurrency", context.Concurrency);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    /// <summary>POST <c>/logging?level=</c>.</summary>
    public Task LoggingAsync(HttpContext http)
    {
        string level = http.Request.Query["level"].ToString();
        if (level.Length > 0)
        {
            if (!Levels.TryGetValue(level, out LogLevel parsed))
            {
                return Respond.TextAsync(http, 400, $"level: '{level}' is not right; write one of {string.Join(", ", Levels.Keys)}\n");
            }

            context.Log.Level = parsed;
        }

        return Respond.TextAsync(http, 200, $"active loggers:\n  all: {Levels.First(l => l.Value == context.Log.Level).Key}\n");
    }

    /// <summary><c>/outlier_events</c>: one JSON object a line, oldest first.</summary>
    public Task OutlierEventsAsync(HttpContext http) =>
        Respond.TextAsync(http, 200, string.Concat(context.Ejections.Last.Select(static line => line + "\n")));

    /// <summary>POST <c>/drain_listeners</c>: answers at once, drains in the background.</summary>
    public Task DrainAsync(HttpContext http)
    {
        context.State.BeginDrain();
        http.Response.OnCompleted(context.Drain);
        return Respond.TextAsync(http, 200, "OK\n");
    }

    /// <summary>POST <c>/quitquitquit</c>.</summary>
    public Task QuitAsync(HttpContext http)
    {
        http.Response.OnCompleted(static state =>
        {
            ((SidecarState)state).RequestQuit(); // as Envoy: no drain
            return Task.CompletedTask;
        }, context.State);
        return Respond.TextAsync(http, 200, "OK\n");
    }
}
