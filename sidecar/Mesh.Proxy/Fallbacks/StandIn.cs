namespace Mesh.Proxy.Fallbacks;

/// <summary>An answer that takes the place of a refusal, ready to be written. Immutable.</summary>
/// <param name="Status">Status.</param>
/// <param name="Lines">Header fields, each line with its end; none that concerns one connection, the length or the age.</param>
/// <param name="Body">Body; empty for none.</param>
internal sealed record StandIn(int Status, byte[] Lines, byte[] Body);
