using System.Text;
using System.Text.Json;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Http;
using Endpoint = Mesh.Proxy.Upstream.Endpoint;

namespace Mesh.Sidecar.Admin;

/// <summary><c>/clusters</c>: limits and endpoints with their counters, as text or JSON.</summary>
internal sealed class ClusterPages(AdminContext context)
{
    private static readonly (string Name, Func<Endpoint, long> Read)[] Counters =
    [
        ("cx_active", static e => e.CxActive.Value),
        ("cx_connect_fail", static e => e.CxConnectFail.Value),
        ("cx_total", static e => e.CxTotal.Value),
        ("rq_active", static e => e.RqActive.Value),
        ("rq_error", static e => e.RqError.Value),
        ("rq_success", static e => e.RqSuccess.Value),
        ("rq_timeout", static e => e.RqTimeout.Value),
        ("rq_total", static e => e.RqTotal.Value),
    ];

    /// <summary>Answers in the format asked for.</summary>
    public Task AnswerAsync(HttpContext http)
    {
        List<Cluster> clusters = [.. context.Clusters.Clusters.OrderBy(static c => c.Name, StringComparer.Ordinal)];
        return http.Request.Query["format"] == "json"
            ? Respond.JsonAsync(http, json => WriteJson(json, clusters))
            : Respond.TextAsync(http, 200, Text(clusters));
    }

    /// <summary>Envoy's words for the health of an endpoint, and one of ours for an open circuit.</summary>
    private static string HealthFlags(Endpoint endpoint)
    {
        string flags = (endpoint.IsEjected ? "/failed_outlier_check" : "") + (endpoint.Config.IsHealthy ? "" : "/failed_eds_health") + (endpoint.IsOpen ? "/circuit_open" : "");
        return flags.Length > 0 ? flags : "healthy";
    }

    private static string Text(List<Cluster> clusters)
    {
        StringBuilder text = new();
        foreach (Cluster cluster in clusters)
        {
            string name = cluster.Name;
            text.Append($"{name}::observability_name::{name};\n");
            CircuitBreakerConfig limits = cluster.Config.Limits;
            AppendLimits(text, $"{name}::default_priority", limits);
            AppendLimits(text, $"{name}::high_priority", new CircuitBreakerConfig(1024, 1024, 1024, 3));
            text.Append($"{name}::added_via_api::true\n");
            text.Append(cluster.DnsProblem is { } problem ? $"{name}::dns_problem::{problem}\n" : "");
            text.Append(RateLimitPage.Text(cluster));
            text.Append(BreakerPage.Text(cluster));
            text.Append(ConcurrencyPage.Text(cluster));
            text.Append(FallbackPage.Text(cluster));
            text.Append(SharePage.Text(cluster));
            text.Append(ShadowPage.Text(cluster));
            foreach (Endpoint endpoint in cluster.Endpoints)
            {
                string at = $"{name}::{endpoint.Address}::";
                foreach ((string counter, Func<Endpoint, long> read) in Counters)
                {
                    text.Append($"{at}{counter}::{read(endpoint)}\n");
                }

                text.Append($"{at}hostname::\n{at}health_flags::{HealthFlags(endpoint)}\n{at}weight::{endpoint.Config.Weight}\n");
                text.Append($"{at}region::\n{at}zone::{endpoint.Config.Zone}\n{at}sub_zone::\n{at}canary::false\n{at}priority::{endpoint.Config.Priority}\n");
                text.Append($"{at}success_rate::-1\n{at}local_origin_success_rate::-1\n");
            }
        }

        return text.ToString();
    }

    private static void AppendLimits(StringBuilder text, string scope, CircuitBreakerConfig limits) => text
        .Append($"{scope}::max_connections::{limits.MaxConnections}\n")
        .Append($"{scope}::max_pending_requests::{limits.MaxPendingRequests}\n")
        .Append($"{scope}::max_requests::{limits.MaxRequests}\n")
        .Append($"{scope}::max_retries::{limits.MaxRetries}\n");

    private static void WriteJson(Utf8JsonWriter json, List<Cluster> clusters)
    {
        json.WriteStartObject();
        json.WriteStartArray("cluster_statuses");
        foreach (Cluster cluster in clusters)
        {
            json.WriteStartObject();
            json.WriteString("name", cluster.Name);
            json.WriteBoolean("added_via_api", true);
            if (cluster.DnsProblem is { } problem)
            {
                json.WriteString("dns_problem", problem);
            }

            WriteLimits(json, cluster.Config.Limits);
            BreakerPage.WriteState(json, cluster);
            ConcurrencyPage.WriteState(json, cluster);
            json.WriteStartArray("host_statuses");
            foreach (Endpoint endpoint in cluster.Endpoints)
            {
                WriteEndpoint(json, endpoint);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteLimits(Utf8JsonWriter json, CircuitBreakerConfig limits)
    {
        json.WriteStartObject("circuit_breakers");
        json.WriteStartArray("thresholds");
        json.WriteStartObject();
        json.WriteNumber("max_connections", limits.MaxConnections);
        json.WriteNumber("max_pending_requests", limits.MaxPendingRequests);
        json.WriteNumber("max_requests", limits.MaxRequests);
        json.WriteNumber("max_retries", limits.MaxRetries);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteEndpoint(Utf8JsonWriter json, Endpoint endpoint)
    {
        json.WriteStartObject();
        json.WriteString("address", endpoint.Address);
        json.WriteStartObject("stats");
        foreach ((string counter, Func<Endpoint, long> read) in Counters)
        {
            json.WriteNumber(counter, read(endpoint));
        }

        json.WriteEndObject();
        json.WriteString("health_flags", HealthFlags(endpoint));
        json.WriteNumber("num_ejections", endpoint.Ejections);
        json.WriteNumber("weight", endpoint.Config.Weight);
        json.WriteNumber("priority", endpoint.Config.Priority);
        json.WriteString("zone", endpoint.Config.Zone);
        json.WriteString("workload", endpoint.Config.Workload);
        json.WriteEndObject();
    }
}
