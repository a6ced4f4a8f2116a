using Mesh.Cli.Checking;
using Mesh.Cli.Injecting;
using Mesh.Cli.Reports;

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
    public static int Run(IReadOnlyList<string> arguments, TextReader input, TextWriter output, TextWriter error)
    {
        CommandLineResult line = CommandLine.Read(arguments);
        if (line.Inject is { } inject)
        {
            return InjectCommand.Run(inject, input, output, error);
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

        int Fail(string message)
        {
            error.WriteLine($"meshctl: {message}");
            return WrongUsage;
        }
    }
}
