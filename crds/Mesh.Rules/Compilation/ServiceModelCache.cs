using System.Collections.Immutable;
using Mesh.Rules.Wire;

namespace Mesh.Rules.Compilation;

/// <summary>
/// Keeps the models of services from one compile to the next, by the objects that they were made of: whoever gets the same model knows without looking that nothing
/// about the service has changed. Not thread-safe.
/// </summary>
internal sealed class ServiceModelCache
{
    private Dictionary<object, (ImmutableArray<MeshEndpoint> Endpoints, ServicePortModel[] Models)> _last = new(ReferenceEqualityComparer.Instance);
    private Dictionary<object, (ImmutableArray<MeshEndpoint> Endpoints, ServicePortModel[] Models)> _now = new(ReferenceEqualityComparer.Instance);

    /// <summary>Begins a compile: what the one before did not ask for is forgotten.</summary>
    public void BeginRound()
    {
        (_last, _now) = (_now, _last);
        _now.Clear();
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _last.Clear();
        _now.Clear();
    }

    /// <summary>The models made of <paramref name="source"/> and exactly that list of endpoints, else what <paramref name="make"/> makes.</summary>
    public ServicePortModel[] Get(object source, ImmutableArray<MeshEndpoint> endpoints, Func<ServicePortModel[]> make)
    {
        ServicePortModel[] models = _last.TryGetValue(source, out var kept) && kept.Endpoints == endpoints ? kept.Models : make();
        _now[source] = (endpoints, models);
        return models;
    }
}
