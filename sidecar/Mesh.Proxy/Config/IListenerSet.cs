using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Config;

/// <summary>The extra listeners of a snapshot, as the applier sees them.</summary>
public interface IListenerSet
{
    /// <summary>Binds what is new, drains what is gone, keeps the rest. Returns one text per listener that cannot be bound; never throws for that.</summary>
    Task<IReadOnlyList<(ListenerConfig Listener, string Problem)>> UpdateAsync(IReadOnlyList<ListenerConfig> listeners);
}
