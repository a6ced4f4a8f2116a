using System.Collections.Immutable;
using System.Globalization;
using Mesh.ControlPlane.Push;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Status;

/// <summary>
/// Names for whole sets of rules that all replicas give alike, and the sets of the last names: so a replica says in 33 characters what its sidecars run, and
/// another one knows which generations that means. Used by one loop.
/// </summary>
internal sealed class RuleSets
{
    /// <summary>Sets that are remembered: as many as the push side keeps versions.</summary>
    private const int Most = PushHub.HistoryLength;

    private readonly List<(string Name, ImmutableDictionary<RuleKey, ContentRule> Rules)> _known = [];

    /// <summary>The name of a set; it is remembered.</summary>
    public string NameOf(ImmutableDictionary<RuleKey, ContentRule> rules)
    {
        foreach ((string known, ImmutableDictionary<RuleKey, ContentRule> set) in _known)
        {
            if (ReferenceEquals(set, rules))
            {
                return known;
            }
        }

        // A sum, because a dictionary has no order. Two rules with one fingerprint are one rule: it covers kind, name, uid and generation.
        UInt128 sum = 0;
        foreach (ContentRule rule in rules.Values)
        {
            sum += UInt128.Parse(rule.Fingerprint.AsSpan(0, 32), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        }

        string name = sum.ToString("x32", CultureInfo.InvariantCulture);
        if (_known.Count == Most)
        {
            _known.RemoveAt(0);
        }

        _known.Add((name, rules));
        return name;
    }

    /// <summary>The set of that name; null for one that this replica never had, or long ago.</summary>
    public ImmutableDictionary<RuleKey, ContentRule>? Find(string name) => _known.Find(k => k.Name == name).Rules;
}
