using System.Text.Json;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary>
/// <c>/policies</c>: for each cluster every value in force, the rule that says so, and what it stands at now. For people and <c>meshctl explain</c>: values are texts
/// with their units; the numbers behind them are in <c>/stats</c>.
/// </summary>
internal sealed class PolicyPage(AdminContext context)
{
    /// <summary>Answers with what the query asks for.</summary>
    public Task AnswerAsync(HttpContext http)
    {
        DecisionFilter filter = DecisionFilter.Of(http.Request.Query);
        List<Cluster> clusters = [.. context.Clusters.Clusters.Where(c => filter.Host is null || c.Name.Contains(filter.Host, StringComparison.OrdinalIgnoreCase)).OrderBy(static c => c.Name, StringComparer.Ordinal)];
        List<(string Host, HttpRouteConfig Route)> routes = [.. RoutesOf(filter.Host)];
        return Respond.JsonAsync(http, json =>
        {
            json.WriteStartObject();
            json.WriteString("sidecar", context.Node());
            json.WriteStartArray("clusters");
            foreach (Cluster cluster in clusters)
            {
                List<PolicyValue> values = [.. PolicyValues.Of(cluster).Where(v => DecisionFilter.IsOf(v.Rule, filter.Rule))];
                if (filter.Rule is null || values.Count > 0)
                {
                    Write(json, cluster, values);
                }
            }

            json.WriteEndArray();
            json.WriteStartArray("routes");
            foreach ((string host, HttpRouteConfig route) in routes)
            {
                List<PolicyValue> values = [.. PolicyValues.Of(route).Where(v => DecisionFilter.IsOf(v.Rule, filter.Rule))];
                if (values.Count > 0)
                {
                    Write(json, host, route, values);
                }
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    // A host without rules of routes has the one route that leads to its cluster.
    private IEnumerable<(string Host, HttpRouteConfig Route)> RoutesOf(string? asked) =>
        from host in context.Snapshot.Routes.VirtualHosts
        where asked is null || host.Name.Contains(asked, StringComparison.OrdinalIgnoreCase)
        from route in host.Routes.IsEmpty ? [new HttpRouteConfig { Name = host.Name, Clusters = [new WeightedClusterConfig(host.Cluster)], Retry = host.Retry }] : host.Routes
        select (host.Name, route);

    private static void Write(Utf8JsonWriter json, string host, HttpRouteConfig route, List<PolicyValue> values)
    {
        json.WriteStartObject();
        json.WriteString("host", host);
        json.WriteString("name", route.Name);
        Write(json, values);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, Cluster cluster, List<PolicyValue> values)
    {
        json.WriteStartObject();
        json.WriteString("name", cluster.Name);
        json.WriteString("host", cluster.Config.ServiceHost);
        json.WriteNumber("port", cluster.Config.Port);
        json.WriteString("side", cluster.Config.IsInbound ? "inbound" : "outbound");
        json.WriteNumber("endpoints", cluster.Endpoints.Count);
        json.WriteNumber("ejected", cluster.Endpoints.Count(static e => e.IsEjected));
        json.WriteNumber("unhealthy", cluster.Endpoints.Count(static e => !e.Config.IsHealthy));
        Write(json, values);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, List<PolicyValue> values)
    {
        json.WriteStartArray("values");
        foreach (PolicyValue value in values)
        {
            json.WriteStartObject();
            json.WriteString("kind", value.Kind);
            json.WriteString("rule", value.Rule ?? "default");
            json.WriteString("field", value.Field);
            json.WriteString("value", value.Value);
            if (value.Now is { } now)
            {
                json.WriteString("now", now);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
