using System.Globalization;
using System.Reflection;
using System.Text;

namespace Mesh.Sidecar.Options;

/// <summary>What the command line asks for: options of a command, a text to print, or a mistake. Exactly one is set.</summary>
/// <param name="Options">Run with these.</param>
/// <param name="Output">Print this and end with 0.</param>
/// <param name="Error">Print this one line and end with 2.</param>
internal sealed record CommandLineResult(SidecarOptions? Options, string? Output, string? Error)
{
    /// <summary>Run <c>init</c> with these.</summary>
    public InitOptions? Init { get; init; }

    /// <summary>Run <c>wait</c> or <c>drain</c> with these.</summary>
    public HookOptions? Hook { get; init; }
}

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

        if (arguments.Count == 0 || arguments[0] is not ("run" or "init" or "wait" or "drain"))
        {
            string found = arguments.Count == 0 ? "no command" : $"'{arguments[0]}' is not a command";
            return Wrong($"{found}; write 'run', 'init', 'wait', 'drain', or --help for all options");
        }

        if (arguments[0] == "init")
        {
            return OptionReader.Read(arguments, InitOptionRows.All, new InitOptions(), environment, out string? wrong) is { } init
                ? new CommandLineResult(null, null, null) { Init = init } : Wrong(wrong!);
        }

        if (arguments[0] is "wait" or "drain")
        {
            return OptionReader.Read(arguments, HookOptions.Rows, arguments[0] == "wait" ? HookOptions.Wait : HookOptions.Drain, environment, out string? misread) is { } hook
                ? new CommandLineResult(null, null, null) { Hook = hook } : Wrong(misread!);
        }

        SidecarOptions? options = OptionReader.Read(arguments, OptionRows.All, new SidecarOptions(), environment, out string? mistake);
        if (options?.Pod is not null)
        {
            options = OptionReader.Read(arguments, OptionRows.All, SidecarOptions.InPod, environment, out mistake); // what is given goes before what a pod implies
        }

        return options is null ? Wrong(mistake!) : Complete(options);
    }

    private static CommandLineResult Complete(SidecarOptions options)
    {
        if (options.ControlPlane.IsEmpty == options.Rules is null)
        {
            return Wrong(options.Rules is null
                ? "--control-plane: missing; write --control-plane URL, or --rules FILE_OR_DIR to run without one"
                : "--rules: cannot stand beside --control-plane; write one of them");
        }

        if (options.ControlPlaneToken is not null && options.ControlPlane.FirstOrDefault(static url => url is { Scheme: "http", IsLoopback: false }) is { } plain)
        {
            return Wrong($"--control-plane-token: would be sent to {plain.Authority} for all to read; write --control-plane https://{plain.Authority}");
        }

        if (options.Pod is not null)
        {
            return PodMistake(options) is { } mistake ? Wrong(mistake) : CompleteVersion(InPod(options));
        }

        if (!options.ControlPlane.IsEmpty && (options.Service == "unknown" || options.App.Length == 0))
        {
            string missing = options.Service == "unknown" ? "--service" : "--app";
            return Wrong($"{missing}: missing; write {missing} {OptionRows.All.First(r => r.Name == missing).Value}");
        }

        if (options.Rules is { } rules && !File.Exists(rules) && !Directory.Exists(rules))
        {
            return Wrong($"--rules: '{rules}' does not exist; write a file or a folder of YAML files");
        }

        int appPort = options.App.Length == 0 ? 0 : int.Parse(options.App[(options.App.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture);
        return CompleteVersion(options with { ServicePort = options.ServicePort == 0 ? appPort : options.ServicePort });
    }

    private static string? PodMistake(SidecarOptions options) =>
        options.Service.Length > 0 ? "--service: cannot stand beside --pod, which finds the services of the pod by its addresses; write one of them"
        : options.App.Length > 0 ? "--app: cannot stand beside --pod, which goes by the port that a caller dialled; write one of them"
        : options.Advertise is not null ? "--advertise: cannot stand beside --pod: peers dial the pod itself; leave it out"
        : options.PodIps.IsEmpty && options.AppAddress is null ? "--pod-ips: missing; write --pod-ips IPS, or give POD_IPS or POD_IP in the environment (status.podIPs)"
        : null;

    private static SidecarOptions InPod(SidecarOptions options) => options with
    {
        PodIps = options.PodIps.IsEmpty ? [options.AppAddress!] : options.PodIps,
        AppAddress = options.AppAddress ?? options.PodIps[0],
        Workload = options.Pod,
    };

    private static CommandLineResult CompleteVersion(SidecarOptions options)
    {
        bool hasVersion = options.Version != "latest";
        return new CommandLineResult(
            options with
            {
                Version = hasVersion ? options.Version : options.Labels.GetValueOrDefault("version", "latest"),
                Labels = hasVersion && !options.Labels.ContainsKey("version") ? options.Labels.Add("version", options.Version) : options.Labels,
            },
            null,
            null);
    }

    private static string Help()
    {
        StringBuilder text = new();
        text.Append("Mesh sidecar: carries the calls of one application, within the limits of its rules.\n\n");
        text.Append("  run --service NAME --app HOST:PORT --control-plane URL [options]\n");
        text.Append("  run --pod NAME.NAMESPACE --control-plane URL [options]\n");
        text.Append("  run --rules FILE_OR_DIR [options]\n\n");
        OptionReader.AddHelp(text, OptionRows.All);
        text.Append("  --help, --version\n\n");
        text.Append("  init [options]: leads the traffic of a pod through its sidecar (iptables; needs NET_ADMIN and NET_RAW)\n\n");
        OptionReader.AddHelp(text, InitOptionRows.All);
        text.Append("\n  wait [options]: ends when the sidecar beside it is ready (postStart hook)\n");
        text.Append("  drain [options]: tells the sidecar beside it that its pod ends (preStop hook)\n\n");
        OptionReader.AddHelp(text, HookOptions.Rows);
        text.Append('\n');
        text.Append("Each option can be written --option=value and has an environment variable, such as MESH_CONTROL_PLANE.\n");
        return text.Append("Port 0 lets the system choose; every bound address is printed.\n").ToString();
    }

    private static CommandLineResult Wrong(string message) => new(null, null, message);
}
