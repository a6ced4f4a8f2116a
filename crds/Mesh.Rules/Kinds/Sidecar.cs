using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What the sidecars of some workloads see and do (Istio's Sidecar spec). Unset fields are null.</summary>
public sealed record Sidecar
{
    /// <summary>Workloads of the rule's own namespace; null means all that no other rule selects.</summary>
    public ServiceEntrySelector? WorkloadSelector { get; init; }

    /// <summary>Listeners in front of the application.</summary>
    public ImmutableArray<SidecarIngress> Ingress { get; init; } = [];

    /// <summary>What the application may call; empty means everything that is exported to its namespace.</summary>
    public ImmutableArray<SidecarEgress> Egress { get; init; } = [];

    /// <summary>Limits in front of the application, in place of those of a DestinationRule.</summary>
    public ConnectionPoolSettings? InboundConnectionPool { get; init; }

    /// <summary>What happens to calls for a destination that the sidecar does not see.</summary>
    public OutboundPolicySettings? OutboundTrafficPolicy { get; init; }

    internal static ObjectSchema<Sidecar> Schema { get; } = new ObjectSchema<Sidecar>()
        .Field("workloadSelector", ServiceEntrySelector.Schema, static (o, v) => o with { WorkloadSelector = v },
            "Workloads of the rule's own namespace. Unset: all that no other Sidecar selects.")
        .List("ingress", SidecarIngress.Schema, static (o, v) => o with { Ingress = v },
            "Listeners in front of the application.")
        .List("egress", SidecarEgress.Schema, static (o, v) => o with { Egress = v },
            "What the application may call. Empty: everything that is exported to its namespace.")
        .Field("inboundConnectionPool", ConnectionPoolSettings.Schema, static (o, v) => o with { InboundConnectionPool = v },
            "Limits in front of the application, in place of those of a DestinationRule.")
        .Field("outboundTrafficPolicy", OutboundPolicySettings.Schema, static (o, v) => o with { OutboundTrafficPolicy = v },
            "What happens to calls for a destination that the sidecar does not see.");
}

/// <summary>A listener in front of the application.</summary>
public sealed record SidecarIngress
{
    /// <summary>Port of the workload.</summary>
    public SidecarPort? Port { get; init; }

    /// <summary>IP to listen on.</summary>
    public string? Bind { get; init; }

    /// <summary>DEFAULT, IPTABLES or NONE.</summary>
    public string? CaptureMode { get; init; }

    /// <summary>Where the application listens: 127.0.0.1:PORT, [::1]:PORT, 0.0.0.0:PORT or [::]:PORT (the address the sidecar knows), or a unix socket.</summary>
    public string? DefaultEndpoint { get; init; }

    /// <summary>TLS that the listener ends.</summary>
    public ServerTlsSettings? Tls { get; init; }

    /// <summary>Limits of this port, in place of the rule's inboundConnectionPool.</summary>
    public ConnectionPoolSettings? ConnectionPool { get; init; }

    internal static ObjectSchema<SidecarIngress> Schema { get; } = new ObjectSchema<SidecarIngress>()
        .Field("port", SidecarPort.Schema, static (o, v) => o with { Port = v },
            "Port of the workload.")
            .Required("port is required for ingress listeners")
        .Text("bind", static (o, v) => o with { Bind = v },
            "IP to listen on.")
            .NotEnforcedYet("the sidecar listens where its option --inbound says")
        .Enum("captureMode", static (o, v) => o with { CaptureMode = v },
            "How traffic gets to the listener.", "DEFAULT", "IPTABLES", "NONE")
            .NotEnforcedYet("how traffic gets to the sidecar is decided where it is started", "DEFAULT")
        .Text("defaultEndpoint", static (o, v) => o with { DefaultEndpoint = v },
            "Where the application listens, such as 127.0.0.1:8080. Default: the option --app of the sidecar.")
        .Field("tls", ServerTlsSettings.Schema, static (o, v) => o with { Tls = v },
            "TLS that the listener ends.")
            .NotEnforcedYet("the inbound listener takes plain text")
        .Field("connectionPool", ConnectionPoolSettings.Schema, static (o, v) => o with { ConnectionPool = v },
            "Limits of this port, in place of inboundConnectionPool.");
}

/// <summary>What the application may call, on one port or on all that no other listener has.</summary>
public sealed record SidecarEgress
{
    /// <summary>Port of the services; null means every port that no other listener has.</summary>
    public SidecarPort? Port { get; init; }

    /// <summary>IP to listen on for TCP services of the port.</summary>
    public string? Bind { get; init; }

    /// <summary>DEFAULT, IPTABLES or NONE.</summary>
    public string? CaptureMode { get; init; }

    /// <summary>Services, as <c>namespace/host</c>.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    internal static ObjectSchema<SidecarEgress> Schema { get; } = new ObjectSchema<SidecarEgress>()
        .Field("port", SidecarPort.Schema, static (o, v) => o with { Port = v },
            "Port of the services. Unset: every port that no other listener of the list has.")
        .Text("bind", static (o, v) => o with { Bind = v },
            "IP to listen on for TCP services of the port.")
        .Enum("captureMode", static (o, v) => o with { CaptureMode = v },
            "How traffic gets to the listener.", "DEFAULT", "IPTABLES", "NONE")
            .NotEnforcedYet("how traffic gets to the sidecar is decided where it is started", "DEFAULT")
        .List("hosts", TextType.Any, static (o, v) => o with { Hosts = v },
            "Services, as namespace/host: a namespace, . (the own one), * (all) or ~ (none), and a full name, *.suffix or *; ~ before the namespace takes services out.")
            .Required("egress listener must contain at least one host; write for example [\"./*\", \"istio-system/*\"]");
}

/// <summary>A port of a listener.</summary>
public sealed record SidecarPort
{
    /// <summary>1 to 65535.</summary>
    public int? Number { get; init; }

    /// <summary>HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.</summary>
    public string? Protocol { get; init; }

    /// <summary>Name of the port.</summary>
    public string? Name { get; init; }

    /// <summary>Not used by Istio either.</summary>
    public int? TargetPort { get; init; }

    internal static ObjectSchema<SidecarPort> Schema { get; } = new ObjectSchema<SidecarPort>()
        .Port("number", static (o, v) => o with { Number = v },
            "Number of the port.")
            .Required("port number is required")
        .Text("protocol", static (o, v) => o with { Protocol = v },
            "HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.")
            .NotEnforcedYet("the protocol of the service itself counts", "HTTP", "TCP")
        .Text("name", static (o, v) => o with { Name = v },
            "Name of the port, for people.")
        .Port("targetPort", static (o, v) => o with { TargetPort = v },
            "Has no effect.")
            .Deprecated("has no effect; remove it");
}

/// <summary>What happens to calls for a destination that the sidecar does not see.</summary>
public sealed record OutboundPolicySettings
{
    /// <summary>The word for <see cref="Snapshots.OutboundTrafficPolicy.AllowAny"/>.</summary>
    public const string AllowAny = "ALLOW_ANY";

    /// <summary>REGISTRY_ONLY or ALLOW_ANY; a block that leaves it out means REGISTRY_ONLY.</summary>
    public string? Mode { get; init; }

    /// <summary>Where such calls go instead of their own destination.</summary>
    public Destination? EgressProxy { get; init; }

    internal static ObjectSchema<OutboundPolicySettings> Schema { get; } = new ObjectSchema<OutboundPolicySettings>()
        .Enum("mode", static (o, v) => o with { Mode = v },
            "REGISTRY_ONLY refuses them, ALLOW_ANY lets them pass. A block without it means REGISTRY_ONLY; without the block it is ALLOW_ANY.", "REGISTRY_ONLY", AllowAny)
        .Field("egressProxy", Destination.Schema, static (o, v) => o with { EgressProxy = v },
            "Where such calls go instead of their own destination.")
            .NotEnforcedYet("calls go to their own destination");
}
