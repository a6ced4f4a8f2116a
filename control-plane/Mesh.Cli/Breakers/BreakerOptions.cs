using Mesh.Cli.Asking;
using Mesh.Rules.Validation;

namespace Mesh.Cli.Breakers;

/// <summary>What <c>breaker</c> is asked for.</summary>
/// <param name="State">State to put the circuits into, a word of the control plane; null lists them.</param>
/// <param name="Host">The host; for a list null is all.</param>
/// <param name="For">How long it is to last; zero with <c>auto</c>.</param>
/// <param name="Reason">Why.</param>
/// <param name="ControlPlane">Where to ask.</param>
/// <param name="Format">Text or JSON.</param>
internal sealed record BreakerOptions(string? State, string? Host, TimeSpan For, string Reason, ControlPlaneOptions ControlPlane, OutputFormat Format)
{
    private const string Usage = "write 'breaker list [HOST]', 'breaker open|close|disable HOST --for 10m --reason TEXT', or 'breaker auto HOST'";

    private static readonly Dictionary<string, string> States = new(StringComparer.Ordinal)
    {
        ["open"] = "open",
        ["close"] = "closed",
        ["disable"] = "disabled",
        ["auto"] = "auto",
    };

    /// <summary>Reads the arguments after the verb; null with what is wrong.</summary>
    public static (BreakerOptions? Options, string? Problem) Read(IReadOnlyList<string> arguments)
    {
        (Arguments? line, string? problem) = Arguments.Read("breaker", arguments, [new("--for"), new("--reason"), .. ControlPlaneOptions.Names, new("--output", "-o")]);
        if (line is null)
        {
            return (null, problem);
        }

        (ControlPlaneOptions? controlPlane, problem) = ControlPlaneOptions.Of(line);
        OutputFormat? format = line["--output"] switch { null or "text" => OutputFormat.Text, "json" => OutputFormat.Json, _ => null };
        if (controlPlane is null || format is null)
        {
            return (null, problem ?? $"--output: '{line["--output"]}' is no format of breaker; write --output text or json");
        }

        BreakerOptions options = new(null, null, TimeSpan.Zero, line["--reason"] ?? "", controlPlane, format.Value);
        return line.Words switch
        {
            ["list"] when line["--for"] is null && line["--reason"] is null => (options, null),
            ["list", { Length: > 0 } host] when line["--for"] is null && line["--reason"] is null => (options with { Host = host }, null),
            ["list", ..] => (null, "breaker list: changes nothing, so it takes neither --for nor --reason"),
            [{ } verb, { Length: > 0 } host] when States.TryGetValue(verb, out string? state) => Force(options with { State = state, Host = host }, verb, line["--for"]),
            [] => (null, $"breaker: nothing to do; {Usage}"),
            _ => (null, $"breaker: '{string.Join(' ', line.Words)}' is not understood; {Usage}"),
        };
    }

    // Whoever opens a circuit by hand goes home some day: it must end by itself, and say why it is so.
    private static (BreakerOptions? Options, string? Problem) Force(BreakerOptions options, string verb, string? length)
    {
        if (options.State == "auto")
        {
            return length is null ? (options, null) : (null, "--for: auto holds until somebody decides otherwise; leave --for out");
        }

        return length is null ? (null, $"breaker {verb}: for how long? write --for 10m; it then ends by itself")
            : !DurationText.TryParse(length, out TimeSpan time) || time < TimeSpan.FromMilliseconds(1) ? (null, $"--for: '{length}' is no time; write --for 10m")
            : options.Reason.Length == 0 ? (null, $"breaker {verb}: why? write --reason TEXT, for whoever finds the circuit so")
            : (options with { For = time }, null);
    }
}
