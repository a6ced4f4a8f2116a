using System.Globalization;
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
        usage: mesh-lab [shop|partner|retries|window|canary|failover|fallback|breaker|limits|pacing|scale|all] [--json FILE] [--rule FILE] [--duration 10s] [--services 1000] [--keep]

          shop              orders, delivery and products, each behind a sidecar, with one DestinationRule (the default)
          partner           an external partner gets slow: without and with a timeout
          retries           three layers that retry a failing service: Istio's defaults, then profile safe
          window            an upstream stops reading: without and with a write timeout
          canary            a new version gets 10 %, 50 % and all of the calls, changed under load
          failover          the instances of the own region get sick: the second region serves
          fallback          products fails: orders answers with what it said last, and its age
          breaker           ten callers share a circuit: one sick caller, an outage, all replaced, no control plane, a split one
          limits            a partner takes 20 connections of five sidecars together, while load moves between them
          pacing            40,000 calls a minute, spread evenly, counted each 100 ms
          scale             many services in one sidecar: what they cost
          all               every lab, one after the other
          --json FILE       write the results as JSON
          --rule FILE       shop: use this rule, byte for byte, instead of rules/products-destinationrule.yaml
          --duration 10s    shop: how long the users of the first two phases keep calling
          --services 1000   scale: how many services
          --keep            leave everything running and print the addresses; Ctrl-C ends it
        """;

    /// <summary>How many services the lab scale has.</summary>
    public int Services { get; init; } = 1000;

    private const string All = "all";
    private const int MostServices = 5000;
    private static readonly string[] Later = ["incidents"];
    private static readonly (string Name, Func<LabOptions, ILabScenario> Create)[] Scenarios =
    [
        ("shop", static o => new ShopScenario(o)),
        ("partner", static _ => new PartnerScenario()),
        ("retries", static _ => new RetriesScenario()),
        ("window", static _ => new WindowScenario()),
        ("canary", static _ => new CanaryScenario()),
        ("failover", static _ => new FailoverScenario()),
        ("fallback", static _ => new FallbackScenario()),
        ("breaker", static _ => new BreakerScenario()),
        ("limits", static _ => new LimitsScenario()),
        ("pacing", static _ => new PacingScenario()),
        ("scale", static o => new ScaleScenario(o.Services)),
    ];

    private static string Names => string.Join(", ", Scenarios.Select(static s => s.Name).Append(All));

    /// <summary>The labs that were asked for, in the order of their runs.</summary>
    public IEnumerable<(string Name, ILabScenario Lab)> ToScenarios() =>
        Scenarios.Where(s => Scenario == All || s.Name == Scenario).Select(s => (s.Name, s.Create(this)));

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
                case string name when i == 0 && (name == All || Scenarios.Any(s => s.Name == name)):
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
                case "--services" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int services) && services is > 0 and <= MostServices:
                    options = options with { Services = services };
                    i++;
                    break;
                default:
                    error = Explain(args[i], value);
                    return null;
            }
        }

        if (options is { Scenario: All, Keep: true })
        {
            error = "--keep leaves one lab running; name it instead of all";
            return null;
        }

        if (options.Scenario is not ("shop" or All) && args.FirstOrDefault(static a => a is "--rule" or "--duration") is { } shopOnly)
        {
            error = $"{shopOnly} belongs to shop; {options.Scenario} has its own rules and times";
            return null;
        }

        return options;
    }

    private static string Explain(string arg, string? value) => arg switch
    {
        "--json" or "--rule" => $"{arg} needs a file",
        "--services" => $"--services: '{value}' is not right; write a number up to {MostServices}",
        "--duration" => $"--duration: '{value}' is not right; write a time up to one minute, for example 10s",
        _ when Later.Contains(arg) => $"there is no scenario '{arg}' yet; there are: {Names}",
        _ when arg.StartsWith('-') => $"unknown option '{arg}'; see --help",
        _ => $"there is no scenario '{arg}'; there are: {Names}",
    };
}
