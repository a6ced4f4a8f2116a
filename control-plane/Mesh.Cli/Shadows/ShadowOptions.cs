using Mesh.Cli.Asking;
using Mesh.Cli.Explaining;

namespace Mesh.Cli.Shadows;

/// <summary>What <c>shadow</c> is asked for.</summary>
/// <param name="Admins">Admin ports of sidecars to ask; at least one.</param>
/// <param name="Format">Text or JSON.</param>
internal sealed record ShadowOptions(IReadOnlyList<Uri> Admins, OutputFormat Format)
{
    /// <summary>Reads the arguments after the verb; null with what is wrong.</summary>
    public static (ShadowOptions? Options, string? Problem) Read(IReadOnlyList<string> arguments)
    {
        (Arguments? line, string? problem) = Arguments.Read("shadow", arguments, new("--admin", MayRepeat: true), new("--output", "-o"));
        if (line is null)
        {
            return (null, problem);
        }

        OutputFormat? format = line["--output"] switch { null or "text" => OutputFormat.Text, "json" => OutputFormat.Json, _ => null };
        if (format is null)
        {
            return (null, $"--output: '{line["--output"]}' is no format of shadow; write --output text or json");
        }

        if (line.Words.Count > 0)
        {
            return (null, $"shadow: '{line.Words[0]}' is not understood; write 'shadow [--admin URL]'");
        }

        (List<Uri> admins, problem) = ExplainOptions.AdminsOf(line.All("--admin"));
        return problem is not null ? (null, problem) : (new ShadowOptions(admins.Count > 0 ? admins : [new Uri(ExplainOptions.DefaultAdmin)], format.Value), null);
    }
}
