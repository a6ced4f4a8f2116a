using Mesh.Lab.Scenarios;
using Mesh.Load.CommandLine;

namespace Mesh.Lab.CommandLine;

/// <summary>What the command line says.</summary>
/// <param name="Scenario">Which lab.</param>
/// <param name="JsonFile">Where to write the results, or null.</param>
/// <param name="RuleFile">The rule of phases 2 and 4; null: the lab's own.</param>
/// <param name="Duration">How long the users of phases 1 and 2 keep calling.</param>
/// <param name="Keep">Leave everything running at the end, until Ctrl-C.</param>
internal sealed record LabOptions(string Scenario, string? JsonFile, string? RuleFile, TimeSpan Duration, bool Keep)
{
    /// <summary>Text of <c>--help</c>.</summary>
    public const string Usage = """
        usage: mesh-lab [shop|partner|retries] [--json FILE] [--rule FILE] [--duration 10s] [--keep]

          shop              orders, delivery and products, each behind a sidecar, with one DestinationRule (the default)
          partner           an external partner gets slow: without and with a timeout
          retries           three layers that retry a failing service: Istio's defaults, then profile safe
          --json FILE       write the results as JSON
          --rule FILE       shop: use this rule, byte for byte, instead of rules/products-destinationrule.yaml
          --duration 10s    shop: how long the users of the first two phases keep calling
          --keep            leave everything running and print the addresses; Ctrl-C ends it
        """;

    private static readonly string[] Scenarios = ["shop", "partner", "retries"];
    private static readonly string[] Later = ["breaker", "incidents", "all"];

    /// <summary>The lab that was asked for.</summary>
    public ILabScenario ToScenario() => Scenario switch
    {
        "partner" => new PartnerScenario(),
        "retries" => new RetriesScenario(),
        _ => new ShopScenario(this),
    };

    /// <summary>Reads the command line; a mistake is a sentence in <paramref name="error"/>.</summary>
    public static LabOptions? Parse(IReadOnlyList<string> args, out string error)
    {
        LabOptions options = new("shop", null, null, TimeSpan.FromSeconds(10), false);
        error = "";
        for (int i = 0; i < args.Count; i++)
        {
            string? value = i + 1 < args.Count ? args[i + 1] : null;
            switch (args[i])
            {
                case string name when i == 0 && Scenarios.Contains(name):
                    options = options with { Scenario = name };
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

        if (options.Scenario != "shop" && args.FirstOrDefault(static a => a is "--rule" or "--duration") is { } shopOnly)
        {
            error = $"{shopOnly} belongs to shop; {options.Scenario} has its own rules and times";
            return null;
        }

        return options;
    }

    private static string Explain(string arg, string? value) => arg switch
    {
        "--json" or "--rule" => $"{arg} needs a file",
        "--duration" => $"--duration: '{value}' is not right; write a time up to one minute, for example 10s",
        _ when Later.Contains(arg) => $"there is no scenario '{arg}' yet; there are: {string.Join(", ", Scenarios)}",
        _ when arg.StartsWith('-') => $"unknown option '{arg}'; see --help",
        _ => $"there is no scenario '{arg}'; there are: {string.Join(", ", Scenarios)}",
    };
}
