using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>A service, a subset of it, a port of it.</summary>
public sealed record Destination
{
    /// <summary>Host; a short name means a service of the rule's own namespace.</summary>
    public string? Host { get; init; }

    /// <summary>Subset of a DestinationRule.</summary>
    public string? Subset { get; init; }

    /// <summary>Port; default the service's only one, else the port that was called.</summary>
    public PortSelector? Port { get; init; }

    internal static ObjectSchema<Destination> Schema { get; } = new ObjectSchema<Destination>()
        .Text("host", static (o, v) => o with { Host = v },
            "Host of the service; a short name means one of the rule's own namespace.")
            .Required("destination host is required: the service, such as products")
        .Text("subset", static (o, v) => o with { Subset = v },
            "Subset of a DestinationRule for the host.")
        .Field("port", PortSelector.Schema, static (o, v) => o with { Port = v },
            "Port of the service. Default: its only one, else the port that was called.");
}

/// <summary>A destination of HTTP requests with its share.</summary>
public sealed record HttpRouteDestination
{
    /// <summary>Where.</summary>
    public Destination? Destination { get; init; }

    /// <summary>Share, relative to the others; without meaning where there is one destination.</summary>
    public int? Weight { get; init; }

    /// <summary>Changes of header fields, after those of the route.</summary>
    public HeaderSettings? Headers { get; init; }

    internal static ObjectSchema<HttpRouteDestination> Schema { get; } = new ObjectSchema<HttpRouteDestination>()
        .Field("destination", Destination.Schema, static (o, v) => o with { Destination = v },
            "Where.")
            .Required("destination is required")
        .NonNegative("weight", static (o, v) => o with { Weight = v },
            "Share, relative to the others. One destination gets all.", "weight")
        .Field("headers", HeaderSettings.Schema, static (o, v) => o with { Headers = v },
            "Changes of header fields, after those of the route.");
}

/// <summary>A destination of connections with its share.</summary>
public sealed record RouteDestination
{
    /// <summary>Where.</summary>
    public Destination? Destination { get; init; }

    /// <summary>Share, relative to the others.</summary>
    public int? Weight { get; init; }

    internal static ObjectSchema<RouteDestination> Schema { get; } = new ObjectSchema<RouteDestination>()
        .Field("destination", Destination.Schema, static (o, v) => o with { Destination = v },
            "Where.")
            .Required("destination is required")
        .NonNegative("weight", static (o, v) => o with { Weight = v },
            "Share, relative to the others. One destination gets all.", "weight");
}

/// <summary>Where copies of requests go.</summary>
public sealed record MirrorSettings
{
    /// <summary>Where.</summary>
    public Destination? Destination { get; init; }

    /// <summary>Share of requests that are copied; unset means all.</summary>
    public SharePercent? Percentage { get; init; }

    internal static ObjectSchema<MirrorSettings> Schema { get; } = new ObjectSchema<MirrorSettings>()
        .Field("destination", Destination.Schema, static (o, v) => o with { Destination = v },
            "Where.")
            .Required("destination is required")
        .Field("percentage", SharePercent.Schema, static (o, v) => o with { Percentage = v },
            "Share of requests that are copied. Default: all.");
}

/// <summary>A share in percent, possibly a fraction of one.</summary>
public sealed record SharePercent
{
    /// <summary>0 to 100; unset is 0.</summary>
    public double? Value { get; init; }

    internal static ObjectSchema<SharePercent> Schema { get; } = new ObjectSchema<SharePercent>()
        .Number("value", static (o, v) => o with { Value = v },
            "0 to 100, fractions too. Unset: 0.", 0, 100, "percentage is out of 0..100 range");
}
