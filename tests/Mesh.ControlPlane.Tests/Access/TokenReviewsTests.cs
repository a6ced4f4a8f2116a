using System.Text.Json.Nodes;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Tests.Kubernetes;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Access;

public sealed class TokenReviewsTests : IAsyncLifetime, IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly DoorStats _stats = new();
    private readonly RecordingLoggerFactory _logs = new();
    private ApiDouble _server = null!;
    private KubernetesClient _client = null!;
    private TokenReviews _reviews = null!;

    public async Task InitializeAsync()
    {
        _server = await ApiDouble.StartAsync();
        _client = _server.Client(_time);
        _reviews = new TokenReviews(_client, _stats, (_time, new ScriptedRandom(), _logs.CreateLogger("reviews")));
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
    }

    public void Dispose() => _logs.Dispose();

    [Fact]
    public async Task Check_KnownToken_IsItsCallerAndReviewedAgainBeforeItLapses()
    {
        Know("products-1");
        string token = ReviewStatus.Token("a");

        CallerAnswer first = await CheckAsync(token);
        _time.Advance(TimeSpan.FromSeconds(44));
        CallerAnswer again = await CheckAsync(token);
        int asked = Asked;
        TaskCompletionSource slow = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _server.Judge = async _ =>
        {
            await slow.Task;
            return ReviewStatus.Known("shop", "products", "products-1");
        };
        _time.Advance(TimeSpan.FromSeconds(1));
        CallerAnswer meanwhile = await CheckAsync(token); // nobody waits for the review
        await Eventually.HoldsAsync(() => Asked == 2, "it is asked about again");
        slow.SetResult();
        await Eventually.HoldsAsync(() => _stats.Reviews == 2, "that is answered");

        Assert.Equal(new Caller("shop", "products", "products-1"), first.Caller);
        Assert.Equal((first, first, 1), (again, meanwhile, asked));
    }

    [Fact]
    public async Task Check_KnownTokenIsRefusedLater_ItsTimeIsOver()
    {
        Know("products-1");
        string token = ReviewStatus.Token("a");
        await CheckAsync(token);
        _server.Judge = static _ => Task.FromResult(ReviewStatus.Unknown()); // the pod is gone

        _time.Advance(TimeSpan.FromSeconds(45));
        await CheckAsync(token);

        await Eventually.HoldsAsync(() => _stats.Reviews == 2, "it is asked about again");
        await Eventually.HoldsAsync(() => CheckAsync(token) is { IsCompletedSuccessfully: true, Result.Caller: null }, "it is refused before the minute is over");
    }

    [Fact]
    public async Task Check_TokenThatEndsSoon_IsNotTrustedPastItsEnd()
    {
        Know("products-1");
        string token = ReviewStatus.Token("a", _time.GetUtcNow().AddSeconds(10));

        await CheckAsync(token);
        _time.Advance(TimeSpan.FromSeconds(9));
        await CheckAsync(token);
        int before = Asked;
        _time.Advance(TimeSpan.FromSeconds(1));
        _server.Judge = static _ => Task.FromResult(ReviewStatus.Unknown("[invalid bearer token, service account token has expired]"));
        CallerAnswer after = await CheckAsync(token);

        Assert.Equal((1, 1), (before, Asked));
        Assert.Null(after.Caller);
        Assert.Contains("the token has ended", after.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_RotatedToken_IsAnotherQuestion()
    {
        Know("products-1");
        await CheckAsync(ReviewStatus.Token("first"));

        CallerAnswer rotated = await CheckAsync(ReviewStatus.Token("second"));

        Assert.Equal("products-1", rotated.Caller?.Pod);
        Assert.Equal(2, Asked);
    }

    [Fact]
    public async Task Check_Refused_IsRememberedForSecondsOnly()
    {
        string token = ReviewStatus.Token("a");

        CallerAnswer refused = await CheckAsync(token);
        await CheckAsync(token);
        int soon = Asked;
        Know("products-1");
        _time.Advance(TokenReviews.RefusalLife);

        Assert.Null(refused.Caller);
        Assert.Null(refused.RetryAfter);
        Assert.Equal(1, soon);
        Assert.NotNull((await CheckAsync(token)).Caller); // a pod that was a moment too early
    }

    [Theory]
    [InlineData("authenticated", "false", "does not know the token")]
    [InlineData("authenticated", "null", "does not know the token")]
    [InlineData("authenticated", "\"true\"", "does not know the token")]
    [InlineData("audiences", """["https://kubernetes.default.svc"]""", "is not made for the audience mesh-control-plane")]
    [InlineData("audiences", "null", "is not made for the audience mesh-control-plane")]
    [InlineData("audiences", "[1]", "is not made for the audience mesh-control-plane")]
    [InlineData("user", """{"username":"kubernetes-admin"}""", "no service account")]
    [InlineData("user", """{"username":"system:serviceaccount:shop"}""", "no service account")]
    [InlineData("user", """{"username":"system:serviceaccount::a"}""", "no service account")]
    [InlineData("user", "null", "no service account")]
    public async Task Check_AnswerThatDoesNotVouch_LetsNobodyIn(string field, string value, string expected)
    {
        JsonObject status = ReviewStatus.Known("shop", "products");
        status[field] = JsonNode.Parse(value);
        _server.Judge = _ => Task.FromResult(status);

        CallerAnswer answer = await CheckAsync(ReviewStatus.Token("a"));

        Assert.Null(answer.Caller);
        Assert.Null(answer.RetryAfter);
        Assert.Contains(expected, answer.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("opaque")]
    [InlineData("a.b")]
    [InlineData("a..c")]
    [InlineData("a.%%%%.c")]
    public async Task Check_NoToken_OfAServiceAccount_IsNotSentToAnybody(string token)
    {
        CallerAnswer answer = await CheckAsync(token);

        Assert.Null(answer.Caller);
        Assert.Equal(0, Asked);
    }

    [Theory]
    [InlineData("junk", "none of a service account")]
    [InlineData("[1]", "none of a service account")]
    [InlineData("""{"sub":"a","exp":4102444800}""", "not made for the audience mesh-control-plane")]
    [InlineData("""{"sub":"a","aud":["https://kubernetes.default.svc",1],"exp":4102444800}""", "not made for the audience mesh-control-plane")]
    [InlineData("""{"sub":"a","aud":"mesh-control-plane"}""", "does not say when it ends")]
    [InlineData("""{"sub":"a","aud":"mesh-control-plane","exp":1600000000}""", "the token has ended")]
    public async Task Check_ClaimsThatCannotBeGood_AreNotSentToAnybody(string claims, string expected)
    {
        CallerAnswer answer = await CheckAsync(ReviewStatus.TokenOf(claims));

        Assert.Null(answer.Caller);
        Assert.Null(answer.RetryAfter);
        Assert.Contains(expected, answer.Problem, StringComparison.Ordinal);
        Assert.Equal(0, Asked);
    }

    [Fact]
    public async Task Check_QueueIsSlow_IsNotTakenForAnApiServerThatIsAway()
    {
        TaskCompletionSource first = new(TaskCreationOptions.RunContinuationsAsynchronously), second = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int judged = 0;
        _server.Judge = async _ =>
        {
            await (Interlocked.Increment(ref judged) <= MostAtOnce ? first : second).Task;
            return ReviewStatus.Known("shop", "products");
        };
        const int All = (2 * MostAtOnce) + 1;
        Task<CallerAnswer>[] checks = [.. Enumerable.Range(0, All).Select(i => CheckAsync(ReviewStatus.Token($"pod-{i}")))];
        await Eventually.HoldsAsync(() => Asked == MostAtOnce && _time.ArmedTimers >= All + (2 * MostAtOnce), "some are asked about and all others wait for their turn");

        _time.Advance(TokenReviews.Patience * 0.8);
        first.SetResult();
        await Eventually.HoldsAsync(() => Asked == 2 * MostAtOnce, "the next have their turn, late");
        _time.Advance(TokenReviews.Patience * 0.8);
        await Eventually.HoldsAsync(() => checks.Any(static check => check.IsCompletedSuccessfully && check.Result.RetryAfter is not null), "the last has waited for too long");
        second.SetResult();
        CallerAnswer[] answers = await Task.WhenAll(checks);

        Assert.Equal(All - 1, answers.Count(static answer => answer.Caller is not null)); // the late ones had time of their own
        Assert.Equal(0, _stats.FailedReviews);
        Assert.NotNull((await CheckAsync(ReviewStatus.Token("another"))).Caller); // nobody rests
    }

    [Fact]
    public async Task Check_ManyAtOnce_AskOnce()
    {
        TaskCompletionSource slow = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _server.Judge = async _ =>
        {
            await slow.Task;
            return ReviewStatus.Known("shop", "products");
        };
        string token = ReviewStatus.Token("a");
        using CancellationTokenSource gone = new();

        Task<CallerAnswer> impatient = _reviews.CheckAsync(token, gone.Token).AsTask();
        Task<CallerAnswer>[] all = [.. Enumerable.Range(0, 100).Select(_ => CheckAsync(token))];
        await gone.CancelAsync(); // the first one goes away: the question is the others' too
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        slow.SetResult();

        Assert.All(await Task.WhenAll(all), static answer => Assert.NotNull(answer.Caller));
        Assert.Equal(1, Asked);
    }

    [Fact]
    public async Task Check_ManyTokensAtOnce_AreJudgedAFewAtATime()
    {
        TaskCompletionSource held = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int underWay = 0, most = 0;
        _server.Judge = async _ =>
        {
            InterlockedMax(ref most, Interlocked.Increment(ref underWay));
            await held.Task;
            Interlocked.Decrement(ref underWay);
            return ReviewStatus.Known("shop", "products");
        };

        Task<CallerAnswer>[] checks = [.. Enumerable.Range(0, 300).Select(i => CheckAsync(ReviewStatus.Token($"pod-{i}")))];
        await Eventually.HoldsAsync(() => Volatile.Read(ref underWay) == MostAtOnce, "all turns are taken");
        held.SetResult();
        CallerAnswer[] answers = await Task.WhenAll(checks);

        Assert.All(answers, static answer => Assert.NotNull(answer.Caller));
        Assert.Equal(MostAtOnce, most);
        Assert.Equal(300, _stats.Reviews);
    }

    [Fact]
    public async Task Check_EndlesslyManyTokens_WaitInABoundedQueue()
    {
        TaskCompletionSource slow = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _server.Judge = async _ =>
        {
            await slow.Task;
            return ReviewStatus.Unknown();
        };
        Task<CallerAnswer>[] waiting = [.. Enumerable.Range(0, TokenReviews.MostWaiting).Select(i => CheckAsync(ReviewStatus.Token($"junk {i}")))];

        CallerAnswer oneMore = await CheckAsync(ReviewStatus.Token("one more"));
        slow.SetResult();
        await Task.WhenAll(waiting);

        Assert.Equal(TokenReviews.Rest, oneMore.RetryAfter);
        Assert.Equal(TokenReviews.MostWaiting, _stats.Reviews);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(429)]
    [InlineData(403)]
    public async Task Check_ServerCannotJudge_AsksToComeAgainAndIsNotHammered(int code)
    {
        _server.Fail("tokenreviews", code);

        CallerAnswer first = await CheckAsync(ReviewStatus.Token("a"));
        CallerAnswer second = await CheckAsync(ReviewStatus.Token("b"));
        int asked = Asked;
        _server.Mend();
        Know("products-1");
        _time.Advance(TokenReviews.Rest);

        Assert.Equal(TokenReviews.Rest, first.RetryAfter);
        Assert.Contains($"fault {code}", first.Problem, StringComparison.Ordinal);
        Assert.NotNull(second.RetryAfter);
        Assert.Equal(1, asked);
        Assert.NotNull((await CheckAsync(ReviewStatus.Token("a"))).Caller); // it was not judged, so nothing is remembered
        Assert.Equal(1, _stats.FailedReviews);
    }

    [Fact]
    public async Task Check_ServerAway_WhoWasLetInStaysSoForTenMinutes()
    {
        Know("products-1");
        string token = ReviewStatus.Token("a");
        await CheckAsync(token);

        _server.Fail("tokenreviews", 503, retryAfter: 7);
        CallerAnswer stranger = await CheckAsync(ReviewStatus.Token("b"));
        List<CallerAnswer> known = [];
        for (int i = 0; i < 9; i++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            known.Add(await CheckAsync(token));
        }

        _time.Advance(TimeSpan.FromMinutes(1));
        CallerAnswer later = await CheckAsync(token);

        Assert.Equal(TimeSpan.FromSeconds(7), stranger.RetryAfter);
        Assert.All(known, static answer => Assert.NotNull(answer.Caller));
        Assert.Null(later.Caller);
        Assert.NotNull(later.RetryAfter);
    }

    [Fact]
    public async Task Check_ServerAway_NobodyIsLetInPastTheTokensEnd()
    {
        Know("products-1");
        string token = ReviewStatus.Token("a", _time.GetUtcNow().AddMinutes(3));
        await CheckAsync(token);
        _server.Fail("tokenreviews", 503);

        _time.Advance(TimeSpan.FromMinutes(2));
        CallerAnswer before = await CheckAsync(token);
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.NotNull(before.Caller);
        Assert.Null((await CheckAsync(token)).Caller);
    }

    [Fact]
    public async Task Check_ServerSlow_GivesUpAndSaysSo()
    {
        TaskCompletionSource never = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _server.Judge = async _ =>
        {
            asked.TrySetResult();
            await never.Task;
            return ReviewStatus.Unknown();
        };

        Task<CallerAnswer> check = CheckAsync(ReviewStatus.Token("a"));
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(10));
        _time.Advance(TokenReviews.Patience);
        CallerAnswer answer = await check;
        never.SetResult();

        Assert.NotNull(answer.RetryAfter);
        Assert.Contains("no verdict within 5 s", answer.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_AnyVerdict_LeavesNoTokenInTheLog()
    {
        string token = ReviewStatus.Token("a");
        await CheckAsync(token);
        _server.Fail("tokenreviews", 500);
        await CheckAsync(ReviewStatus.Token("b"));

        Assert.Single(_logs.Warnings);
        Assert.All(_logs.Entries, entry => Assert.DoesNotContain(token[..12], entry.Text, StringComparison.Ordinal));
    }

    private const int MostAtOnce = 32;

    private int Asked => _server.Count("POST /apis/authentication.k8s.io/v1/tokenreviews");

    private static void InterlockedMax(ref int most, int value)
    {
        int seen = Volatile.Read(ref most);
        while (value > seen && Interlocked.CompareExchange(ref most, value, seen) is int now && now != seen)
        {
            seen = now;
        }
    }

    private void Know(string pod) => _server.Judge = _ => Task.FromResult(ReviewStatus.Known("shop", "products", pod));

    private Task<CallerAnswer> CheckAsync(string token) => _reviews.CheckAsync(token, CancellationToken.None).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
}
