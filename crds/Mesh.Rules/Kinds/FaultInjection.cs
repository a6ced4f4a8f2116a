using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Faults for testing, made before anything is sent.</summary>
public sealed record FaultInjection
{
    /// <summary>A wait.</summary>
    public FaultDelay? Delay { get; init; }

    /// <summary>An error answer.</summary>
    public FaultAbort? Abort { get; init; }

    internal static ObjectSchema<FaultInjection> Schema { get; } = new ObjectSchema<FaultInjection>()
        .Field("delay", FaultDelay.Schema, static (o, v) => o with { Delay = v },
            "Wait before the request goes on.")
        .Field("abort", FaultAbort.Schema, static (o, v) => o with { Abort = v },
            "Answer with an error.");
}

/// <summary>A wait before the request goes on.</summary>
public sealed record FaultDelay
{
    /// <summary>Deprecated: use <see cref="Percentage"/>.</summary>
    public int? Percent { get; init; }

    /// <summary>How long.</summary>
    public TimeSpan? FixedDelay { get; init; }

    /// <summary>Refused, as by Istio.</summary>
    public TimeSpan? ExponentialDelay { get; init; }

    /// <summary>Share of requests; unset means none.</summary>
    public SharePercent? Percentage { get; init; }

    internal static ObjectSchema<FaultDelay> Schema { get; } = new ObjectSchema<FaultDelay>()
        .Whole("percent", static (o, v) => o with { Percent = v },
            "Share of requests.", min: 0, max: 100, outOfRange: "percentage is out of 0..100 range")
            .Deprecated("deprecated; write percentage with its value")
        .Duration("fixedDelay", static (o, v) => o with { FixedDelay = v },
            "How long.")
        .Duration("exponentialDelay", static (o, v) => o with { ExponentialDelay = v },
            "Not supported; use fixedDelay.")
        .Field("percentage", SharePercent.Schema, static (o, v) => o with { Percentage = v },
            "Share of requests. Unset: none.");
}

/// <summary>An error answer.</summary>
public sealed record FaultAbort
{
    /// <summary>Status code.</summary>
    public int? HttpStatus { get; init; }

    /// <summary>Name of a gRPC status.</summary>
    public string? GrpcStatus { get; init; }

    /// <summary>Refused, as by Istio.</summary>
    public string? Http2Error { get; init; }

    /// <summary>Share of requests; unset means none.</summary>
    public SharePercent? Percentage { get; init; }

    internal static ObjectSchema<FaultAbort> Schema { get; } = new ObjectSchema<FaultAbort>()
        .Whole("httpStatus", static (o, v) => o with { HttpStatus = v },
            "Status code.", min: 200, max: 600, outOfRange: "HTTP status is not in range 200..599")
        .Text("grpcStatus", static (o, v) => o with { GrpcStatus = v },
            "Name of a gRPC status, such as UNAVAILABLE.")
            .NotEnforcedYet("gRPC is not spoken, so the fault does nothing; use httpStatus")
        .Text("http2Error", static (o, v) => o with { Http2Error = v },
            "Not supported; use httpStatus.")
        .Field("percentage", SharePercent.Schema, static (o, v) => o with { Percentage = v },
            "Share of requests. Unset: none.");
}
