using System.Globalization;

namespace Mesh.Streams;

/// <summary>What the command line says.</summary>
internal sealed record StreamsOptions
{
    public const string Usage = "usage: Mesh.Streams [--streams 1000] [--services 1000] [--endpoints 10] [--rules 1000] [--changes 30] [--circuits 0] [--keep]";

    /// <summary>Simulated sidecars.</summary>
    public int Streams { get; private init; } = 1000;

    /// <summary>Services of the cluster.</summary>
    public int Services { get; private init; } = 1000;

    /// <summary>Pods behind each service.</summary>
    public int Endpoints { get; private init; } = 10;

    /// <summary>DestinationRules, one for each of the first services.</summary>
    public int Rules { get; private init; } = 1000;

    /// <summary>Changes of each kind that are measured.</summary>
    public int Changes { get; private init; } = 30;

    /// <summary>Circuits that all sidecars share, one for each of the first services; with any, what they cost is all that is measured.</summary>
    public int Circuits { get; private init; }

    /// <summary>Keep the folder with the control plane's log.</summary>
    public bool Keep { get; private init; }

    /// <summary>Reads the command line; null when it is wrong.</summary>
    public static StreamsOptions? Parse(IReadOnlyList<string> args)
    {
        StreamsOptions? options = new();
        for (int i = 0; i < args.Count && options is not null; i++)
        {
            if (args[i] == "--keep")
            {
                options = options with { Keep = true };
                continue;
            }

            bool isNumber = int.TryParse(i + 1 < args.Count ? args[i + 1] : "", NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is >= 1 and <= 10_000;
            options = (isNumber, args[i++]) switch
            {
                (true, "--streams") => options with { Streams = number },
                (true, "--services") => options with { Services = number, Rules = Math.Min(options.Rules, number), Circuits = Math.Min(options.Circuits, number) },
                (true, "--endpoints") when number <= 200 => options with { Endpoints = number },
                (true, "--rules") => options with { Rules = Math.Min(options.Services, number) },
                (true, "--circuits") when number <= 500 => options with { Circuits = Math.Min(options.Services, number) },
                (true, "--changes") => options with { Changes = number },
                _ => null,
            };
        }

        return options;
    }
}
