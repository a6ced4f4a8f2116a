using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>What a circuit breaker does at all.</summary>
public enum BreakerMode
{
    /// <summary>Closed, open and half-open by what happens.</summary>
    Auto,

    /// <summary>Refuses every call.</summary>
    ForcedOpen,

    /// <summary>Lets every call through and counts nothing.</summary>
    Disabled,

    /// <summary>Lets every call through and counts: the rates can be read before they decide.</summary>
    MetricsOnly,
}

/// <summary>What counts as a failure.</summary>
[Flags]
public enum BreakerFailures
{
    /// <summary>Only what <see cref="BreakerConfig.FailureCodes"/> lists.</summary>
    None = 0,

    /// <summary>An answer of 500 to 599.</summary>
    ServerError = 1 << 0,

    /// <summary>An answer of 502, 503 or 504.</summary>
    GatewayError = 1 << 1,

    /// <summary>No connection.</summary>
    ConnectFailure = 1 << 2,

    /// <summary>The connection ended before an answer, or the answer broke HTTP.</summary>
    Reset = 1 << 3,

    /// <summary>A limit of time passed before an answer.</summary>
    Timeout = 1 << 4,

    /// <summary>The default.</summary>
    Default = ServerError | ConnectFailure | Reset | Timeout,
}

/// <summary>Who tries while a circuit that all callers share is half-open.</summary>
public enum BreakerProbers
{
    /// <summary>The callers that registered first and last: a rolling replacement of all of them leaves one at any time.</summary>
    FirstAndLast,

    /// <summary>One caller of each zone.</summary>
    PerZone,

    /// <summary>So many callers by chance.</summary>
    Random,

    /// <summary>So many callers whose sidecars have the fewest requests in progress.</summary>
    LowestLoad,
}

/// <summary>A circuit breaker with every default of resilience4j filled in (semantics 11.1). Rates in percent.</summary>
public sealed record BreakerConfig
{
    /// <summary>Longest window that is kept: calls of a window by count, seconds of one by time.</summary>
    public const int LongestWindow = 10_000;

    /// <summary>What it does at all.</summary>
    public BreakerMode Mode { get; init; }

    /// <summary>It decides and counts, and refuses nothing.</summary>
    public bool IsShadow { get; init; }

    /// <summary>Opens when so many calls of the window failed.</summary>
    public double FailureRate { get; init; } = 50;

    /// <summary>Opens when so many calls of the window were slow.</summary>
    public double SlowRate { get; init; } = 100;

    /// <summary>A call is slow when its answer begins later than this.</summary>
    public TimeSpan SlowCall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The window holds the calls of the last <see cref="WindowSize"/> seconds; else the last so many calls.</summary>
    public bool IsTimeBased { get; init; }

    /// <summary>Calls or seconds.</summary>
    public int WindowSize { get; init; } = 100;

    /// <summary>With fewer calls in the window nothing is decided.</summary>
    public int MinimumCalls { get; init; } = 100;

    /// <summary>How long it stays open, the first time.</summary>
    public TimeSpan OpenTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Each opening after a failed trial lasts so many times longer.</summary>
    public double OpenTimeGrowth { get; init; } = 1;

    /// <summary>Longest opening.</summary>
    public TimeSpan LongestOpenTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Calls that are let through on trial.</summary>
    public int TrialCalls { get; init; } = 10;

    /// <summary>After so long on trial it opens again; zero waits for ever.</summary>
    public TimeSpan LongestTrial { get; init; }

    /// <summary>A call on trial is given up when its answer has not begun after this; zero is none, as always in shadow mode.</summary>
    public TimeSpan TrialTimeout { get; init; }

    /// <summary>After a trial that went well, the share of calls that are let through grows from a tenth to all in this time; zero lets all through at once.</summary>
    public TimeSpan Recovery { get; init; }

    /// <summary>What counts as a failure.</summary>
    public BreakerFailures Failures { get; init; } = BreakerFailures.Default;

    /// <summary>Status codes that count as failures besides.</summary>
    public ImmutableArray<int> FailureCodes { get; init; } = [];

    /// <summary>Status codes that count as nothing.</summary>
    public ImmutableArray<int> IgnoredCodes { get; init; } = [];

    /// <summary>Paths that always pass and never count; one that ends in <c>*</c> stands for all that begin so.</summary>
    public ImmutableArray<string> ExemptPaths { get; init; } = [];

    /// <summary>All callers together decide: the control plane on the sum of their reports. Without its word each sidecar does.</summary>
    public bool IsMesh { get; init; }

    /// <summary>Each endpoint has a breaker of its own.</summary>
    public bool IsPerEndpoint { get; init; }

    /// <summary>It keeps calls away from single endpoints, as the ejection does whose place it takes (semantics 11.4).</summary>
    public bool ReplacesEjection => this is { IsPerEndpoint: true, IsShadow: false, Mode: BreakerMode.Auto or BreakerMode.ForcedOpen };

    /// <summary>Who tries while the shared circuit is half-open.</summary>
    public BreakerProbers Probers { get; init; }

    /// <summary>How many, for <see cref="BreakerProbers.Random"/> and <see cref="BreakerProbers.LowestLoad"/>.</summary>
    public int ProberCount { get; init; } = 2;

    /// <summary>The rule as reports and orders name it, <c>CircuitBreaker/default/products</c>.</summary>
    public string Rule { get; init; } = "";

    /// <summary>Rule and path, <c>default/products#spec</c>.</summary>
    public string Source { get; init; } = "";

    /// <inheritdoc/>
    public bool Equals(BreakerConfig? other) => other is not null && Numbers == other.Numbers && Times == other.Times && Sharing == other.Sharing && Source == other.Source
        && FailureCodes.AsSpan().SequenceEqual(other.FailureCodes.AsSpan()) && IgnoredCodes.AsSpan().SequenceEqual(other.IgnoredCodes.AsSpan())
        && ExemptPaths.AsSpan().SequenceEqual(other.ExemptPaths.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Numbers, Times, Source);

    private (BreakerMode, bool, double, double, bool, int, int, int, BreakerFailures) Numbers =>
        (Mode, IsShadow, FailureRate, SlowRate, IsTimeBased, WindowSize, MinimumCalls, TrialCalls, Failures);

    private (bool, bool, BreakerProbers, int, string) Sharing => (IsMesh, IsPerEndpoint, Probers, ProberCount, Rule);

    private (TimeSpan, TimeSpan, double, TimeSpan, TimeSpan, TimeSpan, TimeSpan) Times => (SlowCall, OpenTime, OpenTimeGrowth, LongestOpenTime, LongestTrial, TrialTimeout, Recovery);
}
