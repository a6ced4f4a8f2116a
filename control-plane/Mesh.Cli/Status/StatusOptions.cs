using Mesh.Cli.Asking;

namespace Mesh.Cli.Status;

/// <summary>What <c>status</c> is asked for.</summary>
/// <param name="ControlPlane">Where to ask.</param>
/// <param name="Format">Text or JSON.</param>
internal sealed record StatusOptions(ControlPlaneOptions ControlPlane, OutputFormat Format)
{
    /// <summary>Reads the arguments after the verb; null with what is wrong.</summary>
    public static (StatusOptions? Options, string? Problem) Read(IReadOnlyList<string> arguments)
    {
        (Arguments? line, string? problem) = Arguments.Read("status", arguments, [.. ControlPlaneOptions.Names, new("--output", "-o")]);
        if (line is null)
        {
            return (null, problem);
        }

        (ControlPlaneOptions? controlPlane, problem) = ControlPlaneOptions.Of(line);
        OutputFormat? format = line["--output"] switch { null or "text" => OutputFormat.Text, "json" => OutputFormat.Json, _ => null };
        return controlPlane is null || format is null ? (null, problem ?? $"--output: '{line["--output"]}' is no format of status; write --output text or json")
            : line.Words.Count > 0 ? (null, $"status: '{line.Words[0]}' is not understood; write 'status' alone")
            : (new StatusOptions(controlPlane, format.Value), null);
    }
}
