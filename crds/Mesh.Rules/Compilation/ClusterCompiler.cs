using System.Globalization;
using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>Policy → cluster configuration, with every default of Istio filled in (semantics 1.3 to 1.6). Pure.</summary>
internal static class ClusterCompiler
{
    private static readonly TimeSpan DefaultIdle = TimeSpan.FromHours(1);
    private static readonly TimeSpan MaxEjectionTime = TimeSpan.FromSeconds(300);
    private const int PanicThresholdWithoutOutlier = 50; // Envoy's default; Istio sets it only together with outlier detection

    /// <summary>Name of an outbound cluster.</summary>
    public static string OutboundName(string host, int port, string subset = "") => string.Create(CultureInfo.InvariantCulture, $"outbound|{port}|{subset}|{host}");

    /// <summary>Name of the cluster of the own application.</summary>
    public static string InboundName(int port) => string.Create(CultureInfo.InvariantCulture, $"inbound|{port}||");

    /// <summary>Cluster of one service port, or of one subset of it.</summary>
    public static ClusterConfig Outbound(ServicePortModel service, EffectiveRule? rule, EffectiveSubset? subset, string credentials)
    {
        EffectivePolicy policy = TrafficPolicyMerge.Effective(rule, service.Port, subset);
        OutlierConfig? outlier = Outlier(policy.Outlier.Value);
        bool usesOriginalDestination = UsesOriginalDestination(service, policy);
        return new ClusterConfig
        {
            Name = OutboundName(service.Host, service.Port, subset?.Subset.Name ?? ""),
            ServiceHost = service.Host,
            ServiceName = service.Name,
            ServiceNamespace = service.Namespace,
            Port = service.Port,
            Protocol = service.IsHttp ? ClusterProtocol.Http1 : ClusterProtocol.Tcp,
            Dns = usesOriginalDestination ? DnsDiscovery.None : service.Dns,
            OnDemandPort = service.OnDemandPort,
            UsesOriginalDestination = usesOriginalDestination,
            LoadBalancer = LoadBalancerCompiler.Policy(policy.LoadBalancer.Value),
            Hash = usesOriginalDestination || service.Dns == DnsDiscovery.Dynamic ? null : LoadBalancerCompiler.Hash(policy.LoadBalancer.Value?.ConsistentHash), // nothing is chosen
            Warmup = usesOriginalDestination ? null : LoadBalancerCompiler.Warmup(policy.LoadBalancer.Value),
            Limits = Limits(policy.ConnectionPool.Value),
            RetryBudget = policy.RetryBudget.Value is { } budget ? Budget(budget, policy.RetryBudget.Source) : null,
            Connection = Connection(policy.ConnectionPool.Value),
            ConnectionPoolSource = policy.ConnectionPool.Source,
            Outlier = outlier,
            OutlierSource = policy.Outlier.Source,
            PanicThresholdPercent = outlier is null ? PanicThresholdWithoutOutlier : policy.Outlier.Value!.MinHealthPercent ?? 0,
            Tls = TlsCompiler.Tls(policy.Tls, service.Host, service.SubjectAltNames, rule is { Selector.IsEmpty: false } ? credentials : ""), // as Istio
            ProxyProtocol = TlsCompiler.ProxyProtocol(policy.ProxyProtocol.Value),
            Tunnel = TlsCompiler.Tunnel(policy.Tunnel.Value, service.IsHttp),
        };
    }

    /// <summary>Whether the upstream is the address that the caller was going to: PASSTHROUGH, or an entry that resolves nothing. Declared endpoints do not count then.</summary>
    public static bool UsesOriginalDestination(ServicePortModel service, in EffectivePolicy policy) =>
        service.IsUnresolved || policy.LoadBalancer.Value is { Simple: "PASSTHROUGH" };

    /// <summary>Cluster in front of the own application: of a rule only the connection pool counts there (semantics 1.8), and a Sidecar's takes its place.</summary>
    public static ClusterConfig Inbound(in ClusterInputs inputs)
    {
        (ServicePortModel service, EffectiveRule? rule) = (inputs.Service, inputs.Rule);
        SourcedBlock<ConnectionPoolSettings> pool =
            inputs.InboundPool.Value is not null ? inputs.InboundPool : TrafficPolicyMerge.Effective(rule, service.Port, null).ConnectionPool;
        bool mayBeHttp = service.IsHttp || (service.IsUndeclared && !ServicePortModel.IsServerFirst(inputs.InboundPort));
        return new ClusterConfig
        {
            Name = InboundName(inputs.InboundPort),
            ServiceHost = service.Host,
            ServiceName = service.Name,
            ServiceNamespace = service.Namespace,
            Port = inputs.InboundPort,
            IsInbound = true,
            Protocol = mayBeHttp ? ClusterProtocol.Http1 : ClusterProtocol.Tcp,
            UsesOriginalDestination = inputs.IsDialledByDestination,
            Limits = Limits(pool.Value),
            Connection = Connection(pool.Value),
            ConnectionPoolSource = pool.Source,
            InboundRetry = mayBeHttp && !service.IsGrpc ? RetryConfig.InboundDefault : null,
            PanicThresholdPercent = 0,
        };
    }

    /// <summary>Whether <paramref name="text"/> is an IP; gives <c>ip:port</c> as endpoints are identified.</summary>
    public static bool TryEndpointAddress(string? text, int port, out string address)
    {
        address = IPAddress.TryParse(text, out IPAddress? ip) ? new IPEndPoint(ip, port).ToString() : "";
        return address.Length > 0;
    }

    /// <summary>Whether <paramref name="text"/> is a name to resolve; gives <c>name:port</c>, lower case and without the last dot.</summary>
    public static bool TryNamedAddress(string? text, int port, out string address)
    {
        string name = (text ?? "").TrimEnd('.').ToLowerInvariant();
        address = HostName.Check(name) is null ? string.Create(CultureInfo.InvariantCulture, $"{name}:{port}") : "";
        return address.Length > 0;
    }

    internal static CircuitBreakerConfig Limits(ConnectionPoolSettings? pool) => new(
        Limit(pool?.Tcp?.MaxConnections), Limit(pool?.Http?.Http1MaxPendingRequests), Limit(pool?.Http?.Http2MaxRequests), Limit(pool?.Http?.MaxRetries));

    /// <summary>A retry budget with Istio's defaults filled in; <paramref name="source"/> is its rule and path.</summary>
    public static RetryBudgetConfig Budget(RetryBudget rule, string? source)
    {
        RetryBudgetConfig defaults = new();
        return new RetryBudgetConfig(
            rule.Percent ?? defaults.Percent, (uint?)rule.MinRetryConcurrency ?? defaults.MinConcurrency, rule.BudgetInterval ?? defaults.Interval, source);
    }

    // As Istio: 0 is "not set", not "none".
    private static uint Limit(int? value) => value is > 0 ? (uint)value.Value : uint.MaxValue;

    internal static ConnectionConfig Connection(ConnectionPoolSettings? pool)
    {
        ConnectionConfig defaults = new();
        return new ConnectionConfig
        {
            ConnectTimeout = pool?.Tcp?.ConnectTimeout ?? defaults.ConnectTimeout,
            HttpIdleTimeout = pool?.Http?.IdleTimeout ?? pool?.Tcp?.IdleTimeout ?? DefaultIdle,
            TcpIdleTimeout = pool?.Tcp?.IdleTimeout ?? DefaultIdle,
            MaxConnectionDuration = pool?.Tcp?.MaxConnectionDuration,
            MaxRequestsPerConnection = (uint)(pool?.Http?.MaxRequestsPerConnection ?? 0),
            TcpKeepalive = pool?.Tcp?.TcpKeepalive is { } keepalive
                ? new TcpKeepaliveConfig(keepalive.Probes, Seconds(keepalive.Time), Seconds(keepalive.Interval))
                : null,
        };
    }

    private static int? Seconds(TimeSpan? time) => time is { } value ? Math.Max(1, (int)value.TotalSeconds) : null;

    internal static OutlierConfig? Outlier(OutlierDetection? rule)
    {
        if (rule is null)
        {
            return null;
        }

        OutlierConfig defaults = new();
        // Ours: the deprecated consecutiveErrors counts as consecutive5xxErrors when neither newer field is set (semantics 1.6).
        int? old = rule.Consecutive5xxErrors is null && rule.ConsecutiveGatewayErrors is null ? rule.ConsecutiveErrors : null;
        TimeSpan baseTime = rule.BaseEjectionTime ?? defaults.BaseEjectionTime;
        return new OutlierConfig
        {
            Consecutive5xx = rule.Consecutive5xxErrors ?? old ?? defaults.Consecutive5xx,
            ConsecutiveGatewayFailure = rule.ConsecutiveGatewayErrors ?? 0,
            ConsecutiveLocalOriginFailure = rule.ConsecutiveLocalOriginFailures ?? defaults.ConsecutiveLocalOriginFailure,
            SplitLocalOrigin = rule.SplitExternalLocalOriginErrors ?? false,
            Interval = rule.Interval ?? defaults.Interval,
            BaseEjectionTime = baseTime,
            MaxEjectionTime = baseTime > MaxEjectionTime ? baseTime : MaxEjectionTime,
            MaxEjectionPercent = rule.MaxEjectionPercent is > 0 ? rule.MaxEjectionPercent.Value : defaults.MaxEjectionPercent, // 0 is the default, not none
            ErrorCodes = string.Join(',', rule.OutlierDetectionHttpErrorCodes.Order()),
        };
    }
}
