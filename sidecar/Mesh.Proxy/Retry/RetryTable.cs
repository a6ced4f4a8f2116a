using System.Collections.Immutable;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Retry;

/// <summary>What the tables need to know of an answer's head.</summary>
/// <param name="Status">Status code.</param>
/// <param name="IsRateLimited">It carries x-envoy-ratelimited.</param>
/// <param name="HasRetriableHeader">It carries a field that the caller named in x-envoy-retriable-header-names.</param>
/// <param name="GrpcStatus">grpc-status of its head; -1 when there is none.</param>
internal readonly record struct AnswerFacts(int Status, bool IsRateLimited = false, bool HasRetriableHeader = false, int GrpcStatus = -1);

/// <summary>The two decision tables of retries (semantics 4.2 and 4.3): the condition that matches first, or none. Pure.</summary>
internal static class RetryTable
{
    /// <summary>Conditions that look into the head of an answer.</summary>
    public const RetryConditions OnHeaders = RetryConditions.RetriableHeaders | Grpc;

    /// <summary>Conditions on grpc-status.</summary>
    public const RetryConditions Grpc = RetryConditions.GrpcCancelled | RetryConditions.GrpcDeadlineExceeded |
        RetryConditions.GrpcResourceExhausted | RetryConditions.GrpcInternal | RetryConditions.GrpcUnavailable;

    // Whoever asks for no more than these is never tried again after a byte of the request has left.
    private const RetryConditions BeforeRequest = RetryConditions.ConnectFailure | RetryConditions.ResetBeforeRequest | RetryConditions.RefusedStream;

    /// <summary>Whether a request with these conditions may be sent a second time after its body was taken.</summary>
    public static bool NeedsBody(RetryConditions policy) => (policy & ~BeforeRequest) != 0;

    /// <summary>4.2: an answer has come.</summary>
    public static RetryConditions OnAnswer(RetryConditions policy, ImmutableArray<int> codes, in AnswerFacts answer)
    {
        if (answer.IsRateLimited)
        {
            return policy & RetryConditions.EnvoyRateLimited;
        }

        int status = answer.Status;
        RetryConditions matched =
            status is >= 500 and <= 599 ? policy & RetryConditions.ServerError : RetryConditions.None;
        matched = Or(matched, policy, RetryConditions.GatewayError, status is 502 or 503 or 504);
        matched = Or(matched, policy, RetryConditions.Retriable4xx, status == 409);
        matched = Or(matched, policy, RetryConditions.StatusCodes, (policy & RetryConditions.StatusCodes) != 0 && codes.Contains(status));
        matched = Or(matched, policy, RetryConditions.RetriableHeaders, answer.HasRetriableHeader);
        return Or(matched, policy, OfGrpc(answer.GrpcStatus), true);
    }

    /// <summary>4.3: there was no answer.</summary>
    /// <param name="policy">What may be tried again.</param>
    /// <param name="reason">What happened.</param>
    /// <param name="wasSent">A byte of the request was sent, by this attempt or an earlier one.</param>
    public static RetryConditions OnReset(RetryConditions policy, ResetReason reason, bool wasSent)
    {
        if (reason == ResetReason.Overflow)
        {
            return RetryConditions.None;
        }

        RetryConditions matched = Or(
            RetryConditions.None, policy, RetryConditions.ConnectFailure, reason is ResetReason.ConnectFailure or ResetReason.ConnectTimeout);
        matched = Or(matched, policy, RetryConditions.ResetBeforeRequest, !wasSent);
        matched = Or(matched, policy, RetryConditions.Reset, true);
        matched = Or(matched, policy, RetryConditions.ServerError, true);
        matched = Or(matched, policy, RetryConditions.GatewayError, true);
        return Or(matched, policy, RetryConditions.RefusedStream, reason == ResetReason.RefusedStream);
    }

    private static RetryConditions Or(RetryConditions matched, RetryConditions policy, RetryConditions condition, bool holds) =>
        matched != RetryConditions.None || !holds ? matched : policy & condition;

    private static RetryConditions OfGrpc(int status) => status switch
    {
        1 => RetryConditions.GrpcCancelled,
        4 => RetryConditions.GrpcDeadlineExceeded,
        8 => RetryConditions.GrpcResourceExhausted,
        13 => RetryConditions.GrpcInternal,
        14 => RetryConditions.GrpcUnavailable,
        _ => RetryConditions.None,
    };
}
