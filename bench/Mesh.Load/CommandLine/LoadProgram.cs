using System.Reflection;
using System.Runtime.InteropServices;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Load.CommandLine;

/// <summary>The command <c>mesh-load</c>.</summary>
internal static class LoadProgram
{
    /// <summary>Runs to the end, or to Ctrl-C, and prints the report. Returns the exit code: 0, 1 when the JSON cannot be written, 2 for wrong options.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors, TimeProvider time, Random random)
    {
        if (args is ["--help" or "-h"])
        {
            await output.WriteLineAsync(CommandParser.Usage);
            return 0;
        }

        if (args is ["--version" or "-V"])
        {
            await output.WriteLineAsync($"mesh-load {Assembly.GetExecutingAssembly().GetName().Version?.ToString(3)}");
            return 0;
        }

        if (CommandParser.Parse(args, out string error) is not { } command)
        {
            await errors.WriteLineAsync($"mesh-load: {error}");
            return 2;
        }

        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = OnSignal(PosixSignal.SIGINT, stop);
        using PosixSignalRegistration terminate = OnSignal(PosixSignal.SIGTERM, stop);
        TextWriter lines = TextWriter.Synchronized(output);
        LoadOptions options = command.Options;
        LoadRun run = new(options, time, random)
        {
            OnSample = command.IsVerbose ? sample => lines.WriteLine(SiegeText.Line(sample, options)) : null,
        };
        LoadReport report = await run.RunAsync(stop.Token);
        await lines.WriteAsync(SiegeText.Summary(report) + "\n" + SiegeText.Details(report));
        return command.JsonFile is null || TryWriteJson(command.JsonFile, report, errors) ? 0 : 1;
    }

    private static PosixSignalRegistration OnSignal(PosixSignal signal, CancellationTokenSource stop) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        stop.Cancel();
    });

    private static bool TryWriteJson(string path, LoadReport report, TextWriter errors)
    {
        try
        {
            using FileStream file = File.Create(path);
            JsonReport.Write(report, file);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.WriteLine($"mesh-load: cannot write {path}: {e.Message}");
            return false;
        }
    }
}
