using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Where TLS connections go by the server name that the client sends.</summary>
public sealed record TlsRoute
{
    /// <summary>Matches of which one must fit.</summary>
    public ImmutableArray<TlsMatch> Match { get; init; } = [];

    /// <summary>Where connections go.</summary>
    public ImmutableArray<RouteDestination> Route { get; init; } = [];

    internal static ObjectSchema<TlsRoute> Schema { get; } = new ObjectSchema<TlsRoute>()
        .List("match", TlsMatch.Schema, static (o, v) => o with { Match = v },
            "Matches of which one must fit.")
        .List("route", RouteDestination.Schema, static (o, v) => o with { Route = v },
            "Where connections go.");
}

/// <summary>Where connections go that are neither HTTP nor TLS.</summary>
public sealed record TcpRoute
{
    /// <summary>Matches of which one must fit; empty fits every connection.</summary>
    public ImmutableArray<ConnectionMatch> Match { get; init; } = [];

    /// <summary>Where connections go.</summary>
    public ImmutableArray<RouteDestination> Route { get; init; } = [];

    internal static ObjectSchema<TcpRoute> Schema { get; } = new ObjectSchema<TcpRoute>()
        .List("match", ConnectionMatch.Schema, static (o, v) => o with { Match = v },
            "Matches of which one must fit. Empty: every connection.")
        .List("route", RouteDestination.Schema, static (o, v) => o with { Route = v },
            "Where connections go.");
}

/// <summary>What a TLS connection must look like; everything given must fit.</summary>
public sealed record TlsMatch
{
    /// <summary>Server names; at least one, each covered by a host of the rule.</summary>
    public ImmutableArray<string> SniHosts { get; init; } = [];

    /// <summary>IPs or CIDR blocks that were called.</summary>
    public ImmutableArray<string> DestinationSubnets { get; init; } = [];

    /// <summary>Service port that was called.</summary>
    public int? Port { get; init; }

    /// <summary>Labels that the calling workload must all carry.</summary>
    public ImmutableSortedDictionary<string, string> SourceLabels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Namespace of the calling workload.</summary>
    public string? SourceNamespace { get; init; }

    /// <summary>Gateways that obey this match; overrides the rule's.</summary>
    public ImmutableArray<string> Gateways { get; init; } = [];

    internal static ObjectSchema<TlsMatch> Schema { get; } = new ObjectSchema<TlsMatch>()
        .List("sniHosts", TextType.Any, static (o, v) => o with { SniHosts = v },
            "Server names; each must be covered by a host of the rule.")
            .Required("TLS match must have at least one SNI host")
        .List("destinationSubnets", TextType.Any, static (o, v) => o with { DestinationSubnets = v },
            "IPs or CIDR blocks that were called.")
        .Port("port", static (o, v) => o with { Port = v },
            "Service port that was called.")
        .TextMap("sourceLabels", static (o, v) => o with { SourceLabels = v },
            "Labels that the calling workload must all carry.")
        .Text("sourceNamespace", static (o, v) => o with { SourceNamespace = v },
            "Namespace of the calling workload.")
        .List("gateways", TextType.Any, static (o, v) => o with { Gateways = v },
            "Gateways that obey this match; overrides those of the rule.");
}

/// <summary>What a connection must look like; everything given must fit.</summary>
public sealed record ConnectionMatch
{
    /// <summary>IPs or CIDR blocks that were called.</summary>
    public ImmutableArray<string> DestinationSubnets { get; init; } = [];

    /// <summary>Service port that was called.</summary>
    public int? Port { get; init; }

    /// <summary>Labels that the calling workload must all carry.</summary>
    public ImmutableSortedDictionary<string, string> SourceLabels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Namespace of the calling workload.</summary>
    public string? SourceNamespace { get; init; }

    /// <summary>Gateways that obey this match; overrides the rule's.</summary>
    public ImmutableArray<string> Gateways { get; init; } = [];

    /// <summary>IP or CIDR block of the caller.</summary>
    public string? SourceSubnet { get; init; }

    internal static ObjectSchema<ConnectionMatch> Schema { get; } = new ObjectSchema<ConnectionMatch>()
        .List("destinationSubnets", TextType.Any, static (o, v) => o with { DestinationSubnets = v },
            "IPs or CIDR blocks that were called.")
        .Port("port", static (o, v) => o with { Port = v },
            "Service port that was called.")
        .TextMap("sourceLabels", static (o, v) => o with { SourceLabels = v },
            "Labels that the calling workload must all carry.")
        .Text("sourceNamespace", static (o, v) => o with { SourceNamespace = v },
            "Namespace of the calling workload.")
        .List("gateways", TextType.Any, static (o, v) => o with { Gateways = v },
            "Gateways that obey this match; overrides those of the rule.")
        .Text("sourceSubnet", static (o, v) => o with { SourceSubnet = v },
            "IP or CIDR block of the caller.");
}
