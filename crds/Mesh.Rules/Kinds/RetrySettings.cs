using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Retries of a route.</summary>
public sealed record RetrySettings
{
    /// <summary>Retries after the first attempt; 0 or unset is none.</summary>
    public int? Attempts { get; init; }

    /// <summary>Time for one attempt; default that of the route.</summary>
    public TimeSpan? PerTryTimeout { get; init; }

    /// <summary>Conditions and status codes, comma separated without blanks.</summary>
    public string? RetryOn { get; init; }

    /// <summary>Whether retries may leave the locality.</summary>
    public bool? RetryRemoteLocalities { get; init; }

    /// <summary>Whether a retry prefers hosts that were not tried; default true.</summary>
    public bool? RetryIgnorePreviousHosts { get; init; }

    /// <summary>Base of the pause before a retry.</summary>
    public TimeSpan? Backoff { get; init; }

    internal static ObjectSchema<RetrySettings> Schema { get; } = new ObjectSchema<RetrySettings>()
        .Whole("attempts", static (o, v) => o with { Attempts = v },
            "Retries after the first attempt. 0 or unset: none. (A route without retries has 2.)", min: 0, outOfRange: "attempts cannot be negative")
        .Duration("perTryTimeout", static (o, v) => o with { PerTryTimeout = v },
            "Time for one attempt until its response head. Default: that of the route.")
        .Text("retryOn", static (o, v) => o with { RetryOn = v },
            "Conditions and status codes, comma separated, such as connect-failure,503. Unset: those that are safe.")
        .Flag("retryRemoteLocalities", static (o, v) => o with { RetryRemoteLocalities = v },
            "Whether retries may leave the locality: after every second attempt the priorities tried so far are left. Default false.")
        .Flag("retryIgnorePreviousHosts", static (o, v) => o with { RetryIgnorePreviousHosts = v },
            "Whether a retry prefers hosts that were not tried. Default true.")
        .Duration("backoff", static (o, v) => o with { Backoff = v },
            "Base of the pause before a retry: the first lies between 0 and this, and it doubles up to ten times this. Default 25ms.");
}
