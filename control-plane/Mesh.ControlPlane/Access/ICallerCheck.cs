namespace Mesh.ControlPlane.Access;

/// <summary>Finds out who a bearer token belongs to. Thread-safe.</summary>
internal interface ICallerCheck
{
    /// <summary>The tokens that are taken, in words for whoever sent none: <c>the token of a service account …</c>.</summary>
    string Wanted { get; }

    /// <summary>Judges a token. Never logs it, and never throws for anything that is wrong with it.</summary>
    /// <param name="token">The token, not empty.</param>
    /// <param name="cancellationToken">The caller went away.</param>
    ValueTask<CallerAnswer> CheckAsync(string token, CancellationToken cancellationToken);
}

/// <summary>What became of a token: a caller, a refusal, or no judgement because whoever judges is away.</summary>
/// <param name="Caller">The caller; null when there is none.</param>
/// <param name="Problem">Why there is none, for whoever sent the token.</param>
/// <param name="RetryAfter">Set when nothing was found out: how long to wait before the next try.</param>
internal readonly record struct CallerAnswer(Caller? Caller, string Problem, TimeSpan? RetryAfter = null)
{
    /// <summary>The token belongs to that caller.</summary>
    public static CallerAnswer Of(Caller caller) => new(caller, "");

    /// <summary>The token is not good.</summary>
    public static CallerAnswer Unknown(string problem) => new(null, problem);

    /// <summary>Nobody could judge it.</summary>
    public static CallerAnswer Later(string problem, TimeSpan after) => new(null, problem, after);
}
