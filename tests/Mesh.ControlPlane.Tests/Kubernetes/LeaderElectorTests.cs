using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class LeaderElectorTests : IAsyncLifetime
{
    private const string Group = "coordination.k8s.io";
    private readonly List<Replica> _replicas = [];
    private ApiDouble _server = null!;

    public async Task InitializeAsync()
    {
        _server = await ApiDouble.StartAsync();
        _server.Objects.Serve(Group, "leases", "v1");
    }

    public async Task DisposeAsync()
    {
        foreach (Replica replica in _replicas)
        {
            await replica.DisposeAsync();
        }

        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Run_Alone_MakesTheLeaseAndRenewsIt()
    {
        Replica a = Start("a");
        await a.LeadsAsync();
        JsonObject first = Spec();
        string renewed = (string)first["renewTime"]!;
        await a.StepUntilAsync(() => (string)Spec()["renewTime"]! != renewed);

        JsonObject spec = Spec();
        Assert.Equal(("a", 15, 0), ((string?)spec["holderIdentity"], (int)spec["leaseDurationSeconds"]!, (int)spec["leaseTransitions"]!));
        Assert.Equal((string?)first["acquireTime"], (string?)spec["acquireTime"]);
        Assert.Matches(new Regex(@"^2030-01-01T00:00:\d\d\.\d{6}Z$"), (string?)spec["renewTime"]);
    }

    [Fact]
    public async Task Run_Second_WaitsWhileTheFirstRenews()
    {
        Replica a = Start("a");
        await a.LeadsAsync();
        Replica b = Start("b");

        for (int i = 0; i < 5; i++) // each time b waits nearly as long as it must, a has renewed
        {
            string renewed = (string)Spec()["renewTime"]!;
            await a.StepUntilAsync(() => (string)Spec()["renewTime"]! != renewed);
            await b.LooksAsync();
            b.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal((true, false), (a.Elector.IsLeader, b.Elector.IsLeader));
    }

    [Fact]
    public async Task Run_HolderSilent_IsReplacedAfterItsDuration()
    {
        Replica a = Start("a");
        await a.LeadsAsync();
        await a.KillAsync();
        Replica b = Start("b");

        TimeSpan waited = await b.StepUntilAsync(() => b.Elector.IsLeader);

        Assert.True(waited >= LeaderElector.LeaseDuration, $"took over after {waited}");
        Assert.Equal(("b", 1), ((string?)Spec()["holderIdentity"], (int)Spec()["leaseTransitions"]!));
    }

    [Fact]
    public async Task Run_TimesInTheLeaseAreOfAnotherClock_AreNotLookedAt()
    {
        _server.Objects.Put(Group, "leases", """
            {metadata: {name: mesh, namespace: mesh},
             spec: {holderIdentity: old, leaseDurationSeconds: 15, leaseTransitions: 4, acquireTime: "1999-01-01T00:00:00.000000Z", renewTime: "1999-01-01T00:00:00.000000Z"}}
            """);
        Replica a = Start("a");

        TimeSpan waited = await a.StepUntilAsync(() => a.Elector.IsLeader);

        Assert.True(waited >= LeaderElector.LeaseDuration, $"took over after {waited}");
        Assert.Equal(5, (int)Spec()["leaseTransitions"]!);
    }

    [Fact]
    public async Task Run_Stopped_StepsDownAndTheNextComesAtOnce()
    {
        Replica a = Start("a");
        await a.LeadsAsync();
        await a.StopAsync();
        Assert.Equal(("", 1), ((string?)Spec()["holderIdentity"], (int)Spec()["leaseDurationSeconds"]!));
        Assert.False(a.Elector.IsLeader);
        Replica b = Start("b");

        await Eventually.HoldsAsync(() => b.Elector.IsLeader, "b leads without any time passing");
    }

    [Fact]
    public async Task IsLeader_CannotRenew_EndsBeforeTheLeaseDoes()
    {
        Replica a = Start("a");
        await a.LeadsAsync();
        int changes = a.Changes;
        _server.Fail("leases", 503);

        TimeSpan led = await a.StepUntilAsync(() => !a.Elector.IsLeader);
        await a.StepUntilAsync(() => a.Changes == changes + 1);

        Assert.InRange(led, TimeSpan.FromSeconds(7), LeaderElector.RenewDeadline);
        _server.Mend();
        await a.StepUntilAsync(() => a.Elector.IsLeader);
        Assert.Equal(0, (int)Spec()["leaseTransitions"]!); // nobody else had it meanwhile
    }

    [Fact]
    public async Task IsLeader_ProcessStoodStill_IsFalseWithoutAnyTimer()
    {
        Replica a = Start("a");
        await a.LeadsAsync();
        await a.KillAsync(); // its loop does nothing any more
        Assert.True(a.Elector.IsLeader);

        a.Time.Advance(LeaderElector.RenewDeadline);

        Assert.False(a.Elector.IsLeader);
    }

    [Fact]
    public async Task Run_LeaseTakenByForce_IsObeyed()
    {
        Replica a = Start("a");
        await a.LeadsAsync();
        _server.Objects.Put(Group, "leases", """{metadata: {name: mesh, namespace: mesh}, spec: {holderIdentity: other, leaseDurationSeconds: 15, leaseTransitions: 1}}""");

        TimeSpan led = await a.StepUntilAsync(() => !a.Elector.IsLeader);

        Assert.True(led < LeaderElector.RenewDeadline, $"only after {led}");
        Assert.Equal("other", (string?)Spec()["holderIdentity"]);
    }

    [Fact]
    public async Task Run_TwoAtOnce_OneLeads()
    {
        Replica[] both = [Start("a"), Start("b")];

        await Eventually.HoldsAsync(() => both.Count(static r => r.Elector.IsLeader) == 1 && both.All(static r => r.Time.ArmedTimers == 1), "both have tried and pause");

        Assert.Equal((string?)Spec()["holderIdentity"], both.Single(static r => r.Elector.IsLeader).Name);
    }

    private JsonObject Spec() => (JsonObject)_server.Objects.Get(Group, "leases", "mesh", "mesh")!["spec"]!;

    private Replica Start(string name)
    {
        Replica replica = new(name, _server);
        _replicas.Add(replica);
        return replica;
    }

    /// <summary>A replica with a clock of its own.</summary>
    private sealed class Replica : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly KubernetesClient _client;
        private readonly ApiDouble _server;
        private readonly Task _run;
        private int _changes;

        public Replica(string name, ApiDouble server)
        {
            Name = name;
            _server = server;
            _client = server.Client(Time);
            Elector = new LeaderElector(_client, new ObjectKey("mesh", "mesh"), name, (Time, new ScriptedRandom(), NullLogger.Instance));
            Elector.Changed += () => Interlocked.Increment(ref _changes);
            _run = Elector.RunAsync(_stop.Token);
        }

        public string Name { get; }

        public FakeTimeProvider Time { get; } = new();

        public LeaderElector Elector { get; }

        public int Changes => Volatile.Read(ref _changes);

        public Task LeadsAsync() => Eventually.HoldsAsync(() => Elector.IsLeader && Time.ArmedTimers == 1, $"{Name} leads and pauses");

        /// <summary>Lets it look at the lease once.</summary>
        public async Task LooksAsync()
        {
            int before = _server.Count("GET /apis/coordination");
            await StepUntilAsync(() => _server.Count("GET /apis/coordination") > before);
            await Eventually.HoldsAsync(() => Time.ArmedTimers == 1, $"{Name} pauses");
        }

        public async Task<TimeSpan> StepUntilAsync(Func<bool> condition)
        {
            long begin = Time.GetTimestamp();
            await Eventually.HoldsAsync(
                () =>
                {
                    if (condition())
                    {
                        return true;
                    }

                    if (Time.ArmedTimers == 1) // it pauses: while a request is under way its deadlines are armed, too
                    {
                        Time.Advance(TimeSpan.FromMilliseconds(50));
                    }

                    return false;
                },
                $"what {Name} shall do");
            return Time.GetElapsedTime(begin);
        }

        /// <summary>Cuts it off without any farewell.</summary>
        public async Task KillAsync()
        {
            await Eventually.HoldsAsync(() => Time.ArmedTimers == 1, "it pauses");
            _client.Dispose();
        }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await _run.WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _client.Dispose();
            _stop.Dispose();
        }
    }
}
