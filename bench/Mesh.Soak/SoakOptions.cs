using System.Globalization;

namespace Mesh.Soak;

/// <summary>What the command line says.</summary>
/// <param name="Duration">How long the load goes on.</param>
/// <param name="Seed">Of every choice: faults, kinds of request, sizes.</param>
/// <param name="JsonFile">Where to write the results, or null.</param>
internal sealed record SoakOptions(TimeSpan Duration, int Seed, string? JsonFile)
{
    public const string Usage = "usage: soak.sh [--minutes 30] [--seed 1] [--json FILE]";

    /// <summary>Reads the command line; null when it is wrong.</summary>
    public static SoakOptions? Parse(IReadOnlyList<string> args)
    {
        SoakOptions options = new(TimeSpan.FromMinutes(30), 1, null);
        for (int i = 0; i + 1 < args.Count; i += 2)
        {
            string value = args[i + 1];
            SoakOptions? next = args[i] switch
            {
                "--minutes" when double.TryParse(value, CultureInfo.InvariantCulture, out double minutes) && minutes is >= 0.5 and <= 1440 =>
                    options with { Duration = TimeSpan.FromMinutes(minutes) },
                "--seed" when int.TryParse(value, CultureInfo.InvariantCulture, out int seed) => options with { Seed = seed },
                "--json" => options with { JsonFile = value },
                _ => null,
            };
            if (next is null)
            {
                return null;
            }

            options = next;
        }

        return args.Count % 2 == 0 ? options : null;
    }
}
