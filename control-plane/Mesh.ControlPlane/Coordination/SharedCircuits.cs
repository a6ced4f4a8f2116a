using System.Collections.Immutable;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Coordination;

/// <summary>All circuits that callers share, one for each rule of scope mesh and upstream. Only <see cref="MeshCoordinator"/> calls it, but for <see cref="Warnings"/>.</summary>
internal sealed class SharedCircuits : ICoordinated
{
    /// <summary>A circuit that is not closed is remembered so long after its last caller left.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    /// <summary>Most circuits: a sidecar that makes up names must not fill the memory.</summary>
    public const int Most = 10_000;

    /// <summary>Most findings in the status of one rule.</summary>
    public const int MostFindings = 20;

    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly CircuitRules _rules;
    private readonly Dictionary<(string Rule, string Cluster), CircuitEntry> _circuits = [];
    private readonly Dictionary<string, CircuitEntry[]> _shares = new(StringComparer.Ordinal); // by reporter, in the order of its report
    private readonly Dictionary<string, ForcedState> _byHand = new(StringComparer.Ordinal); // by host
    private readonly Dictionary<string, SortedDictionary<string, CircuitEntry>> _saying = new(StringComparer.Ordinal); // by rule and upstream: those that have findings
    private readonly DateTimeOffset _start;
    private readonly long _startedAt;
    private readonly TimeSpan _settling;
    private DateTimeOffset _speaksFrom;
    private long _reports; // so far
    private volatile ImmutableDictionary<RuleKey, ImmutableArray<SidecarFinding>> _warnings = ImmutableDictionary<RuleKey, ImmutableArray<SidecarFinding>>.Empty;

    /// <summary>No circuits yet.</summary>
    /// <param name="store">The rules.</param>
    /// <param name="time">Clock.</param>
    /// <param name="random">Chance, for elections.</param>
    /// <param name="logger">Log.</param>
    /// <param name="settling">Time after which all callers have said what they hold; null for a lease, which is enough where all report to this process.</param>
    public SharedCircuits(IRuleStore store, TimeProvider time, Random random, ILogger<SharedCircuits> logger, TimeSpan? settling = null)
    {
        (_time, _random, _rules, Events) = (time, random, new CircuitRules(store), new CircuitEvents(logger));
        (_start, _startedAt) = (time.GetUtcNow(), time.GetTimestamp());
        _settling = settling ?? EndpointRegistry.Lease;
        _speaksFrom = _start + _settling;
    }

    /// <summary>Raised after <see cref="Warnings"/> changed; under the coordinator's lock.</summary>
    public event Action? WarningsChanged;

    /// <summary>What was decided lately.</summary>
    public CircuitEvents Events { get; }

    /// <summary>All circuits, in order.</summary>
    public IEnumerable<CircuitEntry> All => _circuits.Values.OrderBy(static c => c.Rule, StringComparer.Ordinal).ThenBy(static c => c.Cluster, StringComparer.Ordinal);

    /// <summary>What the status of a rule is to say about its circuits. Thread-safe.</summary>
    public ImmutableArray<SidecarFinding> Warnings(RuleKey rule) => _warnings.GetValueOrDefault(rule, []);

    /// <summary>The time of a timestamp: it never goes back, whatever is done to the clock.</summary>
    public DateTimeOffset At(long now) => _start + _time.GetElapsedTime(_startedAt, now);

    /// <inheritdoc/>
    public bool Report(Reporter reporter, SidecarReport report, long now)
    {
        DateTimeOffset at = At(now);
        CircuitEntry[] former = _shares.GetValueOrDefault(reporter.Id, []);
        List<CircuitEntry> shares = new(report.Circuits.Length);
        bool isChanged = false;
        _reports++;
        foreach (CircuitReport circuit in report.Circuits)
        {
            CircuitEntry? likely = shares.Count < former.Length ? former[shares.Count] : null; // nearly always it reports the same again
            if (_rules.Find(circuit.Rule) is { } config && Find(config, circuit, likely, at) is { } entry && entry.IsFirstIn(_reports))
            {
                shares.Add(entry);
                isChanged |= ReferenceEquals(config, entry.Circuit.Config) ? false : Note(entry, entry.Circuit.Update(config, at), at);
                entry.Circuit.Report(reporter, circuit, at, report.ActiveRequests);
                isChanged |= Advance(entry, at);
            }
        }

        _shares[reporter.Id] = [.. shares];
        return Forget(reporter, former.Where(entry => entry.IsFirstIn(_reports)), at) || isChanged;
    }

    /// <inheritdoc/>
    public bool Forget(Reporter reporter, long now) => _shares.Remove(reporter.Id, out CircuitEntry[]? shares) && Forget(reporter, shares, At(now));

    /// <inheritdoc/>
    public bool Advance(long now)
    {
        DateTimeOffset at = At(now);
        foreach (string over in _byHand.Where(h => at >= h.Value.Until).Select(static h => h.Key).ToArray())
        {
            _byHand.Remove(over);
        }

        bool isChanged = false;
        foreach (CircuitEntry entry in _circuits.Values.ToArray())
        {
            isChanged |= Advance(entry, at);
            RemoveIfDone(entry, at);
        }

        return isChanged;
    }

    /// <inheritdoc/>
    public void AddOrders(Reporter reporter, SidecarOrders orders, long now)
    {
        if (_shares.TryGetValue(reporter.Id, out CircuitEntry[]? shares) && shares.Length > 0)
        {
            DateTimeOffset at = At(now);
            orders.Circuits = [.. shares.Select(entry => entry.Circuit.OrderFor(reporter, entry.Cluster, at)).OfType<CircuitOrder>()];
        }
    }

    /// <inheritdoc/>
    public void Restart(long now)
    {
        _circuits.Clear();
        _shares.Clear();
        _byHand.Clear();
        _saying.Clear();
        _warnings = _warnings.Clear();
        _speaksFrom = At(now) + _settling;
        WarningsChanged?.Invoke();
    }

    /// <summary>Decides by hand for all circuits of a host, those included that callers report later; null lifts that.</summary>
    /// <returns>The circuits that it concerns now.</returns>
    public IReadOnlyList<CircuitEntry> Force(string host, ForcedState? forced, long now)
    {
        DateTimeOffset at = At(now);
        if (forced is null)
        {
            _byHand.Remove(host);
        }
        else
        {
            _byHand[host] = forced;
        }

        CircuitEntry[] concerned = [.. All.Where(c => c.Host == host)];
        foreach (CircuitEntry entry in concerned)
        {
            Note(entry, forced is null ? entry.Circuit.Lift("lifted", at) : entry.Circuit.Force(forced, at), at);
        }

        return concerned;
    }

    private CircuitEntry? Find(BreakerConfig config, CircuitReport report, CircuitEntry? likely, DateTimeOffset at)
    {
        if (likely is not null && likely.Cluster == report.Cluster && likely.Rule == report.Rule)
        {
            return likely; // a circuit that has callers is not forgotten
        }

        if (!_circuits.TryGetValue((report.Rule, report.Cluster), out CircuitEntry? entry) && _circuits.Count < Most)
        {
            entry = new CircuitEntry(report.Rule, report.Cluster, new SharedCircuit(config, _speaksFrom, _random));
            _circuits.Add((report.Rule, report.Cluster), entry);
            if (_byHand.TryGetValue(entry.Host, out ForcedState? forced) && at < forced.Until)
            {
                Note(entry, entry.Circuit.Force(forced, at), at);
            }
        }

        return entry;
    }

    private bool Forget(Reporter reporter, IEnumerable<CircuitEntry> shares, DateTimeOffset at)
    {
        bool isChanged = false;
        foreach (CircuitEntry entry in shares)
        {
            isChanged |= Note(entry, entry.Circuit.Forget(reporter, at), at);
            RemoveIfDone(entry, at);
        }

        return isChanged;
    }

    private bool Advance(CircuitEntry entry, DateTimeOffset at) => Note(entry, entry.Circuit.Advance(at), at);

    private bool Note(CircuitEntry entry, CircuitChange? change, DateTimeOffset at)
    {
        if (change is not null)
        {
            entry.Count(change);
            Events.Add(entry, change, at);
        }

        CircuitTroubles troubles = entry.TroublesAt(at);
        if (entry.Said != troubles)
        {
            CircuitTroubles former = entry.Said;
            entry.Said = troubles;
            Events.AddTroubles(entry, former, at);
            Warn(entry, troubles != default);
        }

        return change is not null;
    }

    private void RemoveIfDone(CircuitEntry entry, DateTimeOffset at)
    {
        entry.EmptySince = entry.Circuit.Callers.Count > 0 ? null : entry.EmptySince ?? at;
        bool isDone = entry.EmptySince is { } since
            && (entry.Circuit.State == CircuitState.Closed || at - since >= Memory || _rules.Find(entry.Rule) is null);
        if (isDone)
        {
            _circuits.Remove((entry.Rule, entry.Cluster));
            if (entry.Said != default)
            {
                Warn(entry, false);
            }
        }
    }

    // Many circuits may begin and end to say something in one moment: each costs what is said of its rule, not what there is.
    private void Warn(CircuitEntry entry, bool says)
    {
        if (!_saying.TryGetValue(entry.Rule, out var saying))
        {
            _saying.Add(entry.Rule, saying = new(StringComparer.Ordinal));
        }

        _ = says ? saying.TryAdd(entry.Cluster, entry) : saying.Remove(entry.Cluster);
        if (saying.Count == 0)
        {
            _saying.Remove(entry.Rule);
        }

        if (CircuitRules.KeyOf(entry.Rule) is { } key)
        {
            ImmutableArray<SidecarFinding> findings = [.. saying.Values.SelectMany(static c => c.Findings).Take(MostFindings)];
            _warnings = findings.IsEmpty ? _warnings.Remove(key) : _warnings.SetItem(key, findings);
            WarningsChanged?.Invoke();
        }
    }
}
