using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What Istio's kinds have no field for: waits, writes and the safety of retries towards one host. Unset fields are null.</summary>
public sealed record ResiliencePolicy : IHostPolicy
{
    /// <summary>Value of <see cref="Profile"/> that turns the safe defaults on.</summary>
    public const string SafeProfile = "safe";

    /// <summary>Value of <see cref="Mode"/> that changes nothing and counts what it would have changed.</summary>
    public const string ShadowMode = "shadow";

    /// <summary>Value of <see cref="Side"/> for the application's own sidecar.</summary>
    public const string CalleeSide = "callee";

    /// <summary>The host the policy is about, as in a DestinationRule.</summary>
    public string? Host { get; init; }

    /// <summary>Only for this subset of the host.</summary>
    public string? Subset { get; init; }

    /// <summary>Only for this port of the host.</summary>
    public int? Port { get; init; }

    /// <summary>Only for the route of this name in a VirtualService.</summary>
    public string? Route { get; init; }

    /// <summary>Whose defaults hold: istio (default) or safe.</summary>
    public string? Profile { get; init; }

    /// <summary>enforce (default) or shadow.</summary>
    public string? Mode { get; init; }

    /// <summary>Where it holds: caller (default) or callee.</summary>
    public string? Side { get; init; }

    /// <summary>Longest wait of a request for a connection.</summary>
    public TimeSpan? PendingTimeout { get; init; }

    /// <summary>Longest time in which the upstream takes no byte of a request.</summary>
    public TimeSpan? WriteTimeout { get; init; }

    /// <summary>What is added to the retries of the host's routes.</summary>
    public ResilienceRetries? Retries { get; init; }

    /// <summary>Bound on the calls under way at one time.</summary>
    public ConcurrencyPolicy? Concurrency { get; init; }

    /// <summary>What the host takes of all sidecars together.</summary>
    public MeshLimits? MeshLimits { get; init; }

    /// <summary>Id that calls to the host carry.</summary>
    public TransactionId? TransactionId { get; init; }

    /// <summary>Late answers for callers that ask for it.</summary>
    public AsyncReply? AsyncReply { get; init; }

    /// <summary>Whether it stands in front of the application, not of the destination.</summary>
    internal bool IsCallee => Side == CalleeSide;

    bool IHostPolicy.IsCallee => IsCallee;

    bool IHostPolicy.IsPassedOver => Mode == ShadowMode;

    internal static ObjectSchema<ResiliencePolicy> Schema { get; } = new ObjectSchema<ResiliencePolicy>()
        .Text("host", static (o, v) => o with { Host = v },
            "The host the policy is about; a short name means a service of the policy's own namespace.")
            .Required("host is required: the service that the policy is about, such as products")
        .Text("subset", static (o, v) => o with { Subset = v },
            "Only for this subset of the host.")
        .Port("port", static (o, v) => o with { Port = v },
            "Only for this port of the host.")
        .Text("route", static (o, v) => o with { Route = v },
            "Only for the route of this name in a VirtualService; such a policy speaks of retries alone.")
        .Enum("profile", static (o, v) => o with { Profile = v },
            "Whose defaults hold. istio (default): Istio's. safe: a retry budget of 20 %, only idempotent methods, Retry-After up to 30s, no retries of retries, no longer than the caller waits (x-envoy-expected-rq-timeout-ms).",
            "istio", SafeProfile)
        .Enum("mode", static (o, v) => o with { Mode = v },
            "enforce (default), or shadow: the policy changes nothing, and what it would have changed is counted.", "enforce", ShadowMode)
        .Enum("side", static (o, v) => o with { Side = v },
            "Where it holds. caller (default): in each caller's sidecar, in front of the host. callee: in the host's own sidecar, in front of the application; such a policy speaks of concurrency alone.",
            "caller", CalleeSide)
        .Duration("pendingTimeout", static (o, v) => o with { PendingTimeout = v },
            "Longest wait of a request for a connection; then 503. Unset: no limit.")
        .Duration("writeTimeout", static (o, v) => o with { WriteTimeout = v },
            "Longest time in which the upstream takes no byte of a request; then 504. Unset: no limit.")
        .Field("meshLimits", MeshLimits.Schema, static (o, v) => o with { MeshLimits = v },
            "What the host takes of all sidecars together, as one number; each subset and port has its own. Of this and connectionPool the smaller counts.")
        .Field("retries", ResilienceRetries.Schema, static (o, v) => o with { Retries = v },
            "What is added to the retries of the host's routes; conditions stay those of the VirtualService.")
        .Field("concurrency", ConcurrencyPolicy.Schema, static (o, v) => o with { Concurrency = v },
            "Bulkhead: most calls under way at one time; one too many is answered 503. On TCP ports connections are counted, and one too many is closed. Each subset and port has places of its own.")
        .Field("transactionId", TransactionId.Schema, static (o, v) => o with { TransactionId = v },
            "An id in the form that the host's owner wants, on every call that has none: one for each request, the same on all its attempts and copies.")
        .Field("asyncReply", AsyncReply.Schema, static (o, v) => o with { AsyncReply = v },
            "Late answers: a request with Prefer: respond-async (RFC 7240) whose answer takes long is answered 202 with a Location under /.mesh/async/, and the caller fetches the answer there, at the same host. {} takes the defaults.");
}
