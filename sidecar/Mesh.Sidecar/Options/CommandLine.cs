using System.Globalization;
using System.Reflection;
using System.Text;

namespace Mesh.Sidecar.Options;

/// <summary>What the command line asks for: options to run with, a text to print, or a mistake. Exactly one is set.</summary>
/// <param name="Options">Run with these.</param>
/// <param name="Output">Print this and end with 0.</param>
/// <param name="Error">Print this one line and end with 2.</param>
internal sealed record CommandLineResult(SidecarOptions? Options, string? Output, string? Error);

/// <summary>Reads the command line; what is not given there comes from the environment, then from the defaults.</summary>
internal static class CommandLine
{
    /// <summary>Version of this build, as <c>--version</c> prints it.</summary>
    public static string Version { get; } =
        typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";

    /// <summary>Reads <paramref name="arguments"/>.</summary>
    /// <param name="arguments">Arguments of the process.</param>
    /// <param name="environment">Looks a variable up; null when it is not set.</param>
    public static CommandLineResult Read(IReadOnlyList<string> arguments, Func<string, string?> environment)
    {
        if (arguments.Any(static a => a is "--help" or "-h"))
        {
            return new CommandLineResult(null, Help(), null);
        }

        if (arguments.Contains("--version"))
        {
            return new CommandLineResult(null, $"mesh-sidecar {Version}\n", null);
        }

        if (arguments.Count == 0 || arguments[0] != "run")
        {
            string found = arguments.Count == 0 ? "no command" : $"'{arguments[0]}' is not a command";
            return Wrong($"{found}; write 'run', or --help for all options");
        }

        Dictionary<string, string> given = [];
        if (Collect(arguments, given) is { } mistake)
        {
            return Wrong(mistake);
        }

        SidecarOptions options = new();
        foreach (OptionRow row in OptionRows.All)
        {
            bool isGiven = given.TryGetValue(row.Name, out string? value);
            value ??= environment(row.Variable);
            if (value is null)
            {
                continue;
            }

            Taken taken = value.Length == 0 ? Taken.Wrong(row.Value) : row.Take(options, value);
            if (taken.Options is null)
            {
                return Wrong($"{(isGiven ? row.Name : row.Variable)}: '{value}' is not right; write {taken.Expected}");
            }

            options = taken.Options;
        }

        return Complete(options);
    }

    private static string? Collect(IReadOnlyList<string> arguments, Dictionary<string, string> given)
    {
        for (int i = 1; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            OptionRow? row = OptionRows.All.FirstOrDefault(r => r.Name == name);
            if (row is null)
            {
                return name.StartsWith('-')
                    ? $"{name}: there is no such option; {Nearest(name)}--help shows all"
                    : $"'{argument}' stands alone; every value follows its option, --help shows all";
            }

            if (equals < 0 && (i + 1 == arguments.Count || arguments[i + 1].StartsWith("--", StringComparison.Ordinal)))
            {
                return $"{name}: its value is missing; write {name} {row.Value}";
            }

            if (!given.TryAdd(name, equals < 0 ? arguments[++i] : argument[(equals + 1)..]))
            {
                return $"{name}: given twice; write it once";
            }
        }

        return null;
    }

    private static CommandLineResult Complete(SidecarOptions options)
    {
        if (options.ControlPlane is null == options.Rules is null)
        {
            return Wrong(options.Rules is null
                ? "--control-plane: missing; write --control-plane URL, or --rules FILE_OR_DIR to run without one"
                : "--rules: cannot stand beside --control-plane; write one of them");
        }

        if (options.ControlPlane is not null && (options.Service == "unknown" || options.App.Length == 0))
        {
            string missing = options.Service == "unknown" ? "--service" : "--app";
            return Wrong($"{missing}: missing; write {missing} {OptionRows.All.First(r => r.Name == missing).Value}");
        }

        if (options.Rules is { } rules && !File.Exists(rules) && !Directory.Exists(rules))
        {
            return Wrong($"--rules: '{rules}' does not exist; write a file or a folder of YAML files");
        }

        int appPort = options.App.Length == 0 ? 0 : int.Parse(options.App[(options.App.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture);
        bool hasVersion = options.Version != "latest";
        return new CommandLineResult(
            options with
            {
                ServicePort = options.ServicePort == 0 ? appPort : options.ServicePort,
                Version = hasVersion ? options.Version : options.Labels.GetValueOrDefault("version", "latest"),
                Labels = hasVersion && !options.Labels.ContainsKey("version") ? options.Labels.Add("version", options.Version) : options.Labels,
            },
            null,
            null);
    }

    private static string Nearest(string name)
    {
        OptionRow? near = OptionRows.All.MinBy(r => Distance(r.Name, name));
        return near is not null && Distance(near.Name, name) <= 2 ? $"did you mean {near.Name}? " : "";
    }

    /// <summary>Edits (insert, delete, replace) that turn one text into the other.</summary>
    private static int Distance(string left, string right)
    {
        int[] row = [.. Enumerable.Range(0, right.Length + 1)];
        for (int i = 1; i <= left.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int replace = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replace, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }

    private static string Help()
    {
        StringBuilder text = new();
        text.Append("Mesh sidecar: carries the calls of one application, within the limits of its rules.\n\n");
        text.Append("  run --service NAME --app HOST:PORT --control-plane URL [options]\n");
        text.Append("  run --rules FILE_OR_DIR [options]\n\n");
        foreach (OptionRow row in OptionRows.All)
        {
            string head = $"  {row.Name} {row.Value}";
            text.Append(head.PadRight(38)).Append(head.Length >= 38 ? " " : "").Append(row.Help).Append('\n');
        }

        text.Append("  --help, --version\n\n");
        text.Append("Each option can be written --option=value and has an environment variable, such as MESH_CONTROL_PLANE.\n");
        return text.Append("Port 0 lets the system choose; every bound address is printed.\n").ToString();
    }

    private static CommandLineResult Wrong(string message) => new(null, null, message);
}
