using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>Retries of a route, with Istio's defaults filled in (semantics 4.5, 4.6). Pure.</summary>
internal static class RetryCompiler
{
    private const int MaxBackoffFactor = 10;

    /// <summary>Null for none.</summary>
    /// <param name="retries">As written; null means the default.</param>
    /// <param name="source">Rule and path of the route.</param>
    public static RetryConfig? Compile(RetrySettings? retries, string source)
    {
        if (retries is null)
        {
            return RetryConfig.OutboundDefault;
        }

        if (retries.Attempts is null or <= 0)
        {
            return null;
        }

        RetryConfig defaults = RetryConfig.OutboundDefault;
        (RetryConditions conditions, ImmutableArray<int> codes) = string.IsNullOrEmpty(retries.RetryOn)
            ? (defaults.Conditions, defaults.StatusCodes)
            : Parse(retries.RetryOn);
        return new RetryConfig
        {
            Attempts = retries.Attempts.Value,
            Conditions = conditions,
            StatusCodes = codes,
            PerTryTimeout = retries.PerTryTimeout ?? TimeSpan.Zero,
            Backoff = retries.Backoff is { } pause ? new BackoffConfig { Base = pause, Max = pause * MaxBackoffFactor } : defaults.Backoff,
            AvoidsTriedHosts = retries.RetryIgnorePreviousHosts ?? true,
            ReachesRemoteLocalities = retries.RetryRemoteLocalities ?? false,
            Source = $"{source}.retries",
        };
    }

    private static (RetryConditions Conditions, ImmutableArray<int> Codes) Parse(string retryOn)
    {
        RetryConditions conditions = RetryConditions.None;
        SortedSet<int> codes = [];
        foreach (string word in retryOn.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (RetryCheck.IsStatus(word, out int status))
            {
                codes.Add(status);
                conditions |= RetryConditions.StatusCodes;
            }
            else
            {
                conditions |= Condition(word);
            }
        }

        return (conditions, [.. codes]);
    }

    private static RetryConditions Condition(string word) => word switch
    {
        "5xx" => RetryConditions.ServerError,
        "gateway-error" => RetryConditions.GatewayError,
        "reset" => RetryConditions.Reset,
        "reset-before-request" => RetryConditions.ResetBeforeRequest,
        "connect-failure" => RetryConditions.ConnectFailure,
        "retriable-4xx" => RetryConditions.Retriable4xx,
        "refused-stream" => RetryConditions.RefusedStream,
        "retriable-status-codes" => RetryConditions.StatusCodes,
        "retriable-headers" => RetryConditions.RetriableHeaders,
        "envoy-ratelimited" => RetryConditions.EnvoyRateLimited,
        "cancelled" => RetryConditions.GrpcCancelled,
        "deadline-exceeded" => RetryConditions.GrpcDeadlineExceeded,
        "resource-exhausted" => RetryConditions.GrpcResourceExhausted,
        "internal" => RetryConditions.GrpcInternal,
        "unavailable" => RetryConditions.GrpcUnavailable,
        _ => RetryConditions.None, // http3-post-connect-failure: there is no HTTP/3
    };
}
