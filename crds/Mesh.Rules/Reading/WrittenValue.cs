namespace Mesh.Rules.Reading;

/// <summary>A plain value that stands in a rule's text.</summary>
/// <param name="Path">Path inside the object, <c>spec.subsets[1].name</c>.</param>
/// <param name="Value">The value as text; <c>{}</c> and <c>[]</c> for what is empty, <c>null</c> for nothing.</param>
/// <param name="Line">Line in the text; 0 when unknown.</param>
public readonly record struct WrittenValue(string Path, string Value, int Line);
