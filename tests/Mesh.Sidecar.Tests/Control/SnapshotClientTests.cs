using System.Collections.Immutable;
using Mesh.Proxy.Config;
using Mesh.Rules.Compilation;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Control;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Sidecar.Tests.Control;

public sealed class SnapshotClientTests : IAsyncLifetime
{
    private readonly SnapshotBench _bench = new();

    public Task InitializeAsync() => _bench.InitializeAsync();

    public Task DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task Push_IsInForceBeforeItIsAcknowledged()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _bench.Apply = async snapshot =>
        {
            await gate.Task;
            return new ApplyResult(snapshot.Version, [], []);
        };
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Full("v1", TestRules.Pushed("products")));
        Assert.Equal("orders-1", (await FakeControlPlane.NextAsync(_bench.Control.Registrations)).Node);
        Assert.False(_bench.Control.Acks.Reader.TryPeek(out _));

        gate.SetResult();
        SidecarAck ack = await FakeControlPlane.NextAsync(_bench.Control.Acks);

        Assert.Equal(("v1", true), (ack.Version, ack.Accepted));
        Assert.Contains(TestRules.Key("products"), _bench.Pipeline.Current!.View.Rules.Keys);
    }

    [Fact]
    public async Task Delta_ChangesOnlyWhatItLists()
    {
        _bench.Start();
        MeshEndpoint endpoint = new("127.0.0.1:1", 8080, ImmutableSortedDictionary<string, string>.Empty, "", "products", "v1");
        _bench.Control.Push(SnapshotBench.Full("v1", TestRules.Pushed("products"), TestRules.Pushed("delivery")) with
        {
            Services = [new MeshService("products.default.svc.cluster.local", "default", [new MeshServicePort(8080, "HTTP")])],
        });
        _bench.Control.Push(new PushMessage
        {
            Version = "v2",
            IsFull = false,
            RemovedRules = [TestRules.Key("delivery")],
            Endpoints = ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>>.Empty.Add("products.default.svc.cluster.local", [endpoint]),
        });
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        await FakeControlPlane.NextAsync(_bench.Control.Acks);

        MeshView view = _bench.Pipeline.Current!.View;
        Assert.Equal([TestRules.Key("products")], view.Rules.Keys);
        Assert.Equal(endpoint.Address, Assert.Single(view.Endpoints["products.default.svc.cluster.local"]).Address);
        Assert.Single(view.Services);
    }

    [Fact]
    public async Task UnreadableRule_IsRefusedWithItsPlace_AndTheLastGoodOneStays()
    {
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Full("v1", TestRules.Pushed("products")));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        _bench.Control.Push(SnapshotBench.Full("v2", TestRules.Pushed("products", TestRules.Broken("products"), "2"), TestRules.Pushed("delivery")));

        SidecarAck ack = await FakeControlPlane.NextAsync(_bench.Control.Acks);

        Assert.False(ack.Accepted);
        SidecarFinding finding = Assert.Single(ack.Findings, static f => f.Severity == "error");
        Assert.Equal(("DestinationRule/default/products", "error", "spec.trafficPolicy.connectionPool.tcp.maxConnections"), (finding.Rule, finding.Severity, finding.Path));
        Assert.Equal(2, _bench.Pipeline.Current!.View.Rules.Count);
        Assert.Equal(1, _bench.Rejected);

        _bench.Control.Push(new PushMessage { Version = "v3", IsFull = false, Rules = [TestRules.Pushed("products", TestRules.Yaml("products", 5), "3")] });
        Assert.True((await FakeControlPlane.NextAsync(_bench.Control.Acks)).Accepted);
        Assert.Equal(1, _bench.Rejected);
    }

    [Fact]
    public async Task RefusedSnapshot_IsNacked_AndLeavesWhatWasInForce()
    {
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Full("v1", TestRules.Pushed("products")));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        _bench.Apply = static s => Task.FromResult(new ApplyResult(s.Version, ["it cannot run"], []));
        _bench.Control.Push(SnapshotBench.Full("v2"));

        SidecarAck ack = await FakeControlPlane.NextAsync(_bench.Control.Acks);

        Assert.Equal((false, "it cannot run"), (ack.Accepted, ack.Findings.Single().Message));
        Assert.Equal("v1", _bench.Pipeline.Version);
    }

    [Fact]
    public async Task UnreadablePush_IsNacked()
    {
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Full("v1"));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        _bench.Control.Push("v2", "neither: push\nnor: rule\n");
        SidecarAck ack = await FakeControlPlane.NextAsync(_bench.Control.Acks);

        Assert.Equal(("v2", false), (ack.Version, ack.Accepted));
        Assert.Equal(1, _bench.Rejected);
    }

    [Fact]
    public async Task ListenerThatCannotBeBound_IsAWarning()
    {
        ListenerConfig listener = new("127.0.0.1_1", "127.0.0.1", 1, "c", "ServiceEntry/default/db");
        _bench.Apply = s => Task.FromResult(new ApplyResult(s.Version, [], [(listener, "permission denied")]));
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Full("v1"));

        SidecarAck ack = await FakeControlPlane.NextAsync(_bench.Control.Acks);

        Assert.True(ack.Accepted);
        Assert.Equal(new SidecarFinding("ServiceEntry/default/db", "warning", "spec.ports", "permission denied"), Assert.Single(ack.Findings));
    }

    [Fact]
    public async Task UnknownId_RegistersAnewUnderTheFormerOne()
    {
        _bench.Start(TimeProvider.System);
        await FakeControlPlane.NextAsync(_bench.Control.Registrations);
        _bench.Control.KnowsIds = false;

        SidecarRegistration again = await FakeControlPlane.NextAsync(_bench.Control.Registrations);

        Assert.Equal("s 1", again.Node);
    }

    [Fact]
    public async Task StreamThatEnds_IsFollowedAgainFromTheLastVersion()
    {
        _bench.Start(TimeProvider.System);
        _bench.Control.Push(SnapshotBench.Full("v1"));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        Assert.Equal("", await FakeControlPlane.NextAsync(_bench.Control.LastEventIds));
        _bench.Control.CutStream();

        Assert.Equal("v1", await FakeControlPlane.NextAsync(_bench.Control.LastEventIds));
        _bench.Control.Push(SnapshotBench.Full("v2"));
        Assert.Equal("v2", (await FakeControlPlane.NextAsync(_bench.Control.Acks)).Version);
    }

    [Fact]
    public async Task Busy_IsLeftAloneForAsLongAsItSays()
    {
        _bench.Control.BusyFor = 7;
        _bench.Start();
        await FakeControlPlane.NextAsync(_bench.Control.Refusals);
        await Eventually.HoldsAsync(() => _bench.Logs.Warnings.Any(static w => w.Contains("it answers 503", StringComparison.Ordinal)) && _bench.Time.ArmedTimers > 0, "the client waits");

        Assert.InRange(Assert.Single(_bench.Time.DueIn).TotalSeconds, 7.1, 7.2);
        _bench.Control.BusyFor = null;
        _bench.Time.Advance(TimeSpan.FromSeconds(7.2));

        Assert.Equal("orders-1", (await FakeControlPlane.NextAsync(_bench.Control.Registrations)).Node);
    }

    [Fact]
    public async Task ReplicaGone_MovesToTheNextWithTheVersionItHas()
    {
        await using FakeControlPlane other = await FakeControlPlane.StartAsync();
        _bench.Create(TimeProvider.System, _bench.Control.Address, other.Address);
        _bench.Running = _bench.Client.RunAsync(SnapshotBench.Registration, _bench.Stop.Token);
        _bench.Control.Push(SnapshotBench.Clean("v1"));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);

        await _bench.Control.DisposeAsync();

        Assert.Equal("v1", await FakeControlPlane.NextAsync(other.LastEventIds));
        Assert.Equal("s 1", (await FakeControlPlane.NextAsync(other.Registrations)).Node);
        Assert.Contains(TestRules.Key("products"), _bench.Pipeline.Current!.View.Rules.Keys); // nothing is taken from it meanwhile
        await _bench.Stop.CancelAsync();
        await _bench.Running;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RefusedOrWithAFinding_ComesBackWithAVersionThatNoReplicaKnows(bool isRefused)
    {
        ListenerConfig listener = new("127.0.0.1_1", "127.0.0.1", 1, "c", "ServiceEntry/default/db");
        _bench.Apply = s => Task.FromResult(new ApplyResult(s.Version, [], isRefused ? [] : [(listener, "permission denied")]));
        _bench.Start(TimeProvider.System);
        _bench.Control.Push(SnapshotBench.Full("v1", TestRules.Pushed("products"), isRefused ? TestRules.Pushed("delivery", TestRules.Broken("delivery")) : TestRules.Pushed("delivery")));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        await FakeControlPlane.NextAsync(_bench.Control.LastEventIds);
        _bench.Control.CutStream();

        Assert.Equal("v1-partial", await FakeControlPlane.NextAsync(_bench.Control.LastEventIds)); // so the findings are heard again
        SidecarReport report;
        do
        {
            report = await FakeControlPlane.NextAsync(_bench.Control.Reports);
        }
        while (report.Version.Length == 0); // said before the push came

        Assert.Equal("v1-partial", report.Version);
        _bench.Apply = static s => Task.FromResult(new ApplyResult(s.Version, [], []));
        _bench.Control.Push(SnapshotBench.Clean("v2"));
        Assert.True((await FakeControlPlane.NextAsync(_bench.Control.Acks)).Accepted);
        await Eventually.HoldsAsync(() => _bench.Control.Reports.Reader.TryRead(out SidecarReport? next) && next.Version == "v2", "the whole version is reported");
    }

    [Fact]
    public async Task BusyForReportsAndAnswers_TheStreamStays_AndTheAnswerIsSaidAgain()
    {
        int refused = 0;
        _bench.Control.Refuses = call => call is "report" or "ack" && Interlocked.Increment(ref refused) > 0 ? 503 : 0;
        _bench.Start(TimeProvider.System);
        _bench.Control.Push(SnapshotBench.Full("v1", TestRules.Pushed("products")));
        await Eventually.HoldsAsync(() => _bench.Pipeline.Version == "v1" && Volatile.Read(ref refused) >= 3, "an answer and reports are refused");

        _bench.Control.Refuses = static _ => 0;

        Assert.Equal("v1", (await FakeControlPlane.NextAsync(_bench.Control.Acks)).Version);
        _bench.Control.Push(SnapshotBench.Full("v2"));
        Assert.Equal("v2", (await FakeControlPlane.NextAsync(_bench.Control.Acks)).Version);
        Assert.Equal("", await FakeControlPlane.NextAsync(_bench.Control.LastEventIds));
        Assert.False(_bench.Control.LastEventIds.Reader.TryPeek(out _)); // one stream, all the while
    }

    [Theory]
    [InlineData("report", 403)]
    [InlineData("ack", 404)]
    public async Task NotLetInOrNotKnown_RegistersAnew(string call, int status)
    {
        _bench.Control.Refuses = name => name == call ? status : 0;
        _bench.Start(TimeProvider.System);
        _bench.Control.Push(SnapshotBench.Full("v1"));
        await FakeControlPlane.NextAsync(_bench.Control.Registrations);

        Assert.Equal("s 1", (await FakeControlPlane.NextAsync(_bench.Control.Registrations)).Node);
    }

    [Fact]
    public async Task SilentStream_IsGivenUp_AndFollowedAgain()
    {
        _bench.Start();
        await FakeControlPlane.NextAsync(_bench.Control.LastEventIds);
        _bench.Time.Advance(TimeSpan.FromSeconds(10));
        _bench.Control.Push(SnapshotBench.Full("v1"));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        Assert.Contains(ControlPlaneApi.LongestSilence, _bench.Time.DueIn); // whatever comes begins it anew

        _bench.Time.Advance(ControlPlaneApi.LongestSilence);
        await Eventually.HoldsAsync(() => _bench.Logs.Warnings.Any(static w => w.Contains("nothing came for 15 s", StringComparison.Ordinal)) && _bench.Time.ArmedTimers > 0, "the client waits");
        _bench.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("v1", await FakeControlPlane.NextAsync(_bench.Control.LastEventIds));
    }

    [Fact]
    public async Task StateFolder_ARuleWasUnreadable_IsNoVersionThatAControlPlaneKnows()
    {
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Full("v1", TestRules.Pushed("products"), TestRules.Pushed("delivery", TestRules.Broken("delivery"))));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);

        PushMessage kept = new LastGoodFile(Path.Combine(_bench.Scratch.Path, "state"), NullLogger<LastGoodFile>.Instance).Load()!;

        Assert.Equal(("v1-partial", "products"), (kept.Version, Assert.Single(kept.Rules).Key.Name)); // a newer sidecar may be able to read the other
    }

    [Fact]
    public async Task StartWithoutControlPlane_UsesTheStateFolder_AndResumesFromIt()
    {
        _bench.Start();
        _bench.Control.Push(SnapshotBench.Clean("v1"));
        await FakeControlPlane.NextAsync(_bench.Control.Acks);
        await _bench.Stop.CancelAsync();
        await _bench.Running;
        int port = _bench.Control.Address.Port;
        await _bench.Control.DisposeAsync();
        TaskCompletionSource<string> applied = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _bench.Apply = s =>
        {
            applied.TrySetResult(s.Version);
            return Task.FromResult(new ApplyResult(s.Version, [], []));
        };

        using CancellationTokenSource stop = new();
        _bench.Create(TimeProvider.System, new Uri($"http://127.0.0.1:{port}"));
        _bench.Running = _bench.Client.RunAsync(SnapshotBench.Registration, stop.Token);

        Assert.Equal("v1", await applied.Task.WaitAsync(TimeSpan.FromSeconds(10)));
        _bench.Control = await FakeControlPlane.StartAsync(port);
        Assert.Equal("v1", await FakeControlPlane.NextAsync(_bench.Control.LastEventIds));
        await stop.CancelAsync();
        await _bench.Running;
    }
}
