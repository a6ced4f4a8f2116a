using System.Collections.Immutable;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Push;

/// <summary>Everything there is to push, at one version. Immutable; two contents share what did not change between them.</summary>
/// <param name="Version">Epoch of the process, running number, content hash; opaque to sidecars.</param>
/// <param name="Rules">Rules by identity.</param>
/// <param name="Registry">Services and endpoints.</param>
internal sealed record MeshContent(string Version, ImmutableDictionary<RuleKey, ContentRule> Rules, RegistryState Registry)
{
    /// <summary>Nothing.</summary>
    public static MeshContent Empty { get; } = new("", ImmutableDictionary<RuleKey, ContentRule>.Empty, RegistryState.Empty);

    /// <summary>The hash in a version of that form, of whatever run or replica; null in any other text. Equal hashes are equal contents.</summary>
    public static string? HashOf(string version) => version.Split('-') is [_, _, { Length: HashLength } hash] ? hash : null;

    /// <summary>Letters of the hash in a version.</summary>
    public const int HashLength = 16;

    private bool? _isSeenAlike;

    /// <summary>Whether sidecars of all namespaces see the same rules; most meshes have no rule that is kept to some.</summary>
    public bool IsSeenAlike => _isSeenAlike ??= Rules.Values.All(static rule => rule.IsVisibleTo(""));

    /// <summary>The rules alone, under a version of its own, which no history knows: who holds it still needs the rest.</summary>
    public MeshContent RulesOnly() => this with { Version = Version + "-rules", Registry = RegistryState.Empty };
}
