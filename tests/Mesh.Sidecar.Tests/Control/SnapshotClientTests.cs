using System.Collections.Immutable;
using System.Threading.Channels;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Compilation;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Control;
using Mesh.Sidecar.Rules;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Sidecar.Tests.Control;

public sealed class SnapshotClientTests : IAsyncLifetime, IDisposable
{
    private static readonly SidecarRegistration Registration = new() { Service = "orders", Port = 8080, Address = "127.0.0.1:15006", Node = "orders-1" };
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLoggerFactory _logs = new();
    private readonly Scratch _scratch = new();
    private readonly CancellationTokenSource _stop = new();
    private FakeControlPlane _control = null!;
    private HttpMessageInvoker _http = null!;
    private readonly Channel<SidecarOrders> _ordered = Channel.CreateUnbounded<SidecarOrders>();
    private int _rejected;
    private SnapshotPipeline _pipeline = null!;
    private SnapshotClient _client = null!;
    private Task _running = Task.CompletedTask;
    private Func<ProxySnapshot, Task<ApplyResult>> _apply = static s => Task.FromResult(new ApplyResult(s.Version, [], []));

    public async Task InitializeAsync()
    {
        _control = await FakeControlPlane.StartAsync();
        _http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        await _control.DisposeAsync();
    }

    public void Dispose()
    {
        _http.Dispose();
        _logs.Dispose();
        _scratch.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task Push_IsInForceBeforeItIsAcknowledged()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _apply = async snapshot =>
        {
            await gate.Task;
            return new ApplyResult(snapshot.Version, [], []);
        };
        Start();
        _control.Push(Full("v1", TestRules.Pushed("products")));
        Assert.Equal("orders-1", (await FakeControlPlane.NextAsync(_control.Registrations)).Node);
        Assert.False(_control.Acks.Reader.TryPeek(out _));

        gate.SetResult();
        SidecarAck ack = await FakeControlPlane.NextAsync(_control.Acks);

        Assert.Equal(("v1", true), (ack.Version, ack.Accepted));
        Assert.Contains(TestRules.Key("products"), _pipeline.Current!.View.Rules.Keys);
    }

    [Fact]
    public async Task Delta_ChangesOnlyWhatItLists()
    {
        Start();
        MeshEndpoint endpoint = new("127.0.0.1:1", 8080, ImmutableSortedDictionary<string, string>.Empty, "", "products", "v1");
        _control.Push(Full("v1", TestRules.Pushed("products"), TestRules.Pushed("delivery")) with
        {
            Services = [new MeshService("products.default.svc.cluster.local", "default", [new MeshServicePort(8080, "HTTP")])],
        });
        _control.Push(new PushMessage
        {
            Version = "v2",
            IsFull = false,
            RemovedRules = [TestRules.Key("delivery")],
            Endpoints = ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>>.Empty.Add("products.default.svc.cluster.local", [endpoint]),
        });
        await FakeControlPlane.NextAsync(_control.Acks);
        await FakeControlPlane.NextAsync(_control.Acks);

        MeshView view = _pipeline.Current!.View;
        Assert.Equal([TestRules.Key("products")], view.Rules.Keys);
        Assert.Equal(endpoint.Address, Assert.Single(view.Endpoints["products.default.svc.cluster.local"]).Address);
        Assert.Single(view.Services);
    }

    [Fact]
    public async Task UnreadableRule_IsRefusedWithItsPlace_AndTheLastGoodOneStays()
    {
        Start();
        _control.Push(Full("v1", TestRules.Pushed("products")));
        await FakeControlPlane.NextAsync(_control.Acks);
        _control.Push(Full("v2", TestRules.Pushed("products", TestRules.Broken("products"), "2"), TestRules.Pushed("delivery")));

        SidecarAck ack = await FakeControlPlane.NextAsync(_control.Acks);

        Assert.False(ack.Accepted);
        SidecarFinding finding = Assert.Single(ack.Findings, static f => f.Severity == "error");
        Assert.Equal(("DestinationRule/default/products", "error", "spec.trafficPolicy.connectionPool.tcp.maxConnections"), (finding.Rule, finding.Severity, finding.Path));
        Assert.Equal(2, _pipeline.Current!.View.Rules.Count);
        Assert.Equal(1, _rejected);

        _control.Push(new PushMessage { Version = "v3", IsFull = false, Rules = [TestRules.Pushed("products", TestRules.Yaml("products", 5), "3")] });
        Assert.True((await FakeControlPlane.NextAsync(_control.Acks)).Accepted);
        Assert.Equal(1, _rejected);
    }

    [Fact]
    public async Task RefusedSnapshot_IsNacked_AndLeavesWhatWasInForce()
    {
        Start();
        _control.Push(Full("v1", TestRules.Pushed("products")));
        await FakeControlPlane.NextAsync(_control.Acks);
        _apply = static s => Task.FromResult(new ApplyResult(s.Version, ["it cannot run"], []));
        _control.Push(Full("v2"));

        SidecarAck ack = await FakeControlPlane.NextAsync(_control.Acks);

        Assert.Equal((false, "it cannot run"), (ack.Accepted, ack.Findings.Single().Message));
        Assert.Equal("v1", _pipeline.Version);
    }

    [Fact]
    public async Task UnreadablePush_IsNacked()
    {
        Start();
        _control.Push(Full("v1"));
        await FakeControlPlane.NextAsync(_control.Acks);
        _control.Push("v2", "neither: push\nnor: rule\n");
        SidecarAck ack = await FakeControlPlane.NextAsync(_control.Acks);

        Assert.Equal(("v2", false), (ack.Version, ack.Accepted));
        Assert.Equal(1, _rejected);
    }

    [Fact]
    public async Task ListenerThatCannotBeBound_IsAWarning()
    {
        ListenerConfig listener = new("127.0.0.1_1", "127.0.0.1", 1, "c", "ServiceEntry/default/db");
        _apply = s => Task.FromResult(new ApplyResult(s.Version, [], [(listener, "permission denied")]));
        Start();
        _control.Push(Full("v1"));

        SidecarAck ack = await FakeControlPlane.NextAsync(_control.Acks);

        Assert.True(ack.Accepted);
        Assert.Equal(new SidecarFinding("ServiceEntry/default/db", "warning", "spec.ports", "permission denied"), Assert.Single(ack.Findings));
    }

    [Fact]
    public async Task Reports_ComeAtTheInterval_WithTheVersionInForce()
    {
        Start();
        _control.Push(Full("v1"));
        await FakeControlPlane.NextAsync(_control.Acks);

        _time.Advance(TimeSpan.FromMilliseconds(200));
        SidecarReport report = await FakeControlPlane.NextAsync(_control.Reports);

        Assert.Equal(("v1", true), (report.Version, report.Ready));
        await _client.LeaveAsync(CancellationToken.None);
        await Eventually.HoldsAsync(() => _control.Reports.Reader.TryRead(out SidecarReport? last) && !last.Ready, "the last report says that it leaves");
    }

    [Fact]
    public async Task Orders_AreTakenFromTheAnswerToAReport_AndFromTheStream()
    {
        _control.Orders = Closed("by answer", 1);
        Start();
        await FakeControlPlane.NextAsync(_control.LastEventIds);
        Assert.Equal(0, _ordered.Reader.Count);

        _time.Advance(TimeSpan.FromMilliseconds(200));
        CircuitOrder answered = Assert.Single((await FakeControlPlane.NextAsync(_ordered)).Circuits);
        _control.Push(Closed("by stream", 2));
        CircuitOrder streamed = Assert.Single((await FakeControlPlane.NextAsync(_ordered)).Circuits);

        Assert.Equal(("by answer", 1, "by stream", 2), (answered.Cluster, answered.Epoch, streamed.Cluster, streamed.Epoch));
    }

    [Fact]
    public async Task EmptyAnswer_OrdersNothing()
    {
        Start();
        await FakeControlPlane.NextAsync(_control.LastEventIds);
        _time.Advance(TimeSpan.FromMilliseconds(200));

        Assert.Empty((await FakeControlPlane.NextAsync(_ordered)).Circuits);
    }

    [Fact]
    public async Task Reports_HoldWhatAllCallersShare_AndDoNotWaitWhenThereIsNews()
    {
        Start();
        await Eventually.HoldsAsync(() => _time.DueIn.Contains(TimeSpan.FromMilliseconds(200)), "the beat has begun");

        _client.ReportSoon();
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal("c", Assert.Single((await FakeControlPlane.NextAsync(_control.Reports)).Circuits).Cluster);
        await Eventually.HoldsAsync(() => _time.DueIn.Contains(TimeSpan.FromMilliseconds(200)), "the next is due at its time");

        _client.ReportSoon();
        _time.Advance(TimeSpan.FromMilliseconds(99));
        _client.ReportSoon(); // does not put it off
        Assert.False(_control.Reports.Reader.TryPeek(out _));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await FakeControlPlane.NextAsync(_control.Reports);
    }

    private static SidecarOrders Closed(string cluster, long epoch) =>
        new() { Circuits = [new CircuitOrder("CircuitBreaker/default/cb", cluster, CircuitState.Closed, epoch, 10_000, 0, 0, "", 0, 0)] };

    [Fact]
    public async Task UnknownId_RegistersAnewUnderTheFormerOne()
    {
        Start(TimeProvider.System);
        await FakeControlPlane.NextAsync(_control.Registrations);
        _control.KnowsIds = false;

        SidecarRegistration again = await FakeControlPlane.NextAsync(_control.Registrations);

        Assert.Equal("s 1", again.Node);
    }

    [Fact]
    public async Task StreamThatEnds_IsFollowedAgainFromTheLastVersion()
    {
        Start(TimeProvider.System);
        _control.Push(Full("v1"));
        await FakeControlPlane.NextAsync(_control.Acks);
        Assert.Equal("", await FakeControlPlane.NextAsync(_control.LastEventIds));
        _control.CutStream();

        Assert.Equal("v1", await FakeControlPlane.NextAsync(_control.LastEventIds));
        _control.Push(Full("v2"));
        Assert.Equal("v2", (await FakeControlPlane.NextAsync(_control.Acks)).Version);
    }

    [Fact]
    public async Task Busy_IsLeftAloneForAsLongAsItSays()
    {
        _control.BusyFor = 7;
        Start();
        await FakeControlPlane.NextAsync(_control.Refusals);
        await Eventually.HoldsAsync(() => _logs.Warnings.Any(static w => w.Contains("it answers 503", StringComparison.Ordinal)) && _time.ArmedTimers > 0, "the client waits");

        Assert.InRange(Assert.Single(_time.DueIn).TotalSeconds, 7.1, 7.2);
        _control.BusyFor = null;
        _time.Advance(TimeSpan.FromSeconds(7.2));

        Assert.Equal("orders-1", (await FakeControlPlane.NextAsync(_control.Registrations)).Node);
    }

    [Fact]
    public async Task ReplicaGone_MovesToTheNextWithTheVersionItHas()
    {
        await using FakeControlPlane other = await FakeControlPlane.StartAsync();
        Create(TimeProvider.System, _control.Address, other.Address);
        _running = _client.RunAsync(Registration, _stop.Token);
        _control.Push(Clean("v1"));
        await FakeControlPlane.NextAsync(_control.Acks);

        await _control.DisposeAsync();

        Assert.Equal("v1", await FakeControlPlane.NextAsync(other.LastEventIds));
        Assert.Equal("s 1", (await FakeControlPlane.NextAsync(other.Registrations)).Node);
        Assert.Contains(TestRules.Key("products"), _pipeline.Current!.View.Rules.Keys); // nothing is taken from it meanwhile
        await _stop.CancelAsync();
        await _running;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RefusedOrWithAFinding_ComesBackWithAVersionThatNoReplicaKnows(bool isRefused)
    {
        ListenerConfig listener = new("127.0.0.1_1", "127.0.0.1", 1, "c", "ServiceEntry/default/db");
        _apply = s => Task.FromResult(new ApplyResult(s.Version, [], isRefused ? [] : [(listener, "permission denied")]));
        Start(TimeProvider.System);
        _control.Push(Full("v1", TestRules.Pushed("products"), isRefused ? TestRules.Pushed("delivery", TestRules.Broken("delivery")) : TestRules.Pushed("delivery")));
        await FakeControlPlane.NextAsync(_control.Acks);
        await FakeControlPlane.NextAsync(_control.LastEventIds);
        _control.CutStream();

        Assert.Equal("v1-partial", await FakeControlPlane.NextAsync(_control.LastEventIds)); // so the findings are heard again
        SidecarReport report;
        do
        {
            report = await FakeControlPlane.NextAsync(_control.Reports);
        }
        while (report.Version.Length == 0); // said before the push came

        Assert.Equal("v1-partial", report.Version);
        _apply = static s => Task.FromResult(new ApplyResult(s.Version, [], []));
        _control.Push(Clean("v2"));
        Assert.True((await FakeControlPlane.NextAsync(_control.Acks)).Accepted);
        await Eventually.HoldsAsync(() => _control.Reports.Reader.TryRead(out SidecarReport? next) && next.Version == "v2", "the whole version is reported");
    }

    [Fact]
    public async Task BusyForReportsAndAnswers_TheStreamStays_AndTheAnswerIsSaidAgain()
    {
        int refused = 0;
        _control.Refuses = call => call is "report" or "ack" && Interlocked.Increment(ref refused) > 0 ? 503 : 0;
        Start(TimeProvider.System);
        _control.Push(Full("v1", TestRules.Pushed("products")));
        await Eventually.HoldsAsync(() => _pipeline.Version == "v1" && Volatile.Read(ref refused) >= 3, "an answer and reports are refused");

        _control.Refuses = static _ => 0;

        Assert.Equal("v1", (await FakeControlPlane.NextAsync(_control.Acks)).Version);
        _control.Push(Full("v2"));
        Assert.Equal("v2", (await FakeControlPlane.NextAsync(_control.Acks)).Version);
        Assert.Equal("", await FakeControlPlane.NextAsync(_control.LastEventIds));
        Assert.False(_control.LastEventIds.Reader.TryPeek(out _)); // one stream, all the while
    }

    [Theory]
    [InlineData("report", 403)]
    [InlineData("ack", 404)]
    public async Task NotLetInOrNotKnown_RegistersAnew(string call, int status)
    {
        _control.Refuses = name => name == call ? status : 0;
        Start(TimeProvider.System);
        _control.Push(Full("v1"));
        await FakeControlPlane.NextAsync(_control.Registrations);

        Assert.Equal("s 1", (await FakeControlPlane.NextAsync(_control.Registrations)).Node);
    }

    [Fact]
    public async Task SilentStream_IsGivenUp_AndFollowedAgain()
    {
        Start();
        await FakeControlPlane.NextAsync(_control.LastEventIds);
        _time.Advance(TimeSpan.FromSeconds(10));
        _control.Push(Full("v1"));
        await FakeControlPlane.NextAsync(_control.Acks);
        Assert.Contains(ControlPlaneApi.LongestSilence, _time.DueIn); // whatever comes begins it anew

        _time.Advance(ControlPlaneApi.LongestSilence);
        await Eventually.HoldsAsync(() => _logs.Warnings.Any(static w => w.Contains("nothing came for 15 s", StringComparison.Ordinal)) && _time.ArmedTimers > 0, "the client waits");
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("v1", await FakeControlPlane.NextAsync(_control.LastEventIds));
    }

    [Fact]
    public async Task StateFolder_ARuleWasUnreadable_IsNoVersionThatAControlPlaneKnows()
    {
        Start();
        _control.Push(Full("v1", TestRules.Pushed("products"), TestRules.Pushed("delivery", TestRules.Broken("delivery"))));
        await FakeControlPlane.NextAsync(_control.Acks);

        PushMessage kept = new LastGoodFile(Path.Combine(_scratch.Path, "state"), NullLogger<LastGoodFile>.Instance).Load()!;

        Assert.Equal(("v1-partial", "products"), (kept.Version, Assert.Single(kept.Rules).Key.Name)); // a newer sidecar may be able to read the other
    }

    [Fact]
    public async Task StartWithoutControlPlane_UsesTheStateFolder_AndResumesFromIt()
    {
        Start();
        _control.Push(Clean("v1"));
        await FakeControlPlane.NextAsync(_control.Acks);
        await _stop.CancelAsync();
        await _running;
        int port = _control.Address.Port;
        await _control.DisposeAsync();
        TaskCompletionSource<string> applied = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _apply = s =>
        {
            applied.TrySetResult(s.Version);
            return Task.FromResult(new ApplyResult(s.Version, [], []));
        };

        using CancellationTokenSource stop = new();
        Create(TimeProvider.System, new Uri($"http://127.0.0.1:{port}"));
        _running = _client.RunAsync(Registration, stop.Token);

        Assert.Equal("v1", await applied.Task.WaitAsync(TimeSpan.FromSeconds(10)));
        _control = await FakeControlPlane.StartAsync(port);
        Assert.Equal("v1", await FakeControlPlane.NextAsync(_control.LastEventIds));
        await stop.CancelAsync();
        await _running;
    }

    // With its service, so that there is nothing to say of the rule.
    private static PushMessage Clean(string version) => Full(version, TestRules.Pushed("products")) with
    {
        Services = [new MeshService("products.default.svc.cluster.local", "default", [new MeshServicePort(8080, "HTTP")])],
    };

    private static PushMessage Full(string version, params PushedRule[] rules) => new() { Version = version, IsFull = true, Rules = [.. rules] };

    private void Start(TimeProvider? time = null)
    {
        Create(time ?? _time, _control.Address);
        _running = _client.RunAsync(Registration, _stop.Token);
    }

    private void Create(TimeProvider time, params Uri[] addresses)
    {
        ProxyRuntime runtime = new(time, new Random(7), _logs);
        _pipeline = new SnapshotPipeline(TestRules.Identity, new SnapshotCompiler(), s => _apply(s));
        _client = new SnapshotClient(
            new ControlPlaneApi(_http, addresses, time), _pipeline, TestRules.Read,
            new LastGoodFile(Path.Combine(_scratch.Path, "state"), NullLogger<LastGoodFile>.Instance), runtime)
        {
            Rejected = () => _rejected++,
            Extend = static report => report with { Circuits = [new CircuitReport { Rule = "r", Cluster = "c" }] },
            Ordered = orders => _ordered.Writer.TryWrite(orders),
        };
    }
}
