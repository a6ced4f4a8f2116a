namespace Mesh.Rules.Schema;

/// <summary>A row of a field table, for lists of all fields.</summary>
/// <param name="Path">Wire names from the table down, lists and maps without an index: <c>http.match.uri.exact</c>.</param>
/// <param name="NotEnforced">What has no effect yet, of the field or of the block that it is in; null for a field that works.</param>
/// <param name="IsPartly">Whether <paramref name="NotEnforced"/> is about some values only.</param>
/// <param name="IsBlock">Whether it holds further fields.</param>
internal sealed record FieldEntry(string Path, string? NotEnforced, bool IsPartly, bool IsBlock);
