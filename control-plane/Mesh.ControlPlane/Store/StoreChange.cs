namespace Mesh.ControlPlane.Store;

/// <summary>One change of the store, for watches.</summary>
/// <param name="Revision">Revision that it made.</param>
/// <param name="Before">The object before; null for a creation.</param>
/// <param name="After">The object after; null for a deletion.</param>
internal sealed record StoreChange(long Revision, StoredRule? Before, StoredRule? After);
