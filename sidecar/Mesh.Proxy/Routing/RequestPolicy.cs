using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>What its route says of a request's time and its retries. Immutable; null stands for no limit and one attempt.</summary>
/// <param name="retry">Retries; null for none.</param>
/// <param name="timeout">Time for all attempts together; zero for none.</param>
/// <param name="source">Rule and path of the route, for those who ask why.</param>
internal sealed class RequestPolicy(RetryConfig? retry, TimeSpan timeout = default, string? source = null)
{
    /// <summary>Retries; null for none.</summary>
    public RetryConfig? Retry => retry;

    /// <summary>Time for all attempts together; zero for none.</summary>
    public TimeSpan Timeout => timeout;

    /// <summary>Rule and path of the route.</summary>
    public string? Source => source;

    /// <summary>Null when there is nothing to say.</summary>
    public static RequestPolicy? Of(RetryConfig? retry, TimeSpan timeout = default, string? source = null) =>
        retry is null && timeout == TimeSpan.Zero ? null : new RequestPolicy(retry, timeout, source);
}
