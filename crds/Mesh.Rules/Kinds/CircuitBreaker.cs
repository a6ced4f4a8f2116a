using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>A breaker with three states for the calls to one host, as resilience4j has it, without touching the caller's code (semantics 11). Unset fields are null.</summary>
public sealed record CircuitBreaker : IHostPolicy
{
    /// <summary>Value of <see cref="Mode"/> that refuses nothing.</summary>
    public const string ShadowMode = "shadow";

    /// <summary>Value of <see cref="Scope"/> for a circuit that all callers share.</summary>
    public const string MeshScope = "mesh";

    /// <summary>Value of <see cref="Per"/> for a breaker at each endpoint of the host.</summary>
    public const string PerEndpoint = "endpoint";

    /// <summary>Value of <see cref="SlidingWindowType"/> for a window of seconds.</summary>
    public const string TimeBased = "TIME_BASED";

    /// <summary>The host the breaker is for, as in a DestinationRule.</summary>
    public string? Host { get; init; }

    /// <summary>Only for this subset of the host.</summary>
    public string? Subset { get; init; }

    /// <summary>Only for this port of the host.</summary>
    public int? Port { get; init; }

    /// <summary>Only for the route of this name.</summary>
    public string? Route { get; init; }

    /// <summary>enforce (default) or shadow.</summary>
    public string? Mode { get; init; }

    /// <summary>Who decides: sidecar (default) or mesh.</summary>
    public string? Scope { get; init; }

    /// <summary>What has a breaker of its own: host (default) or endpoint.</summary>
    public string? Per { get; init; }

    /// <summary>With scope mesh: who tries while the circuit is half-open.</summary>
    public BreakerProberRule? Probers { get; init; }

    /// <summary>auto (default), forcedOpen, disabled or metricsOnly.</summary>
    public string? State { get; init; }

    /// <summary>COUNT_BASED (default) or TIME_BASED.</summary>
    public string? SlidingWindowType { get; init; }

    /// <summary>Calls or seconds.</summary>
    public int? SlidingWindowSize { get; init; }

    /// <summary>With fewer calls nothing is decided.</summary>
    public int? MinimumNumberOfCalls { get; init; }

    /// <summary>Failed calls in percent.</summary>
    public double? FailureRateThreshold { get; init; }

    /// <summary>Slow calls in percent.</summary>
    public double? SlowCallRateThreshold { get; init; }

    /// <summary>When a call is slow.</summary>
    public TimeSpan? SlowCallDurationThreshold { get; init; }

    /// <summary>How long the circuit stays open.</summary>
    public TimeSpan? WaitDurationInOpenState { get; init; }

    /// <summary>Growth of that time with each opening.</summary>
    public double? WaitDurationGrowth { get; init; }

    /// <summary>Longest such time.</summary>
    public TimeSpan? MaxWaitDurationInOpenState { get; init; }

    /// <summary>Calls on trial.</summary>
    public int? PermittedNumberOfCallsInHalfOpenState { get; init; }

    /// <summary>Longest trial.</summary>
    public TimeSpan? MaxWaitDurationInHalfOpenState { get; init; }

    /// <summary>Longest call on trial.</summary>
    public TimeSpan? CallTimeoutInHalfOpenState { get; init; }

    /// <summary>Time in which the calls come back after a trial.</summary>
    public TimeSpan? RecoveryDuration { get; init; }

    /// <summary>What counts as a failure: words and status codes.</summary>
    public ImmutableArray<string> Failures { get; init; } = [];

    /// <summary>Status codes that count as nothing.</summary>
    public ImmutableArray<long> IgnoredCodes { get; init; } = [];

    /// <summary>Paths that always pass.</summary>
    public ImmutableArray<string> ExemptPaths { get; init; } = [];

    bool IHostPolicy.IsPassedOver => Mode == ShadowMode;

    internal static ObjectSchema<CircuitBreaker> Schema { get; } = new ObjectSchema<CircuitBreaker>()
        .Text("host", static (o, v) => o with { Host = v },
            "The host the breaker is for; a short name means a service of the breaker's own namespace. Each subset has a breaker of its own.")
            .Required("host is required: the service that the breaker is for, such as products")
        .Text("subset", static (o, v) => o with { Subset = v },
            "Only for this subset of the host.")
        .Port("port", static (o, v) => o with { Port = v },
            "Only for this port of the host.")
        .Text("route", static (o, v) => o with { Route = v },
            "Only for the route of this name in a VirtualService: its calls to the host have a breaker of their own, in place of the host's.")
        .Enum("mode", static (o, v) => o with { Mode = v },
            "enforce (default), or shadow: decides and counts (breaker_shadow_rejected), and refuses nothing.", "enforce", ShadowMode)
        .Enum("scope", static (o, v) => o with { Scope = v },
            "Who decides. sidecar (default): each caller's sidecar by what it sees. mesh: the control plane, on the sum over all callers and for all of them; while it is away its last word holds for some seconds, then each sidecar decides.",
            "sidecar", MeshScope)
        .Enum("per", static (o, v) => o with { Per = v },
            "What has a breaker of its own. host (default): all endpoints of the host together. endpoint: each of them; calls go to the others while one is open, and are refused when all are. It takes the place of outlierDetection for that host.",
            "host", PerEndpoint)
        .Field("probers", BreakerProberRule.Schema, static (o, v) => o with { Probers = v },
            "With scope mesh: which callers make the calls on trial; all others send nothing until the circuit closes.")
        .Enum("state", static (o, v) => o with { State = v },
            "auto (default): by what happens. forcedOpen: refuses every call. disabled: lets every call pass. metricsOnly: counts, and lets every call pass.",
            "auto", "forcedOpen", "disabled", "metricsOnly")
        .Enum("slidingWindowType", static (o, v) => o with { SlidingWindowType = v },
            "What the breaker looks back on: COUNT_BASED (default), the last calls; TIME_BASED, the calls of the last seconds.", "COUNT_BASED", TimeBased)
        .Whole("slidingWindowSize", static (o, v) => o with { SlidingWindowSize = v },
            "Calls, or seconds. Default 100.", min: 1, max: Snapshots.BreakerConfig.LongestWindow)
        .Whole("minimumNumberOfCalls", static (o, v) => o with { MinimumNumberOfCalls = v },
            "With fewer calls in the window nothing is decided. Default 100.", min: 1)
        .Number("failureRateThreshold", static (o, v) => o with { FailureRateThreshold = v },
            "Percent of failed calls at which the circuit opens. Default 50.", 0, 100, "must be greater than 0 and at most 100")
        .Number("slowCallRateThreshold", static (o, v) => o with { SlowCallRateThreshold = v },
            "Percent of slow calls at which the circuit opens. Default 100.", 0, 100, "must be greater than 0 and at most 100")
        .Duration("slowCallDurationThreshold", static (o, v) => o with { SlowCallDurationThreshold = v },
            "A call whose answer begins later than this is slow. Default 60s.")
        .Duration("waitDurationInOpenState", static (o, v) => o with { WaitDurationInOpenState = v },
            "How long the circuit stays open before the next call is a trial. Default 60s.")
        .Number("waitDurationGrowth", static (o, v) => o with { WaitDurationGrowth = v },
            "Each opening after a failed trial lasts so many times longer. Default 1.", 1, 10)
        .Duration("maxWaitDurationInOpenState", static (o, v) => o with { MaxWaitDurationInOpenState = v },
            "Longest time that the growth leads to. Default 10m.")
        .Whole("permittedNumberOfCallsInHalfOpenState", static (o, v) => o with { PermittedNumberOfCallsInHalfOpenState = v },
            "Calls that go out on trial; all others are refused meanwhile. Default 10.", min: 1, max: Snapshots.BreakerConfig.LongestWindow)
        .Duration("maxWaitDurationInHalfOpenState", static (o, v) => o with { MaxWaitDurationInHalfOpenState = v },
            "Longest trial: then the circuit opens again, whatever hangs. Default 0s: no limit.", allowZero: true)
        .Duration("callTimeoutInHalfOpenState", static (o, v) => o with { CallTimeoutInHalfOpenState = v },
            "A call on trial whose answer has not begun after this time is given up, with a 504, and counts as a timeout. Unset: trials take as long as other calls.")
        .Duration("recoveryDuration", static (o, v) => o with { RecoveryDuration = v },
            "After a good trial the share of calls that pass grows from a tenth to all in this time. Default 0s: all at once.", allowZero: true)
        .List("failures", TextType.Any, static (o, v) => o with { Failures = v },
            "What counts as a failure: 5xx, gateway-error (502, 503, 504), connect-failure, reset, timeout, or a status code such as \"429\". Default 5xx, connect-failure, reset, timeout. A refusal by limits (x-envoy-overloaded) counts as nothing.")
        .List("ignoredCodes", new WholeType(100, 599, "int32"), static (o, v) => o with { IgnoredCodes = v },
            "Status codes that count neither as success nor as failure.")
        .List("exemptPaths", TextType.Any, static (o, v) => o with { ExemptPaths = v },
            "Paths whose calls always pass and never count, such as /orders/cancel; one that ends in * stands for all that begin so.");
}
