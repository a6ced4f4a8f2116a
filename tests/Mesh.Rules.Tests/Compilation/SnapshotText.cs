using System.Globalization;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>A compile result as lines for people. Every value stands there, defaults too, so that a default cannot change unseen.</summary>
internal static class SnapshotText
{
    public static string Write(CompileResult result)
    {
        StringBuilder text = new();
        ProxySnapshot snapshot = result.Snapshot;
        foreach (ClusterConfig cluster in snapshot.Clusters.Values.OrderBy(c => c.Name, StringComparer.Ordinal))
        {
            Line(text, $"cluster {cluster.Name}");
            string side = (cluster.IsInbound ? ", inbound" : "") + (cluster.Dns == DnsDiscovery.None ? "" : $", {cluster.Dns} DNS") + (cluster.UsesOriginalDestination ? ", original destination" : "");
            Line(
                text,
                $"  service {cluster.ServiceName} in {cluster.ServiceNamespace}, {cluster.Protocol}, {cluster.LoadBalancer}, panic below {cluster.PanicThresholdPercent} %{side}");
            (uint connections, uint pending, uint requests, uint retries) = cluster.Limits;
            Line(
                text,
                $"  connections {Limit(connections)}, pending {Limit(pending)}, requests {Limit(requests)}, retries {Limit(retries)}; from {cluster.ConnectionPoolSource ?? "defaults"}");
            WriteConnection(text, cluster.Connection);
            WriteOutlier(text, cluster);
            if (cluster.Shadow is { } shadow)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  shadow {shadow}");
            }

            WriteWire(text, cluster);
            WriteBalancing(text, cluster);
            if (cluster.InboundRetry is { } retry)
            {
                Line(text, $"  retry {RouteText.Retry(retry)}");
            }

            foreach (EndpointConfig e in snapshot.Endpoints[cluster.Name])
            {
                Line(text, $"  endpoint {e.Address} weight {e.Weight} zone '{e.Zone}' {e.Workload} {e.WorkloadVersion} in {e.WorkloadNamespace}{Place(e)}");
            }
        }

        foreach (VirtualHostConfig host in snapshot.Routes.VirtualHosts)
        {
            string retry = host.IsTunnelOnly ? ", tunnels" : host.Retry is null ? ", no retry" : host.Retry == RetryConfig.OutboundDefault ? "" : $", retry {RouteText.Retry(host.Retry)}";
            Line(text, $"route {host.Name} to {(host.Cluster.Length > 0 ? host.Cluster : "-")}{retry}: {string.Join(", ", host.Domains)}");
            foreach (HttpRouteConfig route in host.Routes)
            {
                Line(text, $"  {RouteText.Write(route)}");
            }
        }

        foreach (ListenerConfig listener in snapshot.Listeners)
        {
            string rest = listener.Cluster.Length > 0 ? listener.Cluster : "-";
            Line(text, $"listener {listener.Name} at {listener.Address} port {listener.Port}{(listener.IsTls ? " tls" : "")}{(listener.IsForAnyAddress ? " for any address" : "")} to {rest}, from {listener.Source}");
            foreach (ConnectionRouteConfig route in listener.Routes)
            {
                Line(text, $"  {RouteText.Write(route)}");
            }
        }

        foreach ((Reading.RuleKey rule, Validation.Diagnostic finding) in result.Diagnostics)
        {
            Line(text, $"{rule}: {finding}");
        }

        return text.ToString();
    }

    private static void WriteConnection(StringBuilder text, ConnectionConfig c)
    {
        string keepalive = c.TcpKeepalive is { } k ? $"{Number(k.Probes)} × {Number(k.IntervalSeconds)} s after {Number(k.TimeSeconds)} s" : "off";
        string life = c.MaxConnectionDuration?.ToString("c", CultureInfo.InvariantCulture) ?? "-";
        Line(
            text,
            $"  connect {c.ConnectTimeout:c}, idle {c.HttpIdleTimeout:c} http {c.TcpIdleTimeout:c} tcp, life {life}, requests each {c.MaxRequestsPerConnection}, keepalive {keepalive}");
    }

    private static void WriteOutlier(StringBuilder text, ClusterConfig cluster)
    {
        if (cluster.Outlier is not { } o)
        {
            return;
        }

        string split = o.SplitLocalOrigin ? " split" : "";
        string counts = $"5xx {o.Consecutive5xx}, gateway {o.ConsecutiveGatewayFailure}, local {o.ConsecutiveLocalOriginFailure}{split}, codes '{o.ErrorCodes}'";
        Line(
            text,
            $"  outlier {counts}, every {o.Interval:c}, out {o.BaseEjectionTime:c} to {o.MaxEjectionTime:c}, at most {o.MaxEjectionPercent} %; from {cluster.OutlierSource}");
    }

    private static void WriteWire(StringBuilder text, ClusterConfig cluster)
    {
        if (cluster.Tls is { } tls)
        {
            Line(text, $"  tls to '{tls.Sni}' for '{tls.SubjectAltNames.Replace('\n', ' ')}'{(tls.SkipsVerification ? ", not verified" : "")}, {tls.Files}; from {tls.Source}");
        }

        if (cluster.ProxyProtocol != ProxyProtocolVersion.None || cluster.Tunnel is not null)
        {
            Line(text, $"  proxy protocol {cluster.ProxyProtocol}, tunnel {cluster.Tunnel}");
        }
    }

    private static void WriteBalancing(StringBuilder text, ClusterConfig cluster)
    {
        if (cluster.Hash is { } h)
        {
            string table = h.MaglevTableSize > 0 ? $"maglev {Number(h.MaglevTableSize)}" : FormattableString.Invariant($"ring {h.MinimumRingSize}");
            Line(text, $"  hash of {h.Source} '{h.Name}', {table}, new cookie '{h.CookieAttributes ?? "-"}'");
        }

        if (cluster.Warmup is { } w)
        {
            Line(text, $"  warm-up {w.Window:c} from {w.MinimumPercent} % by {w.Aggression}");
        }
    }

    private static string Place(EndpointConfig e) =>
        (e.Priority, e.LocalityWeight) is (0, 0) ? "" : FormattableString.Invariant($" priority {e.Priority} locality weight {e.LocalityWeight}");

    private static string Number(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "-";

    private static string Limit(uint value) => value == uint.MaxValue ? "-" : value.ToString(CultureInfo.InvariantCulture);

    private static void Line(StringBuilder text, FormattableString line) => text.Append(FormattableString.Invariant(line)).Append('\n');
}
