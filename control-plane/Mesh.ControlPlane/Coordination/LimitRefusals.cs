using System.Collections.Immutable;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Which rules have limits that are not shared, since there are too many: their status says so while sidecars report them. Not thread-safe, but for <see cref="Of"/>.</summary>
/// <param name="time">Clock.</param>
internal sealed class LimitRefusals(TimeProvider time)
{
    private readonly Dictionary<string, long> _notedAt = new(StringComparer.Ordinal); // by rule
    private volatile ImmutableDictionary<string, SidecarFinding> _findings = ImmutableDictionary<string, SidecarFinding>.Empty;

    /// <summary>Raised after <see cref="Of"/> changed.</summary>
    public event Action? Changed;

    /// <summary>What the status of a rule is to say. Thread-safe.</summary>
    public ImmutableArray<SidecarFinding> Of(RuleKey rule) => _findings.TryGetValue(rule.ToString(), out SidecarFinding? finding) ? [finding] : [];

    /// <summary>A limit of a rule that is known was reported and not taken.</summary>
    public void Note(LimitName name, long now)
    {
        if (!_notedAt.ContainsKey(name.Rule))
        {
            string message = name.Key.Length > 0
                ? $"more keys want a share of their own than the control plane keeps ({SharedLimits.MostKeys} of one limit, {SharedLimits.MostKeysOfAll} of all): a further one has in each sidecar what every key has there"
                : $"sidecars report more limits than the control plane shares ({SharedLimits.Most}): that of {name.Cluster} stays at one in each sidecar; write the limit for fewer hosts";
            _findings = _findings.SetItem(name.Rule, new SidecarFinding(name.Rule, "warning", $"spec.{name.Limit}", message));
            Changed?.Invoke();
        }

        _notedAt[name.Rule] = now;
    }

    /// <summary>What nobody has reported for a lease is over.</summary>
    public void Advance(long now)
    {
        string[] over = [.. _notedAt.Where(r => time.GetElapsedTime(r.Value, now) >= EndpointRegistry.Lease).Select(static r => r.Key)];
        foreach (string rule in over)
        {
            _notedAt.Remove(rule);
        }

        if (over.Length > 0)
        {
            _findings = _findings.RemoveRange(over);
            Changed?.Invoke();
        }
    }
}
