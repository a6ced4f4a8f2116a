using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Advice;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Status;

/// <summary>
/// Keeps the status of every rule up to date: after each answer of a sidecar, each change of a rule, each coming and going. A status is made only when the rule or
/// one of its numbers changed since it was made last. <see cref="RunAsync"/> runs once; <see cref="Signal"/> may be set by anybody.
/// </summary>
/// <param name="store">Rules and their status.</param>
/// <param name="registry">Sidecars.</param>
/// <param name="time">Clock.</param>
/// <param name="logger">Log.</param>
/// <param name="replicas">What there is where several replicas share the work; null where there is one.</param>
internal sealed partial class StatusWriter(
    IRuleStore store, EndpointRegistry registry, TimeProvider time, ILogger<StatusWriter> logger, StatusReplicas? replicas = null)
{
    /// <summary>Pause between two rounds where writing goes over the network: a thousand sidecars that answer are a dozen rounds, not a hundred.</summary>
    private static readonly TimeSpan RemotePause = TimeSpan.FromSeconds(1);

    private readonly Dictionary<RuleKey, Known> _known = [];
    private readonly RuleSets _sets = new();
    private ImmutableArray<RuleDocument> _maxima = [];
    private volatile bool _isStale;

    /// <summary>What is to be said of a rule beside what sidecars say; null for nothing.</summary>
    public Func<RuleKey, ImmutableArray<SidecarFinding>>? Shared { get; init; }

    /// <summary>Something happened that a status may depend on.</summary>
    public ChangeSignal Signal { get; } = new();

    /// <summary>Statuses that were handed over may not have been written: all are worked out anew. May be called by anybody.</summary>
    public void Restart()
    {
        _isStale = true;
        Signal.Set();
    }

    /// <summary>Writes until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        registry.Changed += Signal.Set;
        replicas?.Board.Changed += Signal.Set;
        Task store = FollowStoreAsync(stop);
        Debouncer debouncer = new(Signal, time);
        while (!stop.IsCancellationRequested)
        {
            await debouncer.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                WriteAll();
            }
#pragma warning disable CA1031 // A background loop: one object that trips a bug must not leave all others without status.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogFailed(error);
            }

            if (replicas is not null)
            {
                await Task.Delay(RemotePause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        registry.Changed -= Signal.Set;
        replicas?.Board.Changed -= Signal.Set;
        await store;
    }

    /// <summary>Tells the other replicas of our sidecars; where we lead, writes every status that is not as it should be.</summary>
    internal void WriteAll()
    {
        List<SidecarGroup> groups = SidecarGroup.Of(registry.Sidecars.Select(static s => s.Session));
        if (replicas is not null)
        {
            _sets.NameOf(replicas.Rules()); // a set that sidecars of another replica run may be one that none of ours does
            replicas.Board.Say(ReplicaText.Write(groups, _sets));
            if (!replicas.IsLeader())
            {
                return;
            }

            IEnumerable<SidecarGroup> others = replicas.Board.Others.SelectMany(text => ReplicaText.Read(text, _sets));
            groups = [.. groups.Concat(others).OrderBy(static g => g.FirstId, StringComparer.Ordinal)];
        }

        if (_isStale)
        {
            _isStale = false;
            _known.Clear();
        }

        Write(store.Current, new RuleCounter(groups), time.GetUtcNow());
    }

    private void Write(RuleStoreState rules, RuleCounter counter, DateTimeOffset now)
    {
        ImmutableArray<RuleDocument> maxima = PartnerMaximum.EntriesOf(rules.Rules.Values.Select(static r => r.Document));
        bool isSameMaxima = maxima.AsSpan().SequenceEqual(_maxima.AsSpan(), ReferenceEqualityComparer.Instance);
        _maxima = maxima;
        foreach (StoredRule rule in rules.Rules.Values)
        {
            if (rules.Refused.IsEmpty || !rules.Refused.ContainsKey(rule.Key)) // else an older version of an object: the status is about the newest
            {
                Write(rule, counter, isSameMaxima, now);
            }
        }

        foreach (RefusedRule rule in rules.Refused.Values)
        {
            Known? known = _known.GetValueOrDefault(rule.Key);
            if (!ReferenceEquals(known?.Origin, rule) && Set(rule.Key, rule.Object, RuleStatus.Refused(rule, now)))
            {
                _known[rule.Key] = new Known(rule, "", 0, []);
            }
        }

        foreach (RuleKey gone in _known.Keys.Where(key => !rules.Rules.ContainsKey(key) && !rules.Refused.ContainsKey(key)).ToArray())
        {
            _known.Remove(gone);
        }
    }

    private void Write(StoredRule rule, RuleCounter counter, bool isSameMaxima, DateTimeOffset now)
    {
        Known? known = _known.GetValueOrDefault(rule.Key);
        bool isSame = ReferenceEquals(known?.Origin, rule);
        string uid = isSame ? known!.Uid : ContentRule.UidOf(rule);
        RuleTally tally = counter.Count(rule, uid, ContentRule.ExportToOf(rule.Document));
        tally = Shared?.Invoke(rule.Key) is { Length: > 0 } shared ? tally with { Findings = [.. shared, .. tally.Findings] } : tally;
        if (isSame && isSameMaxima && tally.Equals(known!.Tally))
        {
            return;
        }

        bool isRead = known is not null && known.Uid == uid && known.Generation == rule.Document.Generation;
        ImmutableArray<SidecarFinding> warnings = isRead ? known!.Warnings : Read(rule);
        JsonObject status = RuleStatus.Of(rule, warnings.Concat(AboveMaximum(rule, tally.Seen)), tally, now);
        if (Set(rule.Key, rule.Object, status))
        {
            _known[rule.Key] = new Known(rule, uid, rule.Document.Generation, warnings) { Tally = tally };
        }
    }

    /// <summary>False when the object is gone or the status was not taken: then it is tried again in the next round.</summary>
    private bool Set(RuleKey key, JsonObject obj, JsonObject status) =>
        JsonNode.DeepEquals(status, obj["status"]) || store.TrySetStatus(key, (string?)obj["metadata"]?["uid"] ?? "", status);

    // Depends on who is there; usually no entry says a maximum.
    private IEnumerable<SidecarFinding> AboveMaximum(StoredRule rule, int viewers) =>
        _maxima.IsEmpty ? [] : PartnerMaximum.Find(rule.Document, _maxima, viewers).Select(d => Finding(rule.Key, d));

    private static ImmutableArray<SidecarFinding> Read(StoredRule rule) =>
        [.. (rule.Findings.IsDefault ? RuleReader.ReadJson(rule.Object, "").Diagnostics : rule.Findings).Select(d => Finding(rule.Key, d))];

    private static SidecarFinding Finding(RuleKey rule, Diagnostic finding) =>
        new(rule.ToString(), finding.Severity == Severity.Error ? "error" : "warning", finding.Path, finding.Message);

    private async Task FollowStoreAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            long revision = store.Current.Revision;
            Signal.Set();
            await store.WaitForChangeAsync(revision, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: not every status could be written")]
    private partial void LogFailed(Exception error);

    /// <summary>What a status was made of.</summary>
    /// <param name="Origin">The rule, valid or not: another object when anything of it changed, also its status.</param>
    /// <param name="Uid">Its uid.</param>
    /// <param name="Generation">Its generation.</param>
    /// <param name="Warnings">What reading it said.</param>
    private sealed record Known(object Origin, string Uid, long Generation, ImmutableArray<SidecarFinding> Warnings)
    {
        /// <summary>What the sidecars said.</summary>
        public RuleTally Tally { get; init; }
    }
}

/// <summary>What the writer of statuses needs to know where there may be several replicas.</summary>
/// <param name="IsLeader">Whether this one writes. Whoever begins to lead calls <see cref="StatusWriter.Restart"/>.</param>
/// <param name="Board">What the others say.</param>
/// <param name="Rules">The rules that are pushed now.</param>
internal sealed record StatusReplicas(Func<bool> IsLeader, IReplicaBoard Board, Func<ImmutableDictionary<RuleKey, ContentRule>> Rules);
