namespace Mesh.Sidecar.Options;

/// <summary>One option: its name, what stands after it, the line of <c>--help</c>, and how its text is taken.</summary>
/// <param name="Name">Name with dashes, <c>--service</c>.</param>
/// <param name="Value">Word for the value in the help.</param>
/// <param name="Help">One line.</param>
/// <param name="Take">Gives the options with the value taken, or what to write instead.</param>
internal sealed record OptionRow(string Name, string Value, string Help, Func<SidecarOptions, string, Taken> Take)
{
    /// <summary>The environment variable that is read when the option is not given: <c>MESH_ACCESS_LOG</c>.</summary>
    public string Variable { get; } = "MESH_" + Name[2..].ToUpperInvariant().Replace('-', '_');
}

/// <summary>What taking a value gave: options, or the text of what was expected (<c>HOST:PORT, for example …</c>).</summary>
/// <param name="Options">The options; null when the value is wrong.</param>
/// <param name="Expected">What to write instead; null when the value is right.</param>
internal readonly record struct Taken(SidecarOptions? Options, string? Expected)
{
    public static implicit operator Taken(SidecarOptions options) => new(options, null);

    public static Taken Wrong(string expected) => new(null, expected);
}
