using System.Text.Json.Nodes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Status;

public sealed class StatusWriterTests : IDisposable
{
    private readonly PushBench _bench = new();
    private readonly Dictionary<string, PushStream> _streams = [];

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Write_NoSidecar_IsAcceptedAndNotKnownToRun()
    {
        RuleKey key = _bench.Store.Apply("limits");

        Assert.Equal(("True", "Accepted", "the rule is valid"), Condition(key, "Accepted"));
        Assert.Equal(("Unknown", "NoSidecars", "no sidecar that may see this rule is connected"), Condition(key, "Programmed"));
        Assert.Equal(1, (long)Status(key)["observedGeneration"]!);
    }

    [Fact]
    public void Write_AsAnswersArrive_CountsTheSidecars()
    {
        RuleKey key = _bench.Store.Apply("limits");
        PushSession a = _bench.Register("a");
        PushSession b = _bench.Register("b", address: "127.0.0.1:1002");

        Assert.Equal(("False", "Pending", "0 of 2 sidecars run generation 1"), Condition(key, "Programmed"));
        Answer(a);
        Assert.Equal(("False", "Pending", "1 of 2 sidecars run generation 1"), Condition(key, "Programmed"));
        Answer(b);
        Assert.Equal(("True", "Programmed", "2 of 2 sidecars run generation 1"), Condition(key, "Programmed"));
        _bench.Store.Apply("limits", "{host: other}");
        Assert.Equal(("False", "Pending", "0 of 2 sidecars run generation 2"), Condition(key, "Programmed"));
        Assert.Equal(2, (long)Status(key)["observedGeneration"]!);
    }

    [Fact]
    public void Write_SidecarsTimesLimitAboveThePartnersMaximum_IsSaidAsTheyCome()
    {
        _bench.Store.Add("""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: partner, namespace: default, uid: u, annotations: {resilience.mesh.dev/max-connections: '30'}}
            spec: {hosts: [partner.example], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
            """);
        RuleKey key = _bench.Store.Apply("limits", "{host: partner.example, trafficPolicy: {connectionPool: {tcp: {maxConnections: 20, connectTimeout: 3s}}}}");
        _bench.Register("a");
        Assert.DoesNotContain("sidecars ×", Status(key).ToJsonString(), StringComparison.Ordinal);
        _bench.Register("b", address: "127.0.0.1:1002");

        Assert.Contains(
            Status(key)["validationMessages"]!.AsArray(),
            static m => ((string)m!["message"]!).StartsWith("2 sidecars × 20 = 40 connections, and 'partner.example' takes 30", StringComparison.Ordinal));
    }

    [Fact]
    public void Write_OtherRuleChanged_StillRuns()
    {
        RuleKey key = _bench.Store.Apply("limits");
        Answer(_bench.Register("a"));
        _bench.Store.Apply("other");
        _bench.Hub.Refresh();

        Assert.Equal(("True", "Programmed", "1 of 1 sidecars run generation 1"), Condition(key, "Programmed"));
    }

    [Fact]
    public void Write_Refused_NamesSidecarFieldAndReason()
    {
        RuleKey key = _bench.Store.Apply("limits");
        RuleKey other = _bench.Store.Apply("other");
        Answer(_bench.Register("a"), new SidecarFinding(key.ToString(), "error", "spec.host", "not known here"));

        Assert.Equal(("False", "Refused", "0 of 1 sidecars run generation 1; a refuses it: spec.host: not known here"), Condition(key, "Programmed"));
        Assert.Equal("1 of 1 sidecars run generation 1", Condition(other, "Programmed").Message);
        JsonNode message = Assert.Single(Status(key)["validationMessages"]!.AsArray())!;
        Assert.Equal(("ERROR", "spec.host", "not known here"), ((string)message["level"]!, (string)message["path"]!, (string)message["message"]!));
        Assert.Null(Status(other)["validationMessages"]);
    }

    [Fact]
    public void Write_WarningsOfReaderAndSidecars_AreListedOnce()
    {
        RuleKey key = _bench.Store.Apply("limits", "{host: products, trafficPolicy: {outlierDetection: {consecutiveErrors: 3}}}");
        PushSession a = _bench.Register("a");
        PushSession b = _bench.Register("b", address: "127.0.0.1:1002");
        foreach (PushSession session in (PushSession[])[a, b])
        {
            Answer(session, new SidecarFinding(key.ToString(), "warning", "spec", "can never eject"));
        }

        JsonArray messages = Status(key)["validationMessages"]!.AsArray();

        Assert.Contains(messages, m => ((string)m!["message"]!).Contains("consecutive5xxErrors", StringComparison.Ordinal));
        Assert.Single(messages, m => (string?)m!["message"] == "can never eject");
        Assert.All(messages, m => Assert.Equal("WARNING", (string?)m!["level"]));
    }

    [Fact]
    public void Write_SameFactsAgain_WritesNothing()
    {
        _bench.Store.Apply("limits");
        Answer(_bench.Register("a"));
        _bench.Status.WriteAll();
        int writes = _bench.Store.StatusWrites;
        _bench.Time.Advance(TimeSpan.FromSeconds(2));

        _bench.Status.WriteAll();

        Assert.Equal(writes, _bench.Store.StatusWrites);
    }

    [Fact]
    public void Write_OneOfManyRulesChanged_MakesNoOtherStatus()
    {
        for (int i = 0; i < 500; i++)
        {
            _bench.Store.Apply($"r{i}");
        }

        for (int i = 0; i < 100; i++)
        {
            Answer(_bench.Register($"s{i}", address: $"10.0.0.{i + 1}:1001"));
        }

        RuleKey key = _bench.Store.Apply("changed");
        _bench.Status.WriteAll();
        _bench.Status.WriteAll();
        _bench.Store.Apply("changed", "{host: other}");
        long before = GC.GetAllocatedBytesForCurrentThread();

        _bench.Status.WriteAll();

        Assert.Equal("0 of 100 sidecars run generation 2", Condition(key, "Programmed").Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 500 * 400); // one status is 3 KB; 500 of them and the views of 100 sidecars were 2.5 MB
    }

    [Fact]
    public void Write_SidecarComesBack_CountsOnlyWhatChanged()
    {
        RuleKey key = _bench.Store.Apply("limits");
        Answer(_bench.Register("a"));
        Assert.Equal("1 of 1 sidecars run generation 1", Condition(key, "Programmed").Message);
        _bench.Registry.Deregister("a");
        Assert.Equal("NoSidecars", Condition(key, "Programmed").Reason);
        _bench.Register("a");

        Assert.Equal("0 of 1 sidecars run generation 1", Condition(key, "Programmed").Message);
    }

    [Fact]
    public void Write_MessageChangesButNotTheStatus_KeepsItsTime()
    {
        RuleKey key = _bench.Store.Apply("limits");
        PushSession a = _bench.Register("a");
        _bench.Register("b", address: "127.0.0.1:1002");
        string before = Time(key);
        _bench.Time.Advance(TimeSpan.FromSeconds(1));
        Answer(a);

        Assert.Equal("1 of 2 sidecars run generation 1", Condition(key, "Programmed").Message);
        Assert.Equal(before, Time(key));
        _bench.Registry.Deregister("b");
        Assert.Equal("True", Condition(key, "Programmed").Status);
        Assert.NotEqual(before, Time(key));
    }

    [Fact]
    public void Write_RuleExportedElsewhere_CountsOnlyWhoSeesIt()
    {
        RuleKey key = _bench.Store.Apply("limits", "{host: products, exportTo: [.]}");
        _bench.Register("a", ns: "shop");

        Assert.Equal("NoSidecars", Condition(key, "Programmed").Reason);
    }

    [Fact]
    public void Write_RuleDeletedAndMadeAnew_DoesNotRunYet()
    {
        RuleKey key = _bench.Store.Apply("limits");
        Answer(_bench.Register("a"));
        _bench.Store.Delete(key);
        _bench.Store.Apply("limits");

        Assert.Equal("0 of 1 sidecars run generation 1", Condition(key, "Programmed").Message);
    }

    private void Answer(PushSession session, params SidecarFinding[] findings)
    {
        if (!_streams.TryGetValue(session.Id, out PushStream? stream))
        {
            stream = _streams[session.Id] = new PushStream(_bench.Hub, session.Namespace, "");
        }

        PushMessage push = _bench.Next(stream, session)!;
        bool accepted = findings.All(f => f.Severity != "error");
        Assert.NotNull(session.Answer(new SidecarAck { Version = push.Version, Accepted = accepted, Findings = [.. findings] }));
    }

    private JsonNode Status(RuleKey key)
    {
        _bench.Status.WriteAll();
        return _bench.Store.Current.Rules[key].Object["status"]!;
    }

    private JsonNode Find(RuleKey key, string type) => Status(key)["conditions"]!.AsArray().Single(c => (string?)c!["type"] == type)!;

    private (string Status, string Reason, string Message) Condition(RuleKey key, string type)
    {
        JsonNode condition = Find(key, type);
        return ((string)condition["status"]!, (string)condition["reason"]!, (string)condition["message"]!);
    }

    private string Time(RuleKey key) => (string)Find(key, "Programmed")["lastTransitionTime"]!;
}
