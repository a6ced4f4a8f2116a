using System.Globalization;
using Mesh.Lab.Processes;
using Mesh.Streams.Measuring;
using Mesh.Streams.World;

namespace Mesh.Streams;

/// <summary>One control plane, many services, many sidecars: what a change costs, and what it costs when all come back at once. Times are shown; counts are checked.</summary>
internal static class StreamsProgram
{
    /// <summary>Exit code: 0 when every check holds, 1 when not, 2 for a wrong option.</summary>
    public static async Task<int> RunAsync(string[] args, TimeProvider time, Random random)
    {
        if (StreamsOptions.Parse(args) is not { } options)
        {
            await Console.Error.WriteLineAsync(StreamsOptions.Usage);
            return 2;
        }

        string folder = Directory.CreateTempSubdirectory("mesh-streams-").FullName;
        Report report = new(Console.Out);
        try
        {
            await MeasureAsync(options, folder, (time, random), report);
        }
        catch (Exception error) when (error is LabException or TimeoutException)
        {
            report.Check(error.Message, false);
        }

        if (report.IsGood && !options.Keep)
        {
            Directory.Delete(folder, recursive: true);
        }
        else
        {
            Console.WriteLine($"log of the control plane: {folder}");
        }

        return report.IsGood ? 0 : 1;
    }

    private static async Task MeasureAsync(StreamsOptions options, string folder, (TimeProvider Time, Random Random) runtime, Report report)
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{options.Streams} sidecars, {options.Services} services of {options.Endpoints} pods, {options.Rules} rules"));
        await using Cluster cluster = await Cluster.StartAsync(options);
        await using ControlPlaneUnderTest control = new(folder, cluster.WriteConfig(folder), runtime.Time);
        await control.StartAsync();
        await using Fleet fleet = new(control.Api, options.Streams, runtime.Time, runtime.Random);
        StormMeasure storms = new(cluster, control, fleet, options, runtime.Time, report);
        await storms.FirstStartAsync();
        report.Check("each status counts all sidecars", await storms.StatusAsync());
        if (options.Circuits > 0)
        {
            await HeartbeatMeasure.RunAsync(control, fleet, options, runtime.Time, report);
            await new CircuitMeasure(control, fleet, options, runtime.Time, report).RunAsync();
            return;
        }

        ChangeMeasure changes = new(control, fleet, options, report);
        await changes.RunAsync("endpoint", cluster.ChangeEndpoint, options.Services);
        await changes.RunAsync("rule", cluster.ChangeRule, options.Rules);
        await HeartbeatMeasure.RunAsync(control, fleet, options, runtime.Time, report);
        await storms.CutAsync();
        await storms.RestartAsync("restarted", isChanged: false);
        await storms.RestartAsync("restarted, and a rule changed meanwhile", isChanged: true);
        report.Check("each status counts all sidecars again", await storms.StatusAsync());
    }
}
