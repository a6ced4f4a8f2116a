using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Push;

/// <summary>Makes the next content from store and registry, sharing what stayed the same. Used by one loop.</summary>
/// <param name="epoch">Marks this run of the process, so that a version of a former run is never taken for one of this.</param>
internal sealed class ContentBuilder(string epoch)
{
    private ImmutableDictionary<RuleKey, StoredRule> _formerRules = ImmutableDictionary<RuleKey, StoredRule>.Empty;
    private string _hash = "";
    private long _number;

    /// <summary>The content now: <paramref name="former"/> itself when nothing that a sidecar could see has changed.</summary>
    public MeshContent Next(MeshContent former, RuleStoreState store, RegistryState registry)
    {
        ImmutableDictionary<RuleKey, ContentRule> rules = Rules(former.Rules, store.Rules);
        if (ReferenceEquals(rules, former.Rules) && ReferenceEquals(registry, former.Registry) && _number > 0)
        {
            return former;
        }

        string hash = Hash(rules, registry);
        if (hash == _hash)
        {
            return former;
        }

        _hash = hash;
        _number++;
        return new MeshContent(string.Create(CultureInfo.InvariantCulture, $"{epoch}-{_number}-{hash[..12]}"), rules, registry);
    }

    private ImmutableDictionary<RuleKey, ContentRule> Rules(
        ImmutableDictionary<RuleKey, ContentRule> former, ImmutableDictionary<RuleKey, StoredRule> stored)
    {
        ImmutableDictionary<RuleKey, ContentRule>.Builder next = former.ToBuilder();
        next.RemoveRange(former.Keys.Where(key => !stored.ContainsKey(key)));
        foreach ((RuleKey key, StoredRule rule) in stored)
        {
            if (_formerRules.TryGetValue(key, out StoredRule? seen) && ReferenceEquals(seen, rule))
            {
                continue;
            }

            ContentRule content = ContentRule.From(rule);
            if (!former.TryGetValue(key, out ContentRule? same) || same.Fingerprint != content.Fingerprint)
            {
                next[key] = content;
            }
        }

        _formerRules = stored;
        return next.ToImmutable();
    }

    private static string Hash(ImmutableDictionary<RuleKey, ContentRule> rules, RegistryState registry)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((RuleKey key, ContentRule rule) in rules.OrderBy(static r => r.Key.ToString(), StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{key} {rule.Fingerprint}\n"));
        }

        PushMessage rest = new() { Version = "", IsFull = true, Services = [.. registry.Services.Values], Endpoints = registry.Endpoints };
        hash.AppendData(Encoding.UTF8.GetBytes(PushMessageWriter.Write(rest)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
