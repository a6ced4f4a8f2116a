using Mesh.Cli.Asking;
using Mesh.Cli.Breakers;
using Mesh.Cli.Checking;
using Mesh.Cli.Explaining;
using Mesh.Cli.Injecting;
using Mesh.Cli.Reports;
using Mesh.Cli.Shadows;
using Mesh.Cli.Status;

namespace Mesh.Cli;

/// <summary>The program without its process: arguments and streams in, exit code out.</summary>
internal static class Application
{
    /// <summary>Exit code: no errors; warnings are allowed.</summary>
    public const int Good = 0;

    /// <summary>Exit code: a rule would be refused.</summary>
    public const int Refused = 1;

    /// <summary>Exit code: options, and files that they name.</summary>
    public const int WrongUsage = 2;

    /// <summary>Does what <paramref name="arguments"/> ask for.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="input">Standard input.</param>
    /// <param name="output">What was asked for.</param>
    /// <param name="error">What else is to be said.</param>
    /// <param name="http">Carries requests to sidecars and control planes; null goes straight to them.</param>
    public static int Run(IReadOnlyList<string> arguments, TextReader input, TextWriter output, TextWriter error, HttpMessageHandler? http = null)
    {
        CommandLineResult line = CommandLine.Read(arguments);
        if (line.Inject is { } inject)
        {
            return InjectCommand.Run(inject, input, output, error);
        }

        if (line.Explain is { } explain)
        {
            using SocketsHttpHandler direct = new() { UseProxy = false };
            return ExplainCommand.Run(explain, input, output, error, http ?? direct);
        }

        if (line.Breaker is { } breaker)
        {
            return At(breaker.ControlPlane, controlPlane => BreakerCommand.Run(breaker, controlPlane, output, error));
        }

        if (line.Status is { } status)
        {
            return At(status.ControlPlane, controlPlane => StatusCommand.Run(status, controlPlane, output, error));
        }

        if (line.Shadow is { } shadow)
        {
            using SocketsHttpHandler direct = new() { UseProxy = false };
            return ShadowCommand.Run(shadow, output, error, http ?? direct);
        }

        if (line.Options is not { } options)
        {
            output.Write(line.Output);
            return line.Error is null ? Good : Fail(line.Error);
        }

        (IReadOnlyList<RuleText> texts, string? problem) = RuleFiles.Read(options.Sources, input);
        if (problem is not null)
        {
            return Fail(problem);
        }

        Report report = Checker.Check(texts);
        output.Write(options.Format switch
        {
            OutputFormat.Json => JsonReport.Write(report),
            OutputFormat.Sarif => SarifReport.Write(report, CommandLine.Version),
            _ => TextReport.Write(report),
        });
        return report.Errors > 0 ? Refused : Good;

        int At(ControlPlaneOptions where, Func<ControlPlane, int> run)
        {
            (SocketsHttpHandler? direct, string? problem) = ControlPlane.HandlerFor(where);
            using (direct)
            {
                (ControlPlane? opened, problem) = direct is null ? (null, problem) : ControlPlane.Open(where, http ?? direct);
                using (opened)
                {
                    return opened is null ? Fail(problem!) : run(opened);
                }
            }
        }

        int Fail(string message)
        {
            error.WriteLine($"meshctl: {message}");
            return WrongUsage;
        }
    }
}
