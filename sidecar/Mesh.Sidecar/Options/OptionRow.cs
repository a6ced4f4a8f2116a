namespace Mesh.Sidecar.Options;

/// <summary>One option of a command: its name, what stands after it, the line of <c>--help</c>, and how its text is taken.</summary>
/// <typeparam name="TOptions">The command's options.</typeparam>
/// <param name="Name">Name with dashes, <c>--service</c>.</param>
/// <param name="Value">Word for the value in the help; empty for a switch, which stands alone.</param>
/// <param name="Help">One line.</param>
/// <param name="Take">Gives the options with the value taken, or what to write instead. A switch is given <c>true</c>.</param>
internal sealed record OptionRow<TOptions>(string Name, string Value, string Help, Func<TOptions, string, Taken<TOptions>> Take)
    where TOptions : class
{
    /// <summary>The environment variable that is read when the option is not given: <c>MESH_ACCESS_LOG</c>.</summary>
    public string Variable { get; } = "MESH_" + Name[2..].ToUpperInvariant().Replace('-', '_');

    /// <summary>Istio's name for the same, read when <see cref="Variable"/> is not set; null when it has none.</summary>
    public string? IstioVariable { get; init; }

    /// <summary>Whether an empty value means something: an empty list.</summary>
    public bool TakesEmpty { get; init; }

    /// <summary>Whether it stands alone.</summary>
    public bool IsSwitch => Value.Length == 0;
}

/// <summary>What taking a value gave: options, or the text of what was expected (<c>HOST:PORT, for example …</c>).</summary>
/// <typeparam name="TOptions">The command's options.</typeparam>
/// <param name="Options">The options; null when the value is wrong.</param>
/// <param name="Expected">What to write instead; null when the value is right.</param>
internal readonly record struct Taken<TOptions>(TOptions? Options, string? Expected)
    where TOptions : class
{
    public static implicit operator Taken<TOptions>(TOptions options) => new(options, null);

    public static Taken<TOptions> Wrong(string expected) => new(null, expected);
}
