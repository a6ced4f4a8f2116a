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
/// Keeps the status of every rule up to date: after each answer of a sidecar, each change of a rule, each coming and going. A status says the
/// same for the same facts, so writing it does not set off another round. <see cref="RunAsync"/> runs once; <see cref="Signal"/> may be set by anybody.
/// </summary>
/// <param name="store">Rules and their status.</param>
/// <param name="registry">Sidecars.</param>
/// <param name="time">Clock.</param>
/// <param name="logger">Log.</param>
/// <param name="isLeader">Whether this replica writes, where there may be several; null where there is one. Whoever begins to lead sets the signal.</param>
internal sealed partial class StatusWriter(
    IRuleStore store, EndpointRegistry registry, TimeProvider time, ILogger<StatusWriter> logger, Func<bool>? isLeader = null)
{
    /// <summary>Pause between two rounds where writing goes over the network: a thousand sidecars that answer are a dozen rounds, not a hundred.</summary>
    private static readonly TimeSpan RemotePause = TimeSpan.FromSeconds(1);

    private readonly Dictionary<RuleKey, (string Uid, long Generation, ImmutableArray<SidecarFinding> Warnings)> _warnings = [];

    /// <summary>Something happened that a status may depend on.</summary>
    public ChangeSignal Signal { get; } = new();

    /// <summary>Writes until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        registry.Changed += Signal.Set;
        Task store = FollowStoreAsync(stop);
        Debouncer debouncer = new(Signal, time);
        while (!stop.IsCancellationRequested)
        {
            await debouncer.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (isLeader?.Invoke() == false)
            {
                continue;
            }

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

            if (isLeader is not null)
            {
                await Task.Delay(RemotePause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        registry.Changed -= Signal.Set;
        await store;
    }

    /// <summary>Writes every status that is not as it should be.</summary>
    internal void WriteAll()
    {
        RuleStoreState rules = store.Current;
        List<PushSession> sessions = [.. registry.Sidecars.Select(static s => s.Session)];
        ImmutableArray<RuleDocument> maxima = PartnerMaximum.EntriesOf(rules.Rules.Values.Select(static r => r.Document));
        DateTimeOffset now = time.GetUtcNow();
        foreach (StoredRule rule in rules.Rules.Values)
        {
            if (rules.Refused.ContainsKey(rule.Key))
            {
                continue; // an older version of an object whose newest is no valid rule: the status is about the newest
            }

            JsonObject status = RuleStatus.Of(rule, [.. Warnings(rule), .. AboveMaximum(rule, maxima, sessions)], sessions, now);
            if (!JsonNode.DeepEquals(status, rule.Object["status"]))
            {
                store.TrySetStatus(rule.Key, ContentRule.UidOf(rule), status); // gone meanwhile: nothing to write
            }
        }

        foreach (RefusedRule rule in rules.Refused.Values)
        {
            JsonObject status = RuleStatus.Refused(rule, now);
            if (!JsonNode.DeepEquals(status, rule.Object["status"]))
            {
                store.TrySetStatus(rule.Key, (string?)rule.Object["metadata"]?["uid"] ?? "", status);
            }
        }

        foreach (RuleKey gone in _warnings.Keys.Where(key => !rules.Rules.ContainsKey(key)).ToArray())
        {
            _warnings.Remove(gone);
        }
    }

    // Depends on who is there, so it is worked out each time; usually no entry says a maximum.
    private static IEnumerable<SidecarFinding> AboveMaximum(StoredRule rule, ImmutableArray<RuleDocument> maxima, List<PushSession> sessions) =>
        maxima.IsEmpty ? [] : PartnerMaximum.Find(rule.Document, maxima, CountViewers(rule, sessions)).Select(d => new SidecarFinding(rule.Key.ToString(), "warning", d.Path, d.Message));

    private static int CountViewers(StoredRule rule, List<PushSession> sessions)
    {
        ImmutableArray<string> exportTo = ContentRule.ExportToOf(rule.Document);
        return sessions.Count(s => ContentRule.IsVisible(rule.Key.Namespace, exportTo, s.Namespace));
    }

    private ImmutableArray<SidecarFinding> Warnings(StoredRule rule)
    {
        string uid = ContentRule.UidOf(rule);
        if (_warnings.TryGetValue(rule.Key, out var known) && known.Uid == uid && known.Generation == rule.Document.Generation)
        {
            return known.Warnings;
        }

        ImmutableArray<SidecarFinding> warnings =
        [
            .. RuleReader.ReadJson(rule.Object, "").Diagnostics.Select(d =>
                new SidecarFinding(rule.Key.ToString(), d.Severity == Severity.Error ? "error" : "warning", d.Path, d.Message)),
        ];
        _warnings[rule.Key] = (uid, rule.Document.Generation, warnings);
        return warnings;
    }

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
}
