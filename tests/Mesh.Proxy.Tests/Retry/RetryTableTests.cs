using Mesh.Proxy.Retry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Retry;

/// <summary>Every row of semantics 4.2 and 4.3, and the order of the rows.</summary>
public sealed class RetryTableTests
{
    private const RetryConditions All = (RetryConditions)((1 << 15) - 1);

    [Theory]
    [InlineData(RetryConditions.ServerError, 500, RetryConditions.ServerError)]
    [InlineData(RetryConditions.ServerError, 599, RetryConditions.ServerError)]
    [InlineData(RetryConditions.ServerError, 499, RetryConditions.None)]
    [InlineData(RetryConditions.GatewayError, 502, RetryConditions.GatewayError)]
    [InlineData(RetryConditions.GatewayError, 503, RetryConditions.GatewayError)]
    [InlineData(RetryConditions.GatewayError, 504, RetryConditions.GatewayError)]
    [InlineData(RetryConditions.GatewayError, 500, RetryConditions.None)]
    [InlineData(RetryConditions.GatewayError, 501, RetryConditions.None)]
    [InlineData(RetryConditions.Retriable4xx, 409, RetryConditions.Retriable4xx)]
    [InlineData(RetryConditions.Retriable4xx, 429, RetryConditions.None)]
    [InlineData(RetryConditions.StatusCodes, 429, RetryConditions.StatusCodes)]
    [InlineData(RetryConditions.StatusCodes, 503, RetryConditions.None)]
    [InlineData(RetryConditions.Retriable4xx, 200, RetryConditions.None)]
    [InlineData(RetryConditions.ConnectFailure | RetryConditions.Reset | RetryConditions.ResetBeforeRequest | RetryConditions.RefusedStream, 503, RetryConditions.None)]
    [InlineData(All, 503, RetryConditions.ServerError)] // the first row that fits
    [InlineData(All & ~RetryConditions.ServerError, 503, RetryConditions.GatewayError)]
    [InlineData(All, 200, RetryConditions.None)]
    public void Status_IsRetried_ByTheFirstRowThatFits(RetryConditions policy, int status, RetryConditions matched) =>
        Assert.Equal(matched, RetryTable.OnAnswer(policy, [429], new AnswerFacts(status)));

    [Theory]
    [InlineData(RetryConditions.ServerError | RetryConditions.StatusCodes, RetryConditions.None)]
    [InlineData(RetryConditions.ServerError | RetryConditions.EnvoyRateLimited, RetryConditions.EnvoyRateLimited)]
    public void RateLimited_IsRetried_OnlyForItsToken(RetryConditions policy, RetryConditions matched) =>
        Assert.Equal(matched, RetryTable.OnAnswer(policy, [429], new AnswerFacts(503, IsRateLimited: true)));

    [Theory]
    [InlineData(RetryConditions.RetriableHeaders, RetryConditions.RetriableHeaders)]
    [InlineData(RetryConditions.ServerError, RetryConditions.None)]
    public void Header_IsRetried_ByItsToken(RetryConditions policy, RetryConditions matched) =>
        Assert.Equal(matched, RetryTable.OnAnswer(policy, [], new AnswerFacts(200, HasRetriableHeader: true)));

    [Theory]
    [InlineData(1, RetryConditions.GrpcCancelled)]
    [InlineData(4, RetryConditions.GrpcDeadlineExceeded)]
    [InlineData(8, RetryConditions.GrpcResourceExhausted)]
    [InlineData(13, RetryConditions.GrpcInternal)]
    [InlineData(14, RetryConditions.GrpcUnavailable)]
    [InlineData(0, RetryConditions.None)]
    [InlineData(5, RetryConditions.None)]
    public void GrpcStatus_IsRetried_ByItsTokenAlone(int status, RetryConditions token)
    {
        Assert.Equal(token, RetryTable.OnAnswer(All, [], new AnswerFacts(200, GrpcStatus: status)));
        Assert.Equal(RetryConditions.None, RetryTable.OnAnswer(All & ~token, [], new AnswerFacts(200, GrpcStatus: status)));
    }

    [Theory]
    [InlineData(RetryConditions.ConnectFailure, nameof(ResetReason.ConnectFailure), true, RetryConditions.ConnectFailure)]
    [InlineData(RetryConditions.ConnectFailure, nameof(ResetReason.ConnectTimeout), true, RetryConditions.ConnectFailure)]
    [InlineData(RetryConditions.ConnectFailure, nameof(ResetReason.ConnectionTermination), false, RetryConditions.None)]
    [InlineData(RetryConditions.ConnectFailure, nameof(ResetReason.LocalReset), true, RetryConditions.None)]
    [InlineData(RetryConditions.ResetBeforeRequest, nameof(ResetReason.ConnectionTermination), false, RetryConditions.ResetBeforeRequest)]
    [InlineData(RetryConditions.ResetBeforeRequest, nameof(ResetReason.ConnectionTermination), true, RetryConditions.None)]
    [InlineData(RetryConditions.ResetBeforeRequest, nameof(ResetReason.LocalReset), false, RetryConditions.ResetBeforeRequest)]
    [InlineData(RetryConditions.Reset, nameof(ResetReason.ConnectionTermination), true, RetryConditions.Reset)]
    [InlineData(RetryConditions.Reset, nameof(ResetReason.ConnectFailure), false, RetryConditions.Reset)]
    [InlineData(RetryConditions.Reset, nameof(ResetReason.LocalReset), true, RetryConditions.Reset)]
    [InlineData(RetryConditions.Reset, nameof(ResetReason.ProtocolError), true, RetryConditions.Reset)]
    [InlineData(RetryConditions.ServerError, nameof(ResetReason.LocalReset), true, RetryConditions.ServerError)]
    [InlineData(RetryConditions.GatewayError, nameof(ResetReason.ConnectTimeout), true, RetryConditions.GatewayError)]
    [InlineData(RetryConditions.RefusedStream, nameof(ResetReason.RefusedStream), true, RetryConditions.RefusedStream)]
    [InlineData(RetryConditions.RefusedStream, nameof(ResetReason.LocalReset), true, RetryConditions.None)]
    [InlineData(RetryConditions.StatusCodes | RetryConditions.Retriable4xx, nameof(ResetReason.ConnectionTermination), false, RetryConditions.None)]
    [InlineData(All, nameof(ResetReason.Overflow), false, RetryConditions.None)]
    [InlineData(All, nameof(ResetReason.ConnectFailure), false, RetryConditions.ConnectFailure)]
    public void Reset_IsRetried_ByTheFirstRowThatFits(RetryConditions policy, string reason, bool wasSent, RetryConditions matched) =>
        Assert.Equal(matched, RetryTable.OnReset(policy, Enum.Parse<ResetReason>(reason), wasSent));

    [Theory]
    [InlineData(RetryConditions.ConnectFailure | RetryConditions.ResetBeforeRequest | RetryConditions.RefusedStream, false)]
    [InlineData(RetryConditions.ConnectFailure | RetryConditions.GrpcUnavailable, true)]
    public void Body_IsKept_WhenItMayLeaveTwice(RetryConditions policy, bool needs) => Assert.Equal(needs, RetryTable.NeedsBody(policy));
}
