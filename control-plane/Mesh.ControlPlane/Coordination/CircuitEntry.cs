using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>A shared circuit and its name. Not thread-safe.</summary>
/// <param name="rule">The rule, <c>CircuitBreaker/default/partner</c>.</param>
/// <param name="cluster">The upstream, <c>outbound|80||partner.example.com</c>.</param>
/// <param name="circuit">The circuit.</param>
internal sealed class CircuitEntry(string rule, string cluster, SharedCircuit circuit)
{
    private long _lastReport;
    private readonly long[] _entered = new long[Enum.GetValues<CircuitState>().Length];

    /// <summary>The rule.</summary>
    public string Rule { get; } = rule;

    /// <summary>The upstream.</summary>
    public string Cluster { get; } = cluster;

    /// <summary>Its host.</summary>
    public string Host { get; } = cluster[(cluster.LastIndexOf('|') + 1)..];

    /// <summary>The circuit.</summary>
    public SharedCircuit Circuit { get; } = circuit;

    /// <summary>Since when it has no callers; null while it has some.</summary>
    public DateTimeOffset? EmptySince { get; set; }

    /// <summary>What the rule's status has been told of.</summary>
    public CircuitTroubles Said { get; set; }

    /// <summary>What the rule's status is to say. It has no numbers that change each second.</summary>
    public IEnumerable<SidecarFinding> Findings
    {
        get
        {
            if (Circuit.Sick is { } sick)
            {
                yield return new SidecarFinding(
                    Rule, "warning", "spec", $"{sick.Id} alone fails to call {Host}, the other callers do not: look at it and its network; the circuit of {Cluster} does not open for that");
            }

            if (Circuit.Forced is { } forced)
            {
                yield return new SidecarFinding(Rule, "warning", "spec", $"by hand the circuit of {Cluster} is {forced.Word} until {forced.Until:yyyy-MM-dd'T'HH:mm:ss'Z'}: {forced.Reason} ({forced.By})");
            }

            if (Said.IsAhead)
            {
                yield return new SidecarFinding(Rule, "warning", "spec", CircuitText.Ahead(this));
            }

            if (Circuit.Unbelievable is { } caller)
            {
                yield return new SidecarFinding(Rule, "warning", "spec", CircuitText.Unbelievable(this, caller));
            }
        }
    }

    /// <summary>What there is to say of it now.</summary>
    public CircuitTroubles TroublesAt(DateTimeOffset now) => new(Circuit.Sick, Circuit.Forced, Circuit.Ahead(now) > TimeSpan.Zero, Circuit.Unbelievable);

    /// <summary>How often it came to that state.</summary>
    public long Entered(CircuitState state) => _entered[(int)state];

    /// <summary>Whether this is the first time that it is met in the report of that number; one that is named twice counts once.</summary>
    public bool IsFirstIn(long report)
    {
        bool isFirst = _lastReport != report;
        _lastReport = report;
        return isFirst;
    }

    /// <summary>It changed.</summary>
    public void Count(CircuitChange change) => _entered[(int)change.To] += change.From == change.To ? 0 : 1;
}

/// <summary>What people should know of a circuit beside its state.</summary>
/// <param name="Sick">The caller that fails alone, or null.</param>
/// <param name="Forced">What somebody decided by hand, or null.</param>
/// <param name="IsAhead">Its decisions have numbers of a time that has not come.</param>
/// <param name="Unbelievable">The caller that says it follows what nobody can have decided, or null.</param>
internal readonly record struct CircuitTroubles(Reporter? Sick, ForcedState? Forced, bool IsAhead, Reporter? Unbelievable);
