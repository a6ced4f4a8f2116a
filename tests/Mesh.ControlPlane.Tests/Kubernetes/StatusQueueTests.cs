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

    private JsonObject Put(string host) => _server.Objects.Put(WatchBench.Group, WatchBench.Plural, WatchBench.Rule("a", host));

    private JsonObject Now() => _server.Objects.Get(WatchBench.Group, WatchBench.Plural, "a")!;

    private string? Programmed() => (string?)(Now()["status"]?["conditions"] as JsonArray)?.FirstOrDefault(static c => (string?)c!["type"] == "Programmed")?["message"];

    private static JsonObject Status(string message) => new()
    {
        ["observedGeneration"] = 1,
        ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Programmed", ["status"] = "False", ["message"] = message, ["lastTransitionTime"] = "2030-01-01T00:00:00Z" }),
    };
}
