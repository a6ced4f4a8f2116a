using System.Net;
using System.Reflection;
using System.Text;

namespace Mesh.ControlPlane.Hosting;

/// <summary>What the command line asks for. Exactly one is set.</summary>
/// <param name="Options">Serve with these.</param>
/// <param name="Output">Print this and end with 0.</param>
/// <param name="Error">Print this one line on standard error and end with 2.</param>
internal sealed record CommandLineResult(ServeOptions? Options, string? Output, string? Error);

/// <summary>Reads the command line, then the environment, then takes the defaults.</summary>
internal static class CommandLine
{
    /// <summary>Version of this build.</summary>
    public static string Version { get; } =
        typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";

    /// <summary>Reads <paramref name="arguments"/>.</summary>
    /// <param name="arguments">Arguments of the process.</param>
    /// <param name="environment">Value of a variable, or null.</param>
    public static CommandLineResult Read(IReadOnlyList<string> arguments, Func<string, string?> environment)
    {
        if (arguments.Any(static a => a is "--help" or "-h"))
        {
            return new CommandLineResult(null, Help(), null);
        }

        if (arguments.Contains("--version"))
        {
            return new CommandLineResult(null, $"mesh-control-plane {Version}\n", null);
        }

        if (arguments is not ["serve", ..])
        {
            string found = arguments.Count == 0 ? "no command is given" : $"'{arguments[0]}' is no command";
            return Wrong($"{found}; write 'serve', or --help for the options");
        }

        Dictionary<string, string> given = new(StringComparer.Ordinal);
        if (Collect(arguments, given) is { } mistake)
        {
            return Wrong(mistake);
        }

        ServeOptions options = new();
        foreach (OptionRow row in OptionRow.All)
        {
            bool isGiven = given.TryGetValue(row.Name, out string? value);
            value ??= environment(row.Variable);
            if (value is null)
            {
                continue;
            }

            if (value.Length == 0 || row.Take(options, value) is not { } taken)
            {
                string example = row.Value == "IP:PORT" ? ", for example 127.0.0.1:15010 or [::1]:0" : "";
                return Wrong($"{(isGiven ? row.Name : row.Variable)}: '{value}' is not right; write {(row.Value.Length > 0 ? row.Value : "true or false")}{example}");
            }

            options = taken;
        }

        return (Guarded(options) ?? Clustered(options) ?? Named(options, given.ContainsKey, environment)) is { } missing ? Wrong(missing) : new CommandLineResult(Complete(options, environment), null, null);
    }

    private static string? Collect(IReadOnlyList<string> arguments, Dictionary<string, string> given)
    {
        for (int i = 1; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            if (OptionRow.All.FirstOrDefault(r => r.Name == name) is not { } row)
            {
                return $"{name}: there is no such option; 'serve' knows {string.Join(", ", OptionRow.All.Select(static r => r.Name))}";
            }

            bool isSwitch = row.Value.Length == 0;
            if (equals < 0 && !isSwitch && (i + 1 == arguments.Count || arguments[i + 1].StartsWith("--", StringComparison.Ordinal)))
            {
                return $"{name}: its value is missing; write {name} {row.Value}";
            }

            if (!given.TryAdd(name, equals >= 0 ? argument[(equals + 1)..] : isSwitch ? "true" : arguments[++i]))
            {
                return $"{name}: given twice; write it once";
            }
        }

        return null;
    }

    /// <summary>
    /// All three or none; and all three on any address that others can reach. A cluster brings what is missing: it keeps our own certificate, and judges tokens.
    /// </summary>
    private static string? Guarded(ServeOptions options)
    {
        if (options.HasOwnCertificate && options.TlsKey is null)
        {
            return null;
        }

        bool isNoneGiven = (options.TlsCert ?? options.TlsKey ?? options.TokenFile) is null;
        List<string> missing = [];
        if (options.TlsCert is null)
        {
            missing.Add("--tls-cert FILE");
        }

        if (options.TlsKey is null)
        {
            missing.Add("--tls-key FILE");
        }

        if (options.TokenFile is null && (isNoneGiven || !options.Kubernetes))
        {
            missing.Add("--token-file FILE");
        }

        return missing.Count == 0 || (missing.Count == 3 && IPAddress.IsLoopback(options.Listen.Address)) ? null
            : missing.Count < 3 ? $"{missing[0].Split(' ')[0]}: missing; TLS and token go together, add {string.Join(" ", missing)}"
            : $"--listen: {options.Listen} can be reached from other machines; add {string.Join(" ", missing)}, or listen on 127.0.0.1";
    }

    /// <summary>What goes only with a cluster, and what only without.</summary>
    private static string? Clustered(ServeOptions options) =>
        options.Kubernetes && options.Data.Length > 0 ? "--data: with --kubernetes the rules live in the cluster; leave --data out"
        : !options.Kubernetes && (options.KubeConfig ?? options.Context ?? options.LeaseNamespace) is not null
            ? $"{(options.KubeConfig is not null ? "--kubeconfig" : options.Context is not null ? "--context" : "--lease-namespace")}: means nothing without --kubernetes; add --kubernetes"
        : !options.Kubernetes && (options.ReplicaAddress is not null || options.ReplicaToken is not null)
            ? $"{(options.ReplicaAddress is not null ? "--replica-address" : "--replica-token")}: means nothing without --kubernetes; add --kubernetes"
        : options.TlsCa is not null && (!options.Kubernetes || options.TlsCert is null)
            ? "--tls-ca: means nothing without --kubernetes and --tls-cert; leave it out, or add them"
        : null;

    /// <summary>Our own certificate needs the name by which sidecars call us; with webhooks the default is as good as it was.</summary>
    private static string? Named(ServeOptions options, Func<string, bool> isGiven, Func<string, string?> environment)
    {
        OptionRow row = OptionRow.All.First(static r => r.Name == "--webhook-service");
        return options.HasOwnCertificate && options.WebhookListen is null && !isGiven(row.Name) && environment(row.Variable) is null
            ? $"{row.Name}: missing; the certificate that {options.Listen} shows is made for the Service in front of it, add {row.Name} {row.Value}"
            : null;
    }

    private static ServeOptions Complete(ServeOptions options, Func<string, string?> environment) => options with
    {
        MetricsListen = options.MetricsListen ?? new IPEndPoint(IPAddress.Loopback, options.Listen.Port == 0 ? 0 : 15014),
        Data = Path.GetFullPath(options.Data.Length > 0 ? options.Data : DefaultData(environment)),
    };

    private static string DefaultData(Func<string, string?> environment) =>
        environment("XDG_STATE_HOME") is { Length: > 0 } state ? Path.Combine(state, "mesh")
        : environment("HOME") is { Length: > 0 } home ? Path.Combine(home, ".local", "state", "mesh")
        : "mesh-data";

    private static string Help()
    {
        StringBuilder text = new();
        text.Append("Mesh control plane: takes rules through a Kubernetes-style API and pushes them to the sidecars.\n\n  serve [options]\n\n");
        foreach (OptionRow row in OptionRow.All)
        {
            text.Append($"  {row.Name} {row.Value}".PadRight(28)).Append(row.Help).Append('\n');
        }

        text.Append("  --help, --version\n\n");
        text.Append("Each option can be written --option=value and has an environment variable, such as MESH_LISTEN.\n");
        return text.Append("Port 0 lets the system choose; every bound address is printed.\n").ToString();
    }

    private static CommandLineResult Wrong(string message) => new(null, null, message);
}
