using System.Text;
using Mesh.Proxy.Retry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Retry;

public sealed class RetryStateTests
{
    [Fact]
    public void Wish_IsAddedToTheRoute_AndItsCountReplacesTheRoutes()
    {
        RetryState state = new(new ScriptedRandom());
        RetryWish wish = Wish(("retry-on", "gateway-error, nonsense"), ("retry-grpc-on", "unavailable"), ("max-retries", "5"), ("retriable-status-codes", "418, x,419"));

        state.Begin(new RetryConfig { Conditions = RetryConditions.StatusCodes, StatusCodes = [503], Attempts = 1 }, wish);

        Assert.Equal(RetryConditions.StatusCodes | RetryConditions.GatewayError | RetryConditions.GrpcUnavailable, state.Conditions);
        Assert.Equal(5, state.Left);
        Assert.Equal(RetryConditions.StatusCodes, state.OnAnswer(new AnswerFacts(419)));
        Assert.Equal(RetryConditions.GatewayError, state.OnAnswer(new AnswerFacts(503)));
        Assert.Equal(RetryConditions.None, state.OnAnswer(new AnswerFacts(420)));
    }

    [Fact]
    public void Wish_WithoutARoute_HasOneRetry()
    {
        RetryState state = new(new ScriptedRandom());
        state.Begin(null, Wish(("retry-on", "5xx")));
        Assert.True(state.TryTake());
        Assert.False(state.TryTake());
    }

    [Fact]
    public void Wish_OfTimes_IsInMilliseconds()
    {
        RetryWish wish = Wish(("Upstream-Rq-Timeout-Ms", "250"), ("upstream-rq-per-try-timeout-ms", "100"), ("upstream-rq-timeout-alt-response", "1"));
        Assert.Equal((TimeSpan.FromMilliseconds(250), TimeSpan.FromMilliseconds(100), true), (wish.Timeout!.Value, wish.PerTryTimeout!.Value, wish.HasQuietTimeout));
    }

    [Theory]
    [InlineData("max-retries", "-1")]
    [InlineData("max-retries", "two")]
    [InlineData("max-retries", "2x")]
    [InlineData("upstream-rq-timeout-ms", "")]
    [InlineData("upstream-rq-per-try-timeout-ms", "99999999999999999999")]
    [InlineData("hedge-on-per-try-timeout", "true")]
    public void Wish_ThatCannotBeRead_IsNone(string name, string value) => Assert.Equal(default, Wish((name, value)));

    [Fact]
    public void Token_OfEveryCondition_IsKnown()
    {
        string all = string.Join(',', RetryTokens);
        Assert.Equal((RetryConditions)((1 << RetryTokens.Length) - 1), Wish(("retry-on", all)).Conditions);
    }

    [Fact]
    public void Start_CountsAndRemembersWhy()
    {
        RetryState state = new(new ScriptedRandom(7, 30));
        state.Begin(new RetryConfig { Conditions = RetryConditions.Reset | RetryConditions.ServerError }, default);
        state.Start(RetryConditions.Reset, null, isAtOnce: false);
        Assert.Equal(TimeSpan.FromMilliseconds(7), state.Pause);
        state.Start(RetryConditions.ServerError, null, isAtOnce: false);
        Assert.Equal(TimeSpan.FromMilliseconds(30), state.Pause);
        state.Start(RetryConditions.Reset, null, isAtOnce: true);
        Assert.Equal((3, TimeSpan.Zero, RetryConditions.Reset | RetryConditions.ServerError), (state.Count, state.Pause, state.Matched));
    }

    private static readonly string[] RetryTokens =
    [
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream", "retriable-status-codes",
        "envoy-ratelimited", "retriable-headers", "cancelled", "deadline-exceeded", "resource-exhausted", "internal", "unavailable",
    ];

    private static RetryWish Wish(params (string Name, string Value)[] fields) => fields.Aggregate(
        default(RetryWish), static (wish, field) => wish.With(Encoding.ASCII.GetBytes(field.Name), Encoding.ASCII.GetBytes(field.Value)));
}
