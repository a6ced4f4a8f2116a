using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Rules.Reading;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class StatusQueueTests : IAsyncLifetime, IDisposable
{
    private static readonly RuleKey A = new("DestinationRule", "default", "a");
    private readonly CancellationTokenSource _stop = new();
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLoggerFactory _logs = new();
    private ApiDouble _server = null!;
    private KubernetesClient _client = null!;
    private StatusQueue _queue = null!;
    private Task _run = Task.CompletedTask;
    private volatile bool _leads = true;

    public async Task InitializeAsync()
    {
        _server = await ApiDouble.StartAsync();
        _server.Objects.Serve(WatchBench.Group, WatchBench.Plural, "v1");
        _client = _server.Client(_time);
        _queue = new StatusQueue(_client, () => _leads, _time, new ScriptedRandom(), _logs.CreateLogger<StatusQueue>());
        _run = _queue.RunAsync(_stop.Token);
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run.WaitAsync(TimeSpan.FromSeconds(10));
        _client.Dispose();
        await _server.DisposeAsync();
    }

    public void Dispose()
    {
        _stop.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public async Task Offer_Leader_WritesUnderItsNameToTheStatusOnly()
    {
        _queue.Offer(A, Put("one"), Status("1 of 1"));

        await Eventually.HoldsAsync(() => Programmed() == "1 of 1", "the status is written");

        Assert.Equal(["PATCH /apis/networking.istio.io/v1/namespaces/default/destinationrules/a/status?fieldManager=mesh-control-plane"], _server.Requests);
        Assert.Equal("one", (string?)Now()["spec"]!["host"]);
    }

    [Fact]
    public void Offer_NotTheLeader_WritesNothing()
    {
        _leads = false;

        _queue.Offer(A, Put("one"), Status("1 of 1"));

        Assert.Equal(0, _time.ArmedTimers); // the loop was not even woken
        Assert.Empty(_server.Requests);
    }

    [Fact]
    public async Task Offer_AnotherWriterMeanwhile_KeepsBothParts()
    {
        JsonObject stale = Put("one");
        _server.Objects.Put(WatchBench.Group, WatchBench.Plural, WatchBench.Rule("a", "one").TrimEnd('}') + "}, status: {conditions: [{type: Reconciled, status: 'True'}]}}");

        _queue.Offer(A, stale, Status("1 of 1"));
        await Eventually.HoldsAsync(() => Programmed() == "1 of 1", "the status is written at the second try");

        Assert.Equal(["Reconciled", "Programmed"], ((JsonArray)Now()["status"]!["conditions"]!).Select(static c => (string?)c!["type"]));
        Assert.Equal(2, _server.Count("PATCH"));
    }

    [Fact]
    public async Task Offer_ManyInASecond_WritesFirstAndLast()
    {
        JsonObject obj = Put("one");
        _queue.Offer(A, obj, Status("1 of 9"));
        await Eventually.HoldsAsync(() => Programmed() == "1 of 9" && _queue.Writes == 1 && _time.ArmedTimers == 1, "the first is written, and the loop pauses");
        for (int i = 2; i <= 9; i++)
        {
            _queue.Offer(A, Now(), Status($"{i} of 9"));
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => Programmed() == "9 of 9", "the last is written");

        Assert.Equal(2, _server.Count("PATCH"));
    }

    [Fact]
    public async Task Offer_SomebodyUndoesIt_IsNotFoughtWithinAMinute()
    {
        _queue.Offer(A, Put("one"), Status("1 of 1"));
        await Eventually.HoldsAsync(() => Programmed() == "1 of 1" && _queue.Writes == 1 && _time.ArmedTimers == 1, "the status is written, and the loop pauses");
        JsonObject undone = Put("one");
        Assert.Null(undone["status"]);

        _time.Advance(TimeSpan.FromSeconds(1));
        _queue.Offer(A, undone, Status("1 of 1"));
        await Eventually.HoldsAsync(() => _time.ArmedTimers == 1, "the loop has looked at it");
        Assert.Equal(1, _server.Count("PATCH"));
        _time.Advance(TimeSpan.FromMinutes(1));
        _queue.Offer(A, Now(), Status("1 of 1"));

        await Eventually.HoldsAsync(() => Programmed() == "1 of 1", "it is written again later");
    }

    [Fact]
    public async Task Offer_ServerInTrouble_IsWrittenLaterAndSaidOnce()
    {
        _server.Fail("PATCH", 503, times: 2);

        _queue.Offer(A, Put("one"), Status("1 of 1"));
        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(20));
                return Programmed() == "1 of 1";
            },
            "the third try succeeds");

        Assert.Equal(3, _server.Count("PATCH"));
        Assert.Single(_logs.Warnings);
    }

    [Fact]
    public async Task Offer_NoRight_IsGivenUpAndOthersAreWritten()
    {
        JsonObject a = Put("one");
        JsonObject b = _server.Objects.Put(WatchBench.Group, WatchBench.Plural, WatchBench.Rule("b", "two"));
        _server.Fail("destinationrules/a/", 403);

        _queue.Offer(A, a, Status("1 of 1"));
        _queue.Offer(A with { Name = "b" }, b, Status("1 of 1"));

        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(20));
                return _server.Objects.Get(WatchBench.Group, WatchBench.Plural, "b")!["status"] is not null;
            },
            "b is written");
        Assert.Contains("DestinationRule/default/a cannot be written: fault 403", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(403)]
    [InlineData(422)]
    public async Task Offer_OneFailsAgainAndAgain_OthersAreWrittenAtOnce(int code)
    {
        JsonObject a = Put("one");
        JsonObject b = Put("two", "b");
        _server.Fail("destinationrules/a/", code);

        _queue.Offer(A, a, Status("1 of 1"));
        _queue.Offer(A with { Name = "b" }, b, Status("1 of 1"));

        TimeSpan waited = await StepUntilAsync(() => _server.Objects.Get(WatchBench.Group, WatchBench.Plural, "b")!["status"] is not null, "b is written");
        Assert.InRange(waited, TimeSpan.Zero, TimeSpan.FromSeconds(3)); // at once, or after the pause between two rounds if a's was over before b came
        await StepUntilAsync(() => _server.Count("PATCH") >= 4, "a is tried again");
        Assert.Single(_logs.Warnings);
        _server.Mend();
        await StepUntilAsync(() => Programmed() == "1 of 1", "a is written in the end");
    }

    [Fact]
    public async Task Offer_OneHasFailedForLong_HoldsUpNoOther()
    {
        _server.Fail("destinationrules/a/", 500);
        _queue.Offer(A, Put("one"), Status("1 of 1"));
        await StepUntilAsync(() => _server.Count("PATCH") >= 5, "a is tried again and again");

        _queue.Offer(A with { Name = "b" }, Put("two", "b"), Status("1 of 1"));
        TimeSpan waited = await StepUntilAsync(() => _queue.Writes == 1, "b is written");

        Assert.InRange(waited, TimeSpan.Zero, TimeSpan.FromSeconds(3)); // a waits for half a minute
    }

    [Fact]
    public async Task Offer_KindWithoutStatus_IsSaidOnceAndTriedAgain()
    {
        _server.Fail("/status", 404);
        _queue.Offer(A, Put("one"), Status("1 of 1"));

        await StepUntilAsync(() => _server.Count("PATCH") >= 2, "it is tried again");
        Assert.Contains("install a CustomResourceDefinition with the subresource status", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
        _server.Mend();
        await StepUntilAsync(() => Programmed() == "1 of 1", "it is written in the end");
    }

    [Theory]
    [InlineData(503)]
    [InlineData(429)]
    public async Task Offer_ServerAsksForTime_GetsIt(int code)
    {
        JsonObject a = Put("one");
        JsonObject b = Put("two", "b");
        _server.Fail("PATCH", code, times: 1, retryAfter: 20);

        _queue.Offer(A, a, Status("1 of 1"));
        _queue.Offer(A with { Name = "b" }, b, Status("1 of 1"));
        await Eventually.HoldsAsync(() => _server.Count("PATCH") == 1, "the first is refused");
        TimeSpan waited = await StepUntilAsync(() => _server.Count("PATCH") >= 2, "it is tried again");

        Assert.True(waited >= TimeSpan.FromSeconds(20), $"waited {waited}");
    }

    [Fact]
    public async Task Offer_NoRightForAKind_AsksThreeTimesAndSaysSoOnce()
    {
        _server.Fail("PATCH", 403);
        for (int i = 0; i < 50; i++)
        {
            _queue.Offer(A with { Name = $"r{i}" }, Put("one", $"r{i}"), Status("1 of 1"));
        }

        await StepUntilAsync(() => _server.Count("PATCH") >= 3, "three are refused");
        for (int i = 0; i < 10; i++)
        {
            await Eventually.HoldsAsync(() => _queue.IsPaused, "the loop waits again");
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(3, _server.Count("PATCH"));
        Assert.Single(_logs.Warnings);
        _server.Mend();
        await StepUntilAsync(() => _queue.Writes == 50, "all are written once the right is there");
    }

    [Fact]
    public async Task Offer_TwoControlPlanesThatDisagree_WriteMoreAndMoreRarely()
    {
        using KubernetesClient client = _server.Client(_time);
        StatusQueue other = new(client, static () => true, _time, new ScriptedRandom(), _logs.CreateLogger<StatusQueue>());
        Task run = other.RunAsync(_stop.Token);
        Put("one");
        for (int i = 0; i < 60 * 6; i++)
        {
            _queue.Offer(A, Now(), Status("5 of 5"));
            other.Offer(A, Now(), Status("3 of 3"));
            _time.Advance(TimeSpan.FromSeconds(10));
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System); // the loops take it up
            await Eventually.HoldsAsync(() => _queue.IsPaused && other.IsPaused, "both have looked");
        }

        // At 0, 1, 3, 7, 15 and 31 minutes, not each minute.
        Assert.InRange(_queue.Writes, 2, 7);
        Assert.InRange(other.Writes, 2, 7);
        await _stop.CancelAsync();
        await run;
    }

    [Fact]
    public async Task Offer_SomebodyInsists_IsAnsweredMoreAndMoreRarely()
    {
        List<TimeSpan> at = [];
        long begin = _time.GetTimestamp();
        for (int i = 1; i <= 4; i++)
        {
            _queue.Offer(A, Put("one"), Status("1 of 1", time: $"2030-01-01T00:00:0{i}Z")); // undone, and ours has another time
            await StepUntilAsync(() => _queue.Writes == i, $"write {i}");
            at.Add(_time.GetElapsedTime(begin));
        }

        Assert.Equal([1.0, 2.0, 4.0], at.Zip(at.Skip(1), static (a, b) => Math.Round((b - a).TotalMinutes, 1)));
        Assert.Contains("give both the same --lease-namespace", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Offer_OtherWordsWhileTheSameAreHeld_AreWrittenAtOnce()
    {
        _queue.Offer(A, Put("one"), Status("1 of 2"));
        await StepUntilAsync(() => _queue.Writes == 1, "the first is written");
        JsonObject undone = Put("one");
        _queue.Offer(A, undone, Status("1 of 2"));
        _time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => _queue.IsPaused && _server.Count("PATCH") == 1, "it is held");

        _queue.Offer(A, undone, Status("2 of 2"));
        TimeSpan waited = await StepUntilAsync(() => Programmed() == "2 of 2", "the newer one is written");

        Assert.InRange(waited, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Offer_RuleMadeAnewMeanwhile_LeavesTheNewOneAlone()
    {
        JsonObject old = Put("one");
        _server.Objects.Delete(WatchBench.Group, WatchBench.Plural, "a");
        Put("one");

        _queue.Offer(A, old, Status("1 of 1"));
        await Eventually.HoldsAsync(() => _server.Requests.Count == 2 && _time.ArmedTimers == 1, "it was refused and looked up");

        Assert.Null(Now()["status"]);
    }

    private async Task<TimeSpan> StepUntilAsync(Func<bool> condition, string what)
    {
        long begin = _time.GetTimestamp();
        await Eventually.HoldsAsync(
            () =>
            {
                if (condition())
                {
                    return true;
                }

                if (_queue.IsPaused) // a request under way must not be late by this clock
                {
                    _time.Advance(TimeSpan.FromSeconds(1));
                }

                return false;
            },
            what);
        return _time.GetElapsedTime(begin);
    }

    private JsonObject Put(string host, string name = "a") => _server.Objects.Put(WatchBench.Group, WatchBench.Plural, WatchBench.Rule(name, host));

    private JsonObject Now() => _server.Objects.Get(WatchBench.Group, WatchBench.Plural, "a")!;

    private string? Programmed() => (string?)(Now()["status"]?["conditions"] as JsonArray)?.FirstOrDefault(static c => (string?)c!["type"] == "Programmed")?["message"];

    private static JsonObject Status(string message, string time = "2030-01-01T00:00:00Z") => new()
    {
        ["observedGeneration"] = 1,
        ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Programmed", ["status"] = "False", ["message"] = message, ["lastTransitionTime"] = time }),
    };
}
