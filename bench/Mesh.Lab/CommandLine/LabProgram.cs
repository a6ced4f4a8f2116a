using System.Reflection;
using System.Runtime.InteropServices;
using Mesh.Lab.Checks;
using Mesh.Lab.Output;
using Mesh.Lab.Phases;
using Mesh.Lab.Processes;
using Mesh.Lab.Scenarios;

namespace Mesh.Lab.CommandLine;

/// <summary>The command <c>mesh-lab</c>.</summary>
internal static class LabProgram
{
    /// <summary>Runs the lab. Returns the exit code: 0 when every check holds, 1 when not, 2 for wrong options.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors, TimeProvider time, Random random)
    {
        if (args is ["--help" or "-h"])
        {
            await output.WriteLineAsync(LabOptions.Usage);
            return 0;
        }

        if (args is ["--version"])
        {
            await output.WriteLineAsync($"mesh-lab {Assembly.GetExecutingAssembly().GetName().Version?.ToString(3)}");
            return 0;
        }

        if (LabOptions.Parse(args, out string error) is not { } options)
        {
            await errors.WriteLineAsync($"mesh-lab: {error}");
            return 2;
        }

        if (options.RuleFile is { } rule && !File.Exists(rule))
        {
            await errors.WriteLineAsync($"mesh-lab: --rule: there is no file '{rule}'");
            return 2;
        }

        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = OnSignal(PosixSignal.SIGINT, stop);
        using PosixSignalRegistration terminate = OnSignal(PosixSignal.SIGTERM, stop);
        return await RunAsync(options, output, errors, time, random, stop.Token);
    }

    private static PosixSignalRegistration OnSignal(PosixSignal signal, CancellationTokenSource stop) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        stop.Cancel();
    });

    private static async Task<int> RunAsync(LabOptions options, TextWriter output, TextWriter errors, TimeProvider time, Random random, CancellationToken stop)
    {
        long start = time.GetTimestamp();
        string folder = Directory.CreateTempSubdirectory("mesh-lab-").FullName;
        List<PhaseResult> results = [];
        bool passed = false;
        try
        {
            bool all = true;
            foreach ((string name, ILabScenario lab) in options.ToScenarios())
            {
                await output.WriteLineAsync(lab.Starting);
                await using IRunningScenario running = await lab.StartAsync(time, random, Directory.CreateDirectory(Path.Combine(folder, name)).FullName, stop);
                all &= await RunPhasesAsync(running, results, output, stop);
                if (options.Keep)
                {
                    await KeepAsync(running, folder, time, output, stop);
                }
            }

            passed = all;
        }
        catch (LabException e)
        {
            await errors.WriteLineAsync($"mesh-lab: {e.Message}");
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await errors.WriteLineAsync("mesh-lab: interrupted");
        }

        TimeSpan elapsed = time.GetElapsedTime(start);
        bool written = options.JsonFile is null || TryWriteJson(options.JsonFile, results, passed, elapsed, errors);
        int checks = results.Sum(static r => r.Checks.Count);
        int failed = results.Sum(static r => r.Checks.Count(static c => !c.Passed));
        await output.WriteLineAsync($"\n{(passed ? "PASSED" : "FAILED")}: {checks - failed} checks hold, {failed} do not, {elapsed.TotalSeconds:F0} s");
        if (passed)
        {
            Directory.Delete(folder, recursive: true);
        }
        else
        {
            await output.WriteLineAsync($"Logs of every process: {folder}");
        }

        return passed && written ? 0 : 1;
    }

    // A phase that cannot go on ends the lab: the later ones build on the earlier.
    private static async Task<bool> RunPhasesAsync(IRunningScenario running, List<PhaseResult> results, TextWriter output, CancellationToken stop)
    {
        foreach (BoundPhase phase in running.Phases)
        {
            PhaseResult result = new(phase.Name, phase.Title);
            results.Add(result);
            bool mayGoOn = await RunPhaseAsync(phase, running, result, stop);
            await output.WriteAsync(PhaseText.Of(result, results.Count));
            await output.FlushAsync(stop);
            if (!mayGoOn)
            {
                return false;
            }
        }

        return results.All(static r => r.Passed);
    }

    private static async Task<bool> RunPhaseAsync(BoundPhase phase, IRunningScenario running, PhaseResult result, CancellationToken stop)
    {
        try
        {
            await phase.RunAsync(result, stop);
            result.Checks.Add(LabCheck.Equal("processes that ended by themselves", 0, running.Ended().Count()));
            return true;
        }
        catch (Exception e) when (e is LabException or HttpRequestException or FormatException or System.Text.Json.JsonException
            || (e is OperationCanceledException && !stop.IsCancellationRequested))
        {
            string ended = string.Join(", ", running.Ended());
            result.Checks.Add(new LabCheck("the phase runs to its end", false, "yes", ended.Length == 0 ? e.Message : $"{e.Message} (ended by itself: {ended})"));
            return false;
        }
    }

    private static async Task KeepAsync(IRunningScenario running, string folder, TimeProvider time, TextWriter output, CancellationToken stop)
    {
        await output.WriteLineAsync($"\nLeft running until Ctrl-C; logs in {folder}");
        foreach (string address in running.Addresses)
        {
            await output.WriteLineAsync($"  {address}");
        }

        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, time, stop);
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C is how it ends.
        }
    }

    private static bool TryWriteJson(string path, List<PhaseResult> results, bool passed, TimeSpan elapsed, TextWriter errors)
    {
        try
        {
            using FileStream file = File.Create(path);
            LabJson.Write(results, passed, elapsed, file);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.WriteLine($"mesh-lab: cannot write {path}: {e.Message}");
            return false;
        }
    }
}
