using System.Text.Json.Nodes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Status;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Status;

/// <summary>Two replicas over the same rules: the first leads, sidecars are at both.</summary>
public sealed class ReplicaTests : IDisposable
{
    private readonly FakeRuleStore _store = new();
    private readonly Replica _leader;
    private readonly Replica _other;

    public ReplicaTests()
    {
        Board board = new();
        _leader = new Replica(_store, board.Place(), isLeader: true, seed: 1);
        _other = new Replica(_store, board.Place(), isLeader: false, seed: 2);
    }

    public void Dispose()
    {
        _leader.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void Write_SidecarsAtBoth_CountsAll()
    {
        RuleKey key = _store.Apply("limits");
        _leader.Answers("a");
        _other.Answers("b");
        _other.Answers("c");

        Assert.Equal("True: 3 of 3 sidecars run generation 1", Programmed(key));
        _store.Apply("limits", "{host: other}");
        Assert.Equal("False: 0 of 3 sidecars run generation 2", Programmed(key));
        _other.Answers("b");
        Assert.Equal("False: 1 of 3 sidecars run generation 2", Programmed(key));
    }

    [Fact]
    public void Write_SidecarsAtTheOtherOnly_AreCounted()
    {
        RuleKey key = _store.Apply("limits");
        _other.Answers("b");

        Assert.Equal("True: 1 of 1 sidecars run generation 1", Programmed(key));
    }

    [Fact]
    public void Write_RefusedAtTheOther_SaysWhoAndWhy()
    {
        RuleKey key = _store.Apply("limits");
        _leader.Answers("a");
        _other.Answers("b", new SidecarFinding(key.ToString(), "error", "spec.host", "not known here"));

        Assert.Equal("False: 1 of 2 sidecars run generation 1; b refuses it: spec.host: not known here", Programmed(key));
    }

    [Fact]
    public void Write_TheOtherSawTheRuleLater_DoesNotCountAsRunning()
    {
        RuleKey key = _store.Apply("limits");
        _leader.Answers("a");
        _other.Answers("b");
        Assert.Equal("True: 2 of 2 sidecars run generation 1", Programmed(key));
        _store.Delete(key);
        _store.Apply("limits"); // made anew: the same name and generation, another rule
        _leader.Answers("a");

        Assert.Equal("False: 1 of 2 sidecars run generation 1", Programmed(key));
    }

    [Fact]
    public void Write_TheOtherRunsWhatTheLeaderNeverHad_IsSeenButNotCountedAsRunning()
    {
        _store.Apply("former");
        _other.Answers("b"); // the leader has not looked yet
        RuleKey key = _store.Apply("limits");
        _leader.Answers("a");

        Assert.Equal("False: 1 of 2 sidecars run generation 1", Programmed(key));
    }

    [Fact]
    public void Write_NotTheLeader_WritesNothing()
    {
        _store.Apply("limits");

        _other.Status.WriteAll();

        Assert.Equal(0, _store.StatusWrites);
    }

    [Fact]
    public void Text_AllInStep_IsALineANamespace()
    {
        _store.Apply("limits");
        for (int i = 0; i < 500; i++)
        {
            _other.Answers($"s{i}", ns: i % 2 == 0 ? "default" : "shop");
        }

        string text = ReplicaText.Write(_other.Groups(), new RuleSets());

        Assert.Matches("""^\[\{"namespace":"default","count":250,"first":"s0","rules":"[0-9a-f]{32}"\},\{"namespace":"shop","count":250,"first":"s1","rules":"[0-9a-f]{32}"\}\]$""", text);
    }

    [Fact]
    public void Text_TooMuch_LeavesTheSmallestGroupsOut()
    {
        SidecarGroup[] groups = [.. Enumerable.Range(1, 2000).Select(static i => new SidecarGroup($"namespace-{i}", null, $"s{i}", i, true, []))];

        string text = ReplicaText.Write(groups, new RuleSets());
        SidecarGroup[] read = [.. ReplicaText.Read(text, new RuleSets())];

        Assert.InRange(text.Length, ReplicaText.MaxLength - 100, ReplicaText.MaxLength);
        Assert.Equal(groups.Reverse().Take(read.Length).Select(static g => g.Namespace), read.Select(static g => g.Namespace));
        Assert.Equal((2000, "s2000", true), (read[0].Count, read[0].FirstId, read[0].IsRefusing));
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("{}")]
    [InlineData("[1, null, {}, {\"count\": -1}, {\"count\": \"many\"}]")]
    public void Text_OfSomebodyElse_IsNoGroup(string text) => Assert.Empty(ReplicaText.Read(text, new RuleSets()));

    private string Programmed(RuleKey key)
    {
        _other.Write();
        _leader.Write();
        JsonNode condition = _store.Current.Rules[key].Object["status"]!["conditions"]!.AsArray().Single(static c => (string?)c!["type"] == "Programmed")!;
        return $"{(string?)condition["status"]}: {(string?)condition["message"]}";
    }

    /// <summary>What is said at each place, in memory.</summary>
    private sealed class Board
    {
        private readonly List<string> _texts = [];

        public IReplicaBoard Place()
        {
            _texts.Add("");
            return new At(_texts, _texts.Count - 1);
        }

        private sealed class At(List<string> texts, int index) : IReplicaBoard
        {
            public event Action? Changed;

            public IReadOnlyList<string> Others => [.. texts.Where((_, i) => i != index)];

            public void Say(string text)
            {
                texts[index] = text;
                Changed?.Invoke();
            }
        }
    }

    private sealed class Replica : IDisposable
    {
        private readonly FakeTimeProvider _time = new();
        private readonly EndpointRegistry _registry;
        private readonly PushHub _hub;
        private readonly Dictionary<string, PushStream> _streams = [];

        public Replica(FakeRuleStore store, IReplicaBoard board, bool isLeader, int seed)
        {
            _registry = new EndpointRegistry(_time, new Random(seed));
            _hub = new PushHub(store, _registry, _time, new Random(seed), NullLogger<PushHub>.Instance);
            Status = new StatusWriter(store, _registry, _time, NullLogger<StatusWriter>.Instance, new StatusReplicas(() => isLeader, board, () => _hub.Current.Rules));
        }

        public StatusWriter Status { get; }

        public void Write()
        {
            _hub.Refresh();
            Status.WriteAll();
        }

        public List<SidecarGroup> Groups() => SidecarGroup.Of(_registry.Sidecars.Select(static s => s.Session));

        /// <summary>A sidecar takes what there is now and answers.</summary>
        public void Answers(string id, params SidecarFinding[] findings) => Answers(id, "default", findings);

        public void Answers(string id, string ns, params SidecarFinding[] findings)
        {
            if (_registry.Find(id) is null)
            {
                _registry.Register(PushBench.Instance(id, ns: ns));
            }

            _hub.Refresh();
            PushSession session = _registry.Find(id)!.Session;
            PushStream stream = _streams.TryGetValue(id, out PushStream? known) ? known : _streams[id] = new PushStream(_hub, ns, "");
            (PushMessage Push, MeshContent Content) next = stream.Next(_hub.Current)!.Value;
            session.Sent(next.Content, _time.GetTimestamp());
            bool accepted = findings.All(static f => f.Severity != "error");
            Assert.NotNull(session.Answer(new SidecarAck { Version = next.Push.Version, Accepted = accepted, Findings = [.. findings] }));
        }

        public void Dispose() => _registry.Dispose();
    }
}
