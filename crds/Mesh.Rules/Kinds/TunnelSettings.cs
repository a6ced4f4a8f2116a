using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Tunnelling of TCP traffic.</summary>
public sealed record TunnelSettings
{
    /// <summary>CONNECT (also when empty) or POST.</summary>
    public string? Protocol { get; init; }

    /// <summary>Host to which the tunnel leads.</summary>
    public string? TargetHost { get; init; }

    /// <summary>Port to which the tunnel leads.</summary>
    public int? TargetPort { get; init; }

    internal static ObjectSchema<TunnelSettings> Schema { get; } = new ObjectSchema<TunnelSettings>()
        .Text("protocol", static (o, v) => o with { Protocol = v },
            "CONNECT (also when empty) or POST.")
        .Text("targetHost", static (o, v) => o with { TargetHost = v },
            "Host to which the tunnel leads.")
            .Required("targetHost is required: the host to which the tunnel leads")
        .Port("targetPort", static (o, v) => o with { TargetPort = v },
            "Port to which the tunnel leads.")
            .Required("targetPort is required: the port to which the tunnel leads");
}

/// <summary>PROXY protocol settings.</summary>
public sealed record ProxyProtocolSettings
{
    /// <summary>V1 (default) or V2.</summary>
    public string? Version { get; init; }

    internal static ObjectSchema<ProxyProtocolSettings> Schema { get; } = new ObjectSchema<ProxyProtocolSettings>()
        .Enum("version", static (o, v) => o with { Version = v },
            "Version of the header. Default V1.", "V1", "V2");
}

/// <summary>Retry budget.</summary>
public sealed record RetryBudget
{
    /// <summary>Percent of active and pending requests; default 20.</summary>
    public double? Percent { get; init; }

    /// <summary>Retries always allowed; default 3.</summary>
    public int? MinRetryConcurrency { get; init; }

    /// <summary>Requests started within this time count too; default 0.</summary>
    public TimeSpan? BudgetInterval { get; init; }

    internal static ObjectSchema<RetryBudget> Schema { get; } = new ObjectSchema<RetryBudget>()
        .Number("percent", static (o, v) => o with { Percent = v },
            "Percent of active and pending requests that may be retries. Default 20.", 0, 100, "percentage is out of 0..100 range")
        .NonNegative("minRetryConcurrency", static (o, v) => o with { MinRetryConcurrency = v },
            "Retries always allowed. Default 3.", "min retry concurrency")
        .Duration("budgetInterval", static (o, v) => o with { BudgetInterval = v },
            "Requests started within this time count too. Default 0s.", allowZero: true);
}
