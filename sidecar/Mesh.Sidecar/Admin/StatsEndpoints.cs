using System.Text;
using System.Text.RegularExpressions;
using Mesh.Proxy.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary><c>/stats</c> and <c>/stats/prometheus</c>.</summary>
internal sealed class StatsEndpoints(AdminContext context)
{
    private static readonly TimeSpan FilterTimeout = TimeSpan.FromSeconds(1);

    /// <summary><c>/stats?filter=&amp;usedonly&amp;format=</c>.</summary>
    public Task AnswerAsync(HttpContext http)
    {
        string format = http.Request.Query["format"].ToString();
        if (format == "prometheus")
        {
            return AnswerPrometheusAsync(http);
        }

        if (format is not ("" or "text" or "json"))
        {
            return Respond.TextAsync(http, 400, $"format: '{format}' is not right; write text, json or prometheus\n");
        }

        Regex filter;
        try
        {
            filter = new Regex(http.Request.Query["filter"].ToString(), RegexOptions.NonBacktracking, FilterTimeout);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            return Respond.TextAsync(http, 400, $"filter: {error.Message}\n");
        }

        bool usedOnly = http.Request.Query.ContainsKey("usedonly");
        IEnumerable<StatLine> lines = context.Pages().Lines().Where(line => (!usedOnly || line.Value != 0) && filter.IsMatch(line.Name));
        return format == "json" ? AnswerJsonAsync(http, lines) : AnswerTextAsync(http, lines);
    }

    /// <summary><c>/stats/prometheus</c>.</summary>
    public async Task AnswerPrometheusAsync(HttpContext http)
    {
        http.Response.ContentType = PrometheusText.ContentType;
        PrometheusText text = new(http.Response.BodyWriter);
        context.Metrics.Write(text);
        context.Pages().Write(text);
        context.Clusters.Decisions.Counters.Write(text);
        text.Family("mesh_access_log_dropped_total", StatType.Counter, "Lines of the access log dropped because it could not be written fast enough");
        text.Sample("mesh_access_log_dropped_total", "", context.DroppedLogLines());
        text.Family("mesh_gc_allocated_bytes_total", StatType.Counter, "Managed bytes allocated since the start");
        text.Sample("mesh_gc_allocated_bytes_total", "", GC.GetTotalAllocatedBytes());
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }

    private static Task AnswerTextAsync(HttpContext http, IEnumerable<StatLine> lines)
    {
        StringBuilder text = new();
        foreach (StatLine line in lines)
        {
            text.Append($"{line.Name}: {line.Value}\n");
        }

        return Respond.TextAsync(http, 200, text.ToString());
    }

    private static Task AnswerJsonAsync(HttpContext http, IEnumerable<StatLine> lines) => Respond.JsonAsync(http, json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("stats");
        foreach (StatLine line in lines)
        {
            json.WriteStartObject();
            json.WriteString("name", line.Name);
            json.WriteNumber("value", line.Value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });
}
