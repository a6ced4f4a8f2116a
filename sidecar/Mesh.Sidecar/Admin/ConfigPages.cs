using System.Collections.Immutable;
using System.Net;
using System.Text;
using System.Text.Json;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Rules;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary><c>/config_dump</c> and <c>/listeners</c>.</summary>
internal sealed class ConfigPages(AdminContext context)
{
    /// <summary>Rules with where they came from, what was compiled from them, and what was found.</summary>
    public Task AnswerAsync(HttpContext http) => Respond.JsonAsync(http, json =>
    {
        InForce? current = context.Pipeline.Current;
        ProxySnapshot snapshot = context.Snapshot;
        json.WriteStartObject();
        json.WriteString("version", snapshot.Version);
        WriteRules(json, current);
        json.WriteStartArray("clusters");
        foreach (ClusterConfig cluster in snapshot.Clusters.Values.OrderBy(static c => c.Name, StringComparer.Ordinal))
        {
            WriteCluster(json, cluster, snapshot.Endpoints.GetValueOrDefault(cluster.Name, []));
        }

        json.WriteEndArray();
        RoutePage.Write(json, snapshot.Routes);
        WriteListeners(json, snapshot.Listeners);
        WriteFindings(json, current?.Findings ?? []);
        json.WriteEndObject();
    });

    /// <summary>Fixed listeners as bound, then those of service entries.</summary>
    public Task AnswerListenersAsync(HttpContext http)
    {
        List<(string Name, string Address)> all =
        [
            .. context.Listeners().Select(static l => (l.Name, l.Address.ToString())),
            .. context.Snapshot.Listeners.Select(static l => (l.Name, new IPEndPoint(IPAddress.Parse(l.Address), l.Port).ToString())),
        ];
        if (http.Request.Query["format"] == "json")
        {
            return Respond.JsonAsync(http, json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("listener_statuses");
                all.ForEach(l => WriteStrings(json, ("name", l.Name), ("local_address", l.Address)));
                json.WriteEndArray();
                json.WriteEndObject();
            });
        }

        StringBuilder text = new();
        all.ForEach(l => text.Append($"{l.Name}::{l.Address}\n"));
        return Respond.TextAsync(http, 200, text.ToString());
    }

    private static void WriteRules(Utf8JsonWriter json, InForce? current)
    {
        json.WriteStartArray("rules");
        foreach (RuleDocument rule in (current?.View.Rules.Values ?? []).OrderBy(static r => r.Key.ToString(), StringComparer.Ordinal))
        {
            WriteStrings(
                json,
                ("kind", rule.Key.Kind),
                ("namespace", rule.Key.Namespace),
                ("name", rule.Key.Name),
                ("api_version", rule.ApiVersion),
                ("source", rule.Source));
        }

        json.WriteEndArray();
    }

    private static void WriteCluster(Utf8JsonWriter json, ClusterConfig cluster, ImmutableArray<EndpointConfig> endpoints)
    {
        json.WriteStartObject();
        json.WriteString("name", cluster.Name);
        json.WriteString("service", cluster.ServiceHost);
        json.WriteString("protocol", cluster.Protocol.ToString());
        WriteLoadBalancer(json, cluster);
        json.WriteString("connection_pool_source", cluster.ConnectionPoolSource);
        json.WriteNumber("max_connections", cluster.Limits.MaxConnections);
        json.WriteNumber("max_pending_requests", cluster.Limits.MaxPendingRequests);
        json.WriteNumber("max_requests", cluster.Limits.MaxRequests);
        json.WriteNumber("max_retries", cluster.Limits.MaxRetries);
        json.WriteNumber("max_requests_per_connection", cluster.Connection.MaxRequestsPerConnection);
        json.WriteString("connect_timeout", RoutePage.Seconds(cluster.Connection.ConnectTimeout));
        json.WriteString("http_idle_timeout", RoutePage.Seconds(cluster.Connection.HttpIdleTimeout));
        json.WriteString("tcp_idle_timeout", RoutePage.Seconds(cluster.Connection.TcpIdleTimeout));
        json.WriteString("max_connection_duration", cluster.Connection.MaxConnectionDuration is { } longest ? RoutePage.Seconds(longest) : null);
        json.WriteString("outlier_source", cluster.OutlierSource);
        WriteOutlier(json, cluster.Outlier);
        WirePage.Write(json, cluster);
        WriteResilience(json, cluster);
        RateLimitPage.WriteConfig(json, cluster.RateLimits);
        SharePage.WriteConfig(json, cluster.MeshLimits);
        BreakerPage.WriteConfig(json, cluster);
        ConcurrencyPage.WriteConfig(json, cluster.Concurrency);
        FallbackPage.WriteConfig(json, cluster.Fallback);
        ShadowPage.WriteConfig(json, cluster.Shadow);
        json.WriteNumber("panic_threshold_percent", cluster.PanicThresholdPercent);
        json.WriteStartArray("endpoints");
        foreach (EndpointConfig endpoint in endpoints)
        {
            json.WriteStartObject();
            json.WriteString("address", endpoint.Address);
            json.WriteNumber("weight", endpoint.Weight);
            json.WriteNumber("priority", endpoint.Priority);
            json.WriteNumber("locality_weight", endpoint.LocalityWeight);
            json.WriteString("zone", endpoint.Zone);
            json.WriteString("workload", endpoint.Workload);
            json.WriteString("version", endpoint.WorkloadVersion);
            json.WriteBoolean("healthy", endpoint.IsHealthy);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteLoadBalancer(Utf8JsonWriter json, ClusterConfig cluster)
    {
        if (cluster.Hash is { } hash)
        {
            json.WriteString("load_balancer", hash.MaglevTableSize > 0 ? "Maglev" : "RingHash");
            json.WriteString("hash_of", hash.Source.ToString());
            json.WriteString("hash_name", hash.Name);
            json.WriteNumber(hash.MaglevTableSize > 0 ? "table_size" : "minimum_ring_size", hash.MaglevTableSize > 0 ? hash.MaglevTableSize : hash.MinimumRingSize);
            return;
        }

        json.WriteString("load_balancer", cluster.LoadBalancer.ToString());
        if (cluster.Warmup is { } warmup)
        {
            json.WriteString("warmup", RoutePage.Seconds(warmup.Window));
            json.WriteNumber("warmup_minimum_percent", warmup.MinimumPercent);
            json.WriteNumber("warmup_aggression", warmup.Aggression);
        }
    }

    private static void WriteOutlier(Utf8JsonWriter json, OutlierConfig? outlier)
    {
        if (outlier is null)
        {
            json.WriteNull("outlier_detection");
            return;
        }

        json.WriteStartObject("outlier_detection");
        json.WriteNumber("consecutive_5xx", outlier.Consecutive5xx);
        json.WriteNumber("consecutive_gateway_failure", outlier.ConsecutiveGatewayFailure);
        json.WriteNumber("consecutive_local_origin_failure", outlier.ConsecutiveLocalOriginFailure);
        json.WriteBoolean("split_external_local_origin_errors", outlier.SplitLocalOrigin);
        json.WriteString("interval", RoutePage.Seconds(outlier.Interval));
        json.WriteString("base_ejection_time", RoutePage.Seconds(outlier.BaseEjectionTime));
        json.WriteString("max_ejection_time", RoutePage.Seconds(outlier.MaxEjectionTime));
        json.WriteNumber("max_ejection_percent", outlier.MaxEjectionPercent);
        json.WriteEndObject();
    }

    private static void WriteResilience(Utf8JsonWriter json, ClusterConfig cluster)
    {
        json.WriteString("resilience_source", cluster.ResilienceSource);
        json.WriteString("pending_timeout", cluster.PendingTimeout > TimeSpan.Zero ? RoutePage.Seconds(cluster.PendingTimeout) : null);
        json.WriteString("write_timeout", cluster.WriteTimeout > TimeSpan.Zero ? RoutePage.Seconds(cluster.WriteTimeout) : null);
        json.WriteBoolean("honours_caller_deadline", cluster.HonoursCallerDeadline);
        json.WriteString("transaction_id", cluster.TransactionId is { } transaction ? $"{transaction.Header}: {transaction.Format}" : null);
        json.WriteString("async_reply_after", cluster.AsyncReply is { } late ? RoutePage.Seconds(late.After) : null);
        RoutePage.WriteRetry(json, "inbound_retry_policy", cluster.InboundRetry);
        if (cluster.RetryBudget is { } budget)
        {
            json.WriteStartObject("retry_budget");
            json.WriteString("source", budget.Source);
            json.WriteNumber("budget_percent", budget.Percent);
            json.WriteNumber("min_retry_concurrency", budget.MinConcurrency);
            json.WriteString("budget_interval", RoutePage.Seconds(budget.Interval));
            json.WriteEndObject();
        }
    }

    private void WriteListeners(Utf8JsonWriter json, ImmutableArray<ListenerConfig> listeners)
    {
        json.WriteStartArray("listeners");
        foreach ((string name, IPEndPoint address) in context.Listeners())
        {
            WriteStrings(json, ("name", name), ("address", address.ToString()));
        }

        foreach (ListenerConfig listener in listeners)
        {
            json.WriteStartObject();
            json.WriteString("name", listener.Name);
            json.WriteString("address", $"{listener.Address}:{listener.Port}");
            json.WriteString("cluster", listener.Cluster);
            json.WriteString("source", listener.Source);
            json.WriteBoolean("tls_inspector", listener.IsTls);
            json.WriteStartArray("routes");
            foreach (ConnectionRouteConfig route in listener.Routes)
            {
                WriteConnectionRoute(json, route);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteConnectionRoute(Utf8JsonWriter json, ConnectionRouteConfig route)
    {
        json.WriteStartObject();
        json.WriteString("server_name", route.ServerName);
        json.WriteString("destination", route.Destination?.ToString());
        json.WriteString("caller", route.Caller?.ToString());
        json.WriteString("source", route.Source);
        json.WriteStartArray("clusters");
        foreach (WeightedClusterConfig cluster in route.Clusters)
        {
            json.WriteStartObject();
            json.WriteString("name", cluster.Cluster);
            json.WriteNumber("weight", cluster.Weight);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteFindings(Utf8JsonWriter json, ImmutableArray<SidecarFinding> findings)
    {
        json.WriteStartArray("findings");
        foreach (SidecarFinding finding in findings)
        {
            WriteStrings(json, ("severity", finding.Severity), ("rule", finding.Rule), ("path", finding.Path), ("message", finding.Message));
        }

        json.WriteEndArray();
    }

    private static void WriteStrings(Utf8JsonWriter json, params ReadOnlySpan<(string Key, string Value)> fields)
    {
        json.WriteStartObject();
        foreach ((string key, string value) in fields)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }
}
