namespace Mesh.Testing;

/// <summary>
/// Says of a test that it shows what a field of a rule does to traffic, not only that the field is read. The list of
/// all fields against these tests is generated (<c>tests/fields.md</c>) and may have no hole.
/// A script says the same in a comment line: <c># effect-of: KIND PATH</c>.
/// </summary>
/// <param name="kind">The rule kind, such as <c>DestinationRule</c>.</param>
/// <param name="path">
/// The field below <c>spec</c>, lists without an index, such as <c>trafficPolicy.connectionPool.tcp.maxConnections</c>
/// or <c>http.match.uri.exact</c>.
/// </param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class EffectOfAttribute(string kind, string path) : Attribute
{
    /// <summary>The rule kind.</summary>
    public string Kind { get; } = kind;

    /// <summary>The field's path below <c>spec</c>.</summary>
    public string Path { get; } = path;
}
