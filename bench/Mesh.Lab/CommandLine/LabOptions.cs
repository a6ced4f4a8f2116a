using Mesh.Load.CommandLine;

namespace Mesh.Lab.CommandLine;

/// <summary>What the command line says.</summary>
/// <param name="JsonFile">Where to write the results, or null.</param>
/// <param name="RuleFile">The rule of phases 2 and 4; null: the lab's own.</param>
/// <param name="Duration">How long the users of phases 1 and 2 keep calling.</param>
/// <param name="Keep">Leave everything running at the end, until Ctrl-C.</param>
internal sealed record LabOptions(string? JsonFile, string? RuleFile, TimeSpan Duration, bool Keep)
{
    /// <summary>Text of <c>--help</c>.</summary>
    public const string Usage = """
        usage: mesh-lab [shop] [--json FILE] [--rule FILE] [--duration 10s] [--keep]

          shop              orders, delivery and products, each behind a sidecar, with one DestinationRule (the default)
          --json FILE       write the results as JSON
          --rule FILE       use this rule, byte for byte, instead of rules/products-destinationrule.yaml
          --duration 10s    how long the users of the first two phases keep calling
          --keep            leave everything running and print the addresses; Ctrl-C ends it
        """;

    private static readonly string[] Later = ["partner", "retries", "breaker", "incidents", "all"];

    /// <summary>Reads the command line; a mistake is a sentence in <paramref name="error"/>.</summary>
    public static LabOptions? Parse(IReadOnlyList<string> args, out string error)
    {
        LabOptions options = new(null, null, TimeSpan.FromSeconds(10), false);
        error = "";
        for (int i = 0; i < args.Count; i++)
        {
            string? value = i + 1 < args.Count ? args[i + 1] : null;
            switch (args[i])
            {
                case "shop" when i == 0:
                    break;
                case "--keep":
                    options = options with { Keep = true };
                    break;
                case "--json" when value is not null:
                    options = options with { JsonFile = value };
                    i++;
                    break;
                case "--rule" when value is not null:
                    options = options with { RuleFile = value };
                    i++;
                    break;
                case "--duration" when value is not null && SiegeTime.TryParse(value, out TimeSpan time) && time <= TimeSpan.FromMinutes(1):
                    options = options with { Duration = time };
                    i++;
                    break;
                default:
                    error = Explain(args[i], value);
                    return null;
            }
        }

        return options;
    }

    private static string Explain(string arg, string? value) => arg switch
    {
        "--json" or "--rule" => $"{arg} needs a file",
        "--duration" => $"--duration: '{value}' is not right; write a time up to one minute, for example 10s",
        _ when Later.Contains(arg) => $"there is no scenario '{arg}' yet; the one that exists is: shop",
        _ when arg.StartsWith('-') => $"unknown option '{arg}'; see --help",
        _ => $"there is no scenario '{arg}'; the one that exists is: shop",
    };
}
