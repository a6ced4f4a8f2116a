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
    private ImmutableDictionary<RuleKey, ContentRule>? _hashedRules;
    private byte[] _rulesHash = [];
    private Dictionary<string, HashedService> _hashedServices = [];
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
        return new MeshContent(string.Create(CultureInfo.InvariantCulture, $"{epoch}-{_number}-{hash[..MeshContent.HashLength]}"), rules, registry);
    }

    private ImmutableDictionary<RuleKey, ContentRule> Rules(
        ImmutableDictionary<RuleKey, ContentRule> former, ImmutableDictionary<RuleKey, StoredRule> stored)
    {
        if (ReferenceEquals(stored, _formerRules))
        {
            return former;
        }

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

    /// <summary>A hash of what a sidecar can see. Only what is another object than last time is hashed anew: a mesh has ten thousand endpoints, and one of them changed.</summary>
    private string Hash(ImmutableDictionary<RuleKey, ContentRule> rules, RegistryState registry)
    {
        if (!ReferenceEquals(rules, _hashedRules))
        {
            _hashedRules = rules;
            IEnumerable<string> lines = rules.Select(static r => $"{r.Key} {r.Value.Fingerprint}\n").Order(StringComparer.Ordinal);
            _rulesHash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(lines)));
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(_rulesHash);
        Dictionary<string, HashedService> next = new(registry.Services.Count, StringComparer.Ordinal);
        foreach ((string host, MeshService service) in registry.Services)
        {
            ImmutableArray<MeshEndpoint> endpoints = registry.Endpoints.GetValueOrDefault(host, []);
            HashedService hashed = _hashedServices.TryGetValue(host, out HashedService? known) && ReferenceEquals(known.Service, service) && known.Endpoints == endpoints
                ? known
                : new HashedService(service, endpoints);
            next.Add(host, hashed);
            hash.AppendData(hashed.Hash);
        }

        _hashedServices = next;
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private sealed class HashedService(MeshService service, ImmutableArray<MeshEndpoint> endpoints)
    {
        public MeshService Service => service;

        public ImmutableArray<MeshEndpoint> Endpoints => endpoints;

        public byte[] Hash { get; } = SHA256.HashData(Encoding.UTF8.GetBytes(PushMessageWriter.Write(new PushMessage
        {
            Version = "",
            IsFull = true,
            Services = [service],
            Endpoints = ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>>.Empty.Add(service.Host, endpoints),
        })));
    }
}
