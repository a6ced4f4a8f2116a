namespace Mesh.Proxy.RateLimits;

/// <summary>What becomes of a request.</summary>
internal enum LimitAnswer : byte
{
    /// <summary>It goes on.</summary>
    Passes,

    /// <summary>Its token is to come; it has a place in the line.</summary>
    Waits,

    /// <summary>It is refused.</summary>
    Refused,
}

/// <summary>What a limiter says, and why: the field, its limit and the value at the time. The default lets pass.</summary>
/// <param name="Answer">What becomes of the request.</param>
/// <param name="Field">Field of the rule that decided; null for a request that passes, unless shadow mode lets it.</param>
/// <param name="Limit">Its value.</param>
/// <param name="Now">What it was compared with.</param>
/// <param name="RetryAfter">When there is a token.</param>
/// <param name="IsMesh">The tokens are a share of those of all sidecars.</param>
internal readonly record struct LimitVerdict(LimitAnswer Answer, string? Field = null, long Limit = -1, long Now = -1, TimeSpan RetryAfter = default, bool IsMesh = false)
{
    /// <summary>Whether it passes only because the rule is in shadow mode.</summary>
    public bool IsShadow => Answer == LimitAnswer.Passes && Field is not null;

    /// <summary>The time of the day decided, not the tokens.</summary>
    public bool IsClosed { get; init; }
}
