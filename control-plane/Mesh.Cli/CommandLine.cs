using System.Reflection;
using Mesh.Cli.Breakers;
using Mesh.Cli.Explaining;
using Mesh.Cli.Injecting;
using Mesh.Cli.Shadows;
using Mesh.Cli.Status;

namespace Mesh.Cli;

/// <summary>How the findings are printed.</summary>
internal enum OutputFormat
{
    /// <summary>A line each, as compilers write them.</summary>
    Text,

    /// <summary>One JSON object.</summary>
    Json,

    /// <summary>SARIF 2.1.0, which code hosts show beside the line.</summary>
    Sarif,
}

/// <summary>What <c>validate</c> is asked for.</summary>
/// <param name="Sources">Files, folders, or <c>-</c> for standard input; at least one.</param>
/// <param name="Format">How to print.</param>
internal sealed record ValidateOptions(IReadOnlyList<string> Sources, OutputFormat Format);

/// <summary>What the command line asks for. Exactly one is set.</summary>
/// <param name="Options">Validate these.</param>
/// <param name="Output">Print this and end with 0.</param>
/// <param name="Error">Print this one line on standard error and end with 2.</param>
internal sealed record CommandLineResult(ValidateOptions? Options, string? Output, string? Error)
{
    /// <summary>Inject these.</summary>
    public InjectOptions? Inject { get; init; }

    /// <summary>Explain this.</summary>
    public ExplainOptions? Explain { get; init; }

    /// <summary>Show or decide these circuits.</summary>
    public BreakerOptions? Breaker { get; init; }

    /// <summary>Show the sidecars.</summary>
    public StatusOptions? Status { get; init; }

    /// <summary>Show what shadow mode has counted.</summary>
    public ShadowOptions? Shadow { get; init; }
}

/// <summary>Reads the command line. Pure.</summary>
internal static class CommandLine
{
    private const string Help = """
        meshctl: checks the rules of the mesh, says what they did to a request, and adds the sidecar to workloads.

          validate FILE_OR_DIR... [-o text|json|sarif]
          inject -f FILE_OR_DIR... [settings]
          explain REQUEST-ID | host NAME | rule KIND/NAMESPACE/NAME [--admin URL[,URL...]] [-f FILE_OR_DIR...] [-o text|json]
          breaker list [HOST] | open|close|disable HOST --for TIME --reason TEXT | auto HOST [--control-plane URL] [-o text|json]
          status [--control-plane URL] [-o text|json]
          shadow [--admin URL[,URL...]] [-o text|json]

        validate reads YAML and JSON, many documents a file, folders with all below them (.yaml, .yml, .json), and - for standard input.
        Every rule is checked by itself and among the others given. Kinds that are not the mesh's are skipped with a note.

          -o, --output FORMAT   text (default): file:line:column, a line each; json; sarif (2.1.0)

        inject adds the sidecar to Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs and Pods, as the webhook does, and writes
        everything to standard output: kubectl apply -f <(meshctl inject -f app.yaml). What has no pods is written as it was.

          -f, --filename FILE_OR_DIR   YAML or JSON, a folder with all below it, or - for standard input; may be repeated
          -n, --namespace NAME         namespace of objects that name none (default)
          --settings FILE              the operator's settings, as the control plane has them
          --image IMAGE                image of the sidecar
          --control-plane URL          where the sidecars find the control plane
          --revision NAME              revision written into the pods (default)
          --native-sidecar VALUE       auto (default), true or false: an init container that restarts always, or an ordinary container
          --kubernetes-version 1.MINOR version of the cluster, which decides auto; not given: a current one

        explain says what became of a request (x-request-id of the refusal), what is in force for a host and by which rule, or what a rule does and to whom.
        A rule given with -f alone is explained from its file; everything else asks sidecars.

          --admin URL[,URL...]         admin ports of sidecars to ask (http://127.0.0.1:15000); may be repeated
          -f, --filename FILE_OR_DIR   rules, for the file and line of each field; may be repeated
          -o, --output FORMAT          text (default) or json

        breaker shows the circuits that all callers share (CircuitBreaker with scope: mesh), or decides about those of a host by hand: open refuses every call,
        close lets every call pass and counts, disable lets every call pass, auto goes by what happens again. status shows the sidecars and the rules each has in force.

          --for TIME                   how long the decision holds, such as 10m; then what happens decides again
          --reason TEXT                why, for whoever finds the circuit so
          --control-plane URL          where to ask (http://127.0.0.1:15010)
          --control-plane-token FILE   file with the token to show it; over https, or on this machine
          --control-plane-ca FILE      PEM file of the only roots to trust for it; default: the system's
          --control-plane-name NAME    name that its certificate must have, where the address has another (kubectl port-forward)
        shadow says what rules in shadow mode would have done so far: field by field how often, the most that was seen of what it limits, and when last.
        Its options are those of explain.

          --help, --version

        Ends with 0 when there is no error (warnings are allowed), 1 when a rule would be refused, a workload cannot be injected, nothing is known of what is asked
        for, or nobody answers, 2 for wrong usage.

        """;

    /// <summary>Version of this build.</summary>
    public static string Version { get; } =
        typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";

    /// <summary>Reads <paramref name="arguments"/>.</summary>
    public static CommandLineResult Read(IReadOnlyList<string> arguments)
    {
        if (arguments.Any(static a => a is "--help" or "-h"))
        {
            return new CommandLineResult(null, Help, null);
        }

        if (arguments.Contains("--version"))
        {
            return new CommandLineResult(null, $"meshctl {Version}\n", null);
        }

        if (arguments is ["inject", ..])
        {
            (InjectOptions? inject, string? problem) = InjectOptions.Read([.. arguments.Skip(1)]);
            return new CommandLineResult(null, null, problem) { Inject = inject };
        }

        if (arguments is ["explain", ..])
        {
            (ExplainOptions? explain, string? wrong) = ExplainOptions.Read([.. arguments.Skip(1)]);
            return new CommandLineResult(null, null, wrong) { Explain = explain };
        }

        if (arguments is ["breaker", ..])
        {
            (BreakerOptions? breaker, string? wrong) = BreakerOptions.Read([.. arguments.Skip(1)]);
            return new CommandLineResult(null, null, wrong) { Breaker = breaker };
        }

        if (arguments is ["status", ..])
        {
            (StatusOptions? status, string? wrong) = StatusOptions.Read([.. arguments.Skip(1)]);
            return new CommandLineResult(null, null, wrong) { Status = status };
        }

        if (arguments is ["shadow", ..])
        {
            (ShadowOptions? shadow, string? fault) = ShadowOptions.Read([.. arguments.Skip(1)]);
            return new CommandLineResult(null, null, fault) { Shadow = shadow };
        }

        if (arguments is not ["validate", ..])
        {
            string found = arguments.Count == 0 ? "no command is given" : $"'{arguments[0]}' is no command";
            return Wrong($"{found}; write 'validate FILE_OR_DIR', 'inject -f FILE', 'explain REQUEST-ID', 'breaker list', 'status', 'shadow', or --help");
        }

        return Validate([.. arguments.Skip(1)]);
    }

    private static CommandLineResult Validate(IReadOnlyList<string> arguments)
    {
        List<string> sources = [];
        OutputFormat? format = null;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument == "-" || !argument.StartsWith('-'))
            {
                sources.Add(argument);
                continue;
            }

            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            if (name is not ("-o" or "--output"))
            {
                return Wrong($"{name}: there is no such option; 'validate' knows -o, --output");
            }

            string? value = equals >= 0 ? argument[(equals + 1)..] : i + 1 < arguments.Count ? arguments[++i] : null;
            if (FormatOf(value) is not { } known)
            {
                return Wrong($"{name}: '{value}' is no format; write {name} text, json or sarif");
            }

            if (format is not null)
            {
                return Wrong($"{name}: given twice; write it once");
            }

            format = known;
        }

        return sources.Count == 0
            ? Wrong("validate: nothing to read; name a file, a folder, or - for standard input")
            : new CommandLineResult(new ValidateOptions(sources, format ?? OutputFormat.Text), null, null);
    }

    private static OutputFormat? FormatOf(string? text) => text switch
    {
        "text" => OutputFormat.Text,
        "json" => OutputFormat.Json,
        "sarif" => OutputFormat.Sarif,
        _ => null,
    };

    private static CommandLineResult Wrong(string message) => new(null, null, message);
}
