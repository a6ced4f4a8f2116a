using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>A service that the registry does not know by itself (Istio's ServiceEntry spec).</summary>
public sealed record ServiceEntry
{
    /// <summary>Host names; at least one.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    /// <summary>Virtual IPs or CIDR blocks.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];

    /// <summary>Ports of the service.</summary>
    public ImmutableArray<ServicePort> Ports { get; init; } = [];

    /// <summary>MESH_EXTERNAL (default) or MESH_INTERNAL.</summary>
    public string? Location { get; init; }

    /// <summary>NONE (default), STATIC, DNS, DNS_ROUND_ROBIN or DYNAMIC_DNS.</summary>
    public string? Resolution { get; init; }

    /// <summary>Endpoints; excludes <see cref="WorkloadSelector"/>.</summary>
    public ImmutableArray<WorkloadEntry> Endpoints { get; init; } = [];

    /// <summary>Selects workloads as endpoints.</summary>
    public ServiceEntrySelector? WorkloadSelector { get; init; }

    /// <summary>Namespaces that see the entry: <c>.</c>, <c>*</c> or names; empty means all.</summary>
    public ImmutableArray<string> ExportTo { get; init; } = [];

    /// <summary>Names of which the server's certificate must carry one.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];

    internal static ObjectSchema<ServiceEntry> Schema { get; } = new ObjectSchema<ServiceEntry>()
        .List("hosts", TextType.Any, static (o, v) => o with { Hosts = v },
            "Host names; at least one.")
            .Required("service entry must have at least one host")
        .List("addresses", TextType.Any, static (o, v) => o with { Addresses = v },
            "Virtual IPs or CIDR blocks. A block is for redirected connections: of several the longest prefix wins.")
        .List("ports", ServicePort.Schema, static (o, v) => o with { Ports = v },
            "Ports of the service.")
        .Enum("location", static (o, v) => o with { Location = v },
            "Whether the service is part of the mesh. Default MESH_EXTERNAL.", "MESH_EXTERNAL", "MESH_INTERNAL")
            .NotEnforcedYet("traffic is sent without mutual TLS", "MESH_EXTERNAL")
        .Enum("resolution", static (o, v) => o with { Resolution = v },
            "How endpoints are found. Default NONE: connections go to the address that the caller dialled; 503 where it is not known, as through http_proxy by name.", "NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS")
        .List("endpoints", WorkloadEntry.Schema, static (o, v) => o with { Endpoints = v },
            "Endpoints; excludes workloadSelector.")
        .Field("workloadSelector", ServiceEntrySelector.Schema, static (o, v) => o with { WorkloadSelector = v },
            "Selects workloads of the entry's namespace as endpoints: WorkloadEntries, and sidecars by their labels.")
        .List("exportTo", TextType.Any, static (o, v) => o with { ExportTo = v },
            "Namespaces that see the entry: ., * or names. Empty: all.")
        .List("subjectAltNames", TextType.Any, static (o, v) => o with { SubjectAltNames = v },
            "Names of which the server's certificate must carry one, where a DestinationRule switches TLS on without names of its own.");
}

/// <summary>A port of a service entry.</summary>
public sealed record ServicePort
{
    /// <summary>1 to 65535; unique.</summary>
    public int? Number { get; init; }

    /// <summary>HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.</summary>
    public string? Protocol { get; init; }

    /// <summary>Name; unique.</summary>
    public string? Name { get; init; }

    /// <summary>Port on the endpoint; default <see cref="Number"/>.</summary>
    public int? TargetPort { get; init; }

    internal static ObjectSchema<ServicePort> Schema { get; } = new ObjectSchema<ServicePort>()
        .Port("number", static (o, v) => o with { Number = v },
            "Number of the port; unique.")
            .Required("port number is required")
        .Text("protocol", static (o, v) => o with { Protocol = v },
            "HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.")
        .Text("name", static (o, v) => o with { Name = v },
            "Name; unique.")
            .Required("port name is required")
        .Port("targetPort", static (o, v) => o with { TargetPort = v },
            "Port on the endpoint. Default: number.");
}
