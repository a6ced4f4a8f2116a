using Mesh.ControlPlane.Push;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Push;

public sealed class PushStreamTests : IDisposable
{
    private const string Host = "products.default.svc.cluster.local";
    private readonly PushBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Next_NewSidecar_GetsTheWholeSetThenNothing()
    {
        RuleKey key = _bench.Store.Apply("limits");
        PushSession session = _bench.Register("a");
        PushStream stream = new(_bench.Hub, "default", "");

        PushMessage push = _bench.Next(stream, session)!;

        Assert.True(push.IsFull);
        Assert.Equal(_bench.Hub.Current.Version, push.Version);
        Assert.Equal(key, Assert.Single(push.Rules).Key);
        Assert.Equal(Host, Assert.Single(push.Services).Host);
        Assert.Equal("127.0.0.1:1001", Assert.Single(push.Endpoints[Host]).Address);
        Assert.Null(_bench.Next(stream, session));
    }

    [Fact]
    public void Next_EmptyMesh_StillSendsAVersion()
    {
        PushMessage push = _bench.Hub.Current is var content ? new PushStream(_bench.Hub, "default", "").Next(content)!.Value.Push : null!;

        Assert.True(push.IsFull);
        Assert.NotEmpty(push.Version);
    }

    [Fact]
    public void Next_RuleChanged_IsADeltaOfThatRule()
    {
        (PushSession session, PushStream stream) = Connected();
        _bench.Store.Apply("other", "{host: orders}");
        PushMessage added = _bench.Next(stream, session)!;
        RuleKey key = _bench.Store.Apply("limits", "{host: products, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}");

        PushMessage push = _bench.Next(stream, session)!;

        Assert.Equal("other", Assert.Single(added.Rules).Key.Name);
        Assert.False(push.IsFull);
        PushedRule rule = Assert.Single(push.Rules);
        Assert.Equal((key, _bench.Store.Current.Rules[key].ResourceVersion.ToString(System.Globalization.CultureInfo.InvariantCulture)), (rule.Key, rule.Version));
        Assert.Contains("maxConnections: 2", rule.Yaml, StringComparison.Ordinal);
        Assert.Empty(push.Services);
        Assert.Empty(push.Endpoints);
        RuleReadResult read = Assert.Single(RuleReader.ReadYaml(rule.Yaml, "push"));
        Assert.Equal((key, 2), (read.Document!.Key, read.Document.Generation));
    }

    [Fact]
    public void Next_AtAnotherReplica_WhoRefusedARule_IsSentAllAgain_AndDoesNotCountAsRunning()
    {
        using PushBench other = new(seed: 2);
        RuleKey key = _bench.Store.Apply("limits");
        Assert.Equal(key, other.Store.Apply("limits"));
        PushMessage first = _bench.Next(new PushStream(_bench.Hub, "default", ""), _bench.Register("a"))!;
        PushSession session = other.Register("a");
        Assert.NotNull(other.Hub.Find(first.Version)); // the same content, which it would take for all that is needed
        other.Hub.Settle();

        string held = first.Version + "-partial"; // what a sidecar says that refused a part of it, in reports too
        PushMessage again = other.Next(new PushStream(other.Hub, "default", held), session)!;
        session.Answer(new SidecarAck { Version = again.Version, Accepted = false, Findings = [new SidecarFinding(key.ToString(), "error", "spec.host", "not known here")] });

        Assert.Null(other.Hub.Find(held));
        Assert.Equal((true, key), (again.IsFull, Assert.Single(again.Rules).Key));
        Assert.Equal((again.Version, ""), (session.View.NackedVersion, session.View.AckedVersion));
    }

    [Fact]
    public void Next_ManyChangesWhileTheReaderIsSlow_AreOneDelta()
    {
        (PushSession session, PushStream stream) = Connected();
        RuleKey gone = _bench.Store.Apply("gone");
        for (int i = 1; i <= 5; i++)
        {
            _bench.Store.Apply("limits", $"{{host: products, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {i}}}}}}}}}");
            _bench.Hub.Refresh();
        }

        _bench.Store.Delete(gone);
        PushMessage push = _bench.Next(stream, session)!;

        Assert.Contains("maxConnections: 5", Assert.Single(push.Rules).Yaml, StringComparison.Ordinal);
        Assert.Empty(push.RemovedRules); // never sent, so nothing to take back
        Assert.Null(_bench.Next(stream, session));
    }

    [Fact]
    public void Next_RuleDeleted_IsRemoved()
    {
        (PushSession session, PushStream stream) = Connected();
        RuleKey limits = _bench.Store.Current.Rules.Keys.Single();
        _bench.Store.Delete(limits);

        PushMessage push = _bench.Next(stream, session)!;

        Assert.Equal(limits, Assert.Single(push.RemovedRules));
        Assert.Empty(push.Rules);
    }

    [Fact]
    public void Next_StatusOrAnnotationOnly_IsNothing()
    {
        (PushSession session, PushStream stream) = Connected();
        string version = _bench.Hub.Current.Version;

        _bench.Status.WriteAll();
        _bench.Store.Annotate(_bench.Store.Current.Rules.Keys.Single());

        Assert.Equal(1, _bench.Store.StatusWrites);
        Assert.Null(_bench.Next(stream, session));
        Assert.Equal(version, _bench.Hub.Current.Version);
    }

    [Fact]
    public void Next_EndpointComesAndGoes_IsADeltaOfThatHost()
    {
        (PushSession session, PushStream stream) = Connected();
        _bench.Register("orders-1", "orders", "127.0.0.1:2001");
        PushMessage came = _bench.Next(stream, session)!;
        _bench.Registry.Deregister("a");

        PushMessage went = _bench.Next(stream, session)!;

        Assert.Equal("orders.default.svc.cluster.local", Assert.Single(came.Services).Host);
        Assert.Equal("orders.default.svc.cluster.local", Assert.Single(came.Endpoints).Key);
        Assert.False(went.IsFull);
        Assert.Empty(went.Services);
        Assert.Empty(Assert.Single(went.Endpoints).Value);
        Assert.Empty(went.Rules);
    }

    [Fact]
    public void Next_VersionStillKnown_ResumesWithADelta()
    {
        (PushSession session, _) = Connected();
        string last = session.View.SentVersion;
        _bench.Store.Apply("while-away");

        PushMessage push = _bench.Next(new PushStream(_bench.Hub, "default", last), session)!;

        Assert.False(push.IsFull);
        Assert.Equal("while-away", Assert.Single(push.Rules).Key.Name);
        Assert.Null(_bench.Next(new PushStream(_bench.Hub, "default", push.Version), session));
    }

    [Fact]
    public void Next_VersionForgotten_GetsTheWholeSetOnceSettled()
    {
        (PushSession session, _) = Connected();
        string last = session.View.SentVersion;
        for (int i = 0; i <= PushHub.HistoryLength; i++)
        {
            _bench.Store.Apply("limits", $"{{host: h{i}}}");
            _bench.Hub.Refresh();
        }

        _bench.Hub.Settle();

        Assert.Null(_bench.Hub.Find(last));
        Assert.True(_bench.Next(new PushStream(_bench.Hub, "default", last), session)!.IsFull);
    }

    [Fact]
    public void Next_VersionOfAnotherReplica_NeedsOnlyWhatChangedSince()
    {
        (PushSession there, _) = Connected();
        using PushBench other = new(seed: 2);
        other.Store.Apply("limits");
        PushSession here = other.Register("a");
        PushStream stream = new(other.Hub, "default", there.View.SentVersion);

        Assert.NotEqual(_bench.Hub.Current.Version, other.Hub.Current.Version);
        Assert.Null(other.Next(stream, here)); // the same rules and endpoints: nothing to send
        other.Store.Apply("new");
        PushMessage push = other.Next(stream, here)!;

        Assert.False(push.IsFull);
        Assert.Equal("new", Assert.Single(push.Rules).Key.Name);
    }

    [Fact]
    public void Next_ChangedThereAndBackHere_StillKnowsTheVersion()
    {
        (PushSession session, _) = Connected();
        string last = session.View.SentVersion;
        _bench.Store.Apply("limits", "{host: other}");
        _bench.Hub.Refresh();
        _bench.Store.Delete(_bench.Store.Apply("limits", "{host: other}"));
        for (int i = 0; i < PushHub.HistoryLength - 2; i++)
        {
            _bench.Store.Apply("x", $"{{host: h{i}}}");
            _bench.Hub.Refresh();
        }

        Assert.NotNull(_bench.Hub.Find(last));
        Assert.Null(_bench.Hub.Find(last + "-rules"));
        Assert.Null(_bench.Hub.Find("formerrun-7-abc"));
    }

    [Fact]
    public void RulesOnly_AskedByAll_IsOneContent() =>
        Assert.Same(_bench.Hub.Pushes.RulesOnly(_bench.Hub.Current), _bench.Hub.Pushes.RulesOnly(_bench.Hub.Current));

    [Fact]
    public void Next_AfterARestart_TakesNoEndpointAwayDuringTheGrace()
    {
        (PushSession former, _) = Connected();
        using PushBench restarted = new(seed: 2);
        restarted.Store.Apply("limits");
        PushSession session = restarted.Register("caller", "caller", "127.0.0.1:9"); // products has not come back yet
        PushStream stream = new(restarted.Hub, "default", former.View.SentVersion);

        PushMessage rules = restarted.Next(stream, session)!;
        Assert.False(rules.IsFull);
        Assert.Equal("limits", Assert.Single(rules.Rules).Key.Name);
        Assert.Empty(rules.Services);
        Assert.Empty(rules.Endpoints);
        restarted.Store.Apply("limits", "{host: other}");
        PushMessage changed = restarted.Next(stream, session)!;
        Assert.Contains("host: other", Assert.Single(changed.Rules).Yaml, StringComparison.Ordinal);
        restarted.Register("b", "orders", "127.0.0.1:2001");
        Assert.Null(restarted.Next(stream, session));

        restarted.Register("a");
        restarted.Hub.Settle();
        PushMessage whole = restarted.Next(stream, session)!;

        Assert.True(whole.IsFull);
        Assert.Equal(3, whole.Endpoints.Count);
        Assert.Single(whole.Rules);
        Assert.Null(restarted.Next(stream, session));
    }

    [Fact]
    public void Next_NewSidecarDuringTheGrace_IsNotKeptWaiting()
    {
        PushSession session = _bench.Register("a");

        Assert.False(_bench.Hub.IsSettled);
        Assert.True(_bench.Next(new PushStream(_bench.Hub, "default", ""), session)!.IsFull);
    }

    [Fact]
    public void Next_BrokenOffDuringTheGraceAndBack_StillGetsTheWholeSetAfterwards()
    {
        _bench.Store.Apply("limits");
        PushSession session = _bench.Register("a");
        PushMessage rules = _bench.Next(new PushStream(_bench.Hub, "default", "formerrun-7-abc"), session)!;
        _bench.Hub.Settle();

        PushMessage whole = _bench.Next(new PushStream(_bench.Hub, "default", rules.Version), session)!;

        Assert.False(rules.IsFull);
        Assert.True(whole.IsFull);
    }

    [Theory]
    [InlineData("default", true)]
    [InlineData("shop", true)]
    [InlineData("other", false)]
    public void Next_RuleNotExportedToTheNamespace_IsNotSent(string clientNamespace, bool isSent)
    {
        _bench.Store.Apply("limits", "{host: products, exportTo: [shop, .]}");
        _bench.Hub.Refresh();

        PushMessage push = new PushStream(_bench.Hub, clientNamespace, "").Next(_bench.Hub.Current)!.Value.Push;

        Assert.Equal(isSent, push.Rules.Length == 1);
    }

    [Fact]
    public void Next_RuleNoLongerExported_IsRemoved()
    {
        RuleKey key = _bench.Store.Apply("limits");
        PushSession session = _bench.Register("a", ns: "shop");
        PushStream stream = new(_bench.Hub, "shop", "");
        _bench.Next(stream, session);
        _bench.Store.Apply("limits", "{host: products, exportTo: [.]}");

        PushMessage push = _bench.Next(stream, session)!;

        Assert.Equal(key, Assert.Single(push.RemovedRules));
        Assert.Empty(push.Rules);
    }

    private (PushSession Session, PushStream Stream) Connected()
    {
        _bench.Store.Apply("limits");
        PushSession session = _bench.Register("a");
        PushStream stream = new(_bench.Hub, "default", "");
        Assert.True(_bench.Next(stream, session)!.IsFull);
        return (session, stream);
    }
}
