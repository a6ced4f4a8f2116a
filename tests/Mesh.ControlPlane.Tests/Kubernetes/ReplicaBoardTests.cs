using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class ReplicaBoardTests : IAsyncLifetime, IDisposable
{
    private const string Group = "coordination.k8s.io";
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLoggerFactory _logs = new();
    private readonly List<(KubernetesClient Client, CancellationTokenSource Stop, Task Run)> _runs = [];
    private ApiDouble _server = null!;

    public async Task InitializeAsync()
    {
        _server = await ApiDouble.StartAsync();
        _server.Objects.Serve(Group, "leases", "v1");
    }

    public async Task DisposeAsync()
    {
        foreach ((KubernetesClient client, CancellationTokenSource stop, Task run) in _runs)
        {
            await stop.CancelAsync();
            await run.WaitAsync(TimeSpan.FromSeconds(10));
            client.Dispose();
            stop.Dispose();
        }

        await _server.DisposeAsync();
    }

    public void Dispose() => _logs.Dispose();

    [Fact]
    public async Task Say_TwoReplicas_TheLeaderHearsTheOther()
    {
        ReplicaBoard leader = Start("a", isLeader: true);
        ReplicaBoard other = Start("b", isLeader: false);
        int changes = 0;
        leader.Changed += () => Interlocked.Increment(ref changes);
        leader.Say("of a");
        other.Say("of b");
        await StepUntilAsync(() => leader.Others is ["of b"], "it hears the other");
        other.Say("more of b");
        await StepUntilAsync(() => leader.Others is ["more of b"], "it hears the news");

        Assert.Equal(2, Volatile.Read(ref changes));
        Assert.Equal(["replica.mesh.dev/a", "replica.mesh.dev/b"], Annotations().Select(static a => a.Key).Order());
    }

    [Fact]
    public async Task Say_NothingNew_IsSaidAgainAsASignOfLifeOnly()
    {
        ReplicaBoard board = Start("b", isLeader: false);
        board.Say("of b");
        await StepUntilAsync(() => _server.Count("PATCH") == 2, "it is said, to a board that is made for it, and again");
        int before = _server.Requests.Count;
        for (int i = 0; i < 10; i++)
        {
            board.Say("of b");
        }

        TimeSpan pause = await StepUntilAsync(() => _server.Count("PATCH") == 3, "it is said again");

        Assert.InRange(pause, ReplicaBoard.SayAgain - ReplicaBoard.Interval, ReplicaBoard.SayAgain + ReplicaBoard.Interval);
        Assert.Equal(before + 1, _server.Requests.Count);
    }

    [Fact]
    public async Task Others_SilentForLong_AreForgottenAndTakenAway()
    {
        _server.Objects.Put(Group, "leases", $"{{metadata: {{name: {ClusterSource.BoardName}, namespace: mesh, annotations: {{replica.mesh.dev/dead: '1 of the dead', other: stays}}}}}}");
        ReplicaBoard leader = Start("a", isLeader: true);
        leader.Say("of a");
        await StepUntilAsync(() => leader.Others is ["of the dead"], "it is heard");

        TimeSpan after = await StepUntilAsync(() => leader.Others.Count == 0, "it is not counted any more");
        await StepUntilAsync(() => !Annotations().ContainsKey("replica.mesh.dev/dead"), "it is taken away");

        Assert.True(after >= ReplicaBoard.Patience - ReplicaBoard.Interval, $"after {after}");
        Assert.True(Annotations().ContainsKey("other"));
    }

    [Fact]
    public async Task Run_Stopped_TakesItsWordsBack()
    {
        ReplicaBoard board = Start("b", isLeader: false);
        board.Say("of b");
        await StepUntilAsync(() => _server.Objects.Get(Group, "leases", ClusterSource.BoardName, "mesh") is not null && _server.Count("POST") == 1, "it is said");

        await _runs[0].Stop.CancelAsync();
        await _runs[0].Run.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Empty(Annotations());
    }

    [Fact]
    public async Task Say_NoRight_IsSaidOnceAndTriedRarely()
    {
        _server.Fail("PATCH", 403);
        Start("a", isLeader: true).Say("of a");

        await StepUntilAsync(() => _server.Count("PATCH") == 1, "it is refused");
        TimeSpan pause = await StepUntilAsync(() => _server.Count("PATCH") == 2, "it is tried again");

        Assert.True(pause >= TimeSpan.FromSeconds(29), $"after {pause}");
        Assert.Contains("statuses count only the sidecars of the replica that writes them", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
    }

    private ReplicaBoard Start(string identity, bool isLeader)
    {
        KubernetesClient client = _server.Client(_time);
        CancellationTokenSource stop = new();
        ReplicaBoard board = new(
            client, new ObjectKey("mesh", ClusterSource.BoardName), identity, () => isLeader, (_time, new ScriptedRandom(), _logs.CreateLogger("board")));
        _runs.Add((client, stop, board.RunAsync(stop.Token)));
        return board;
    }

    private JsonObject Annotations() => _server.Objects.Get(Group, "leases", ClusterSource.BoardName, "mesh")!["metadata"]!["annotations"]!.AsObject();

    /// <summary>Moves the clock in small steps, so that a request under way is not late by it; tells how far.</summary>
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

                _time.Advance(TimeSpan.FromMilliseconds(20));
                return false;
            },
            what);
        return _time.GetElapsedTime(begin);
    }
}
