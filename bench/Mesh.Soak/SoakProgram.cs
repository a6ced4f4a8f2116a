using System.Globalization;
using Mesh.Lab.Processes;

namespace Mesh.Soak;

/// <summary>Load, faults and rule changes for a long time; then everything must be as it was.</summary>
internal sealed class SoakProgram(SoakOptions options, string folder, TimeProvider time)
{
    private const double Share = 0.7;
    private static readonly TimeSpan Calibration = TimeSpan.FromSeconds(8);
    private readonly Tally _tally = new();
    private readonly List<SidecarSample> _samples = [];
    private readonly List<SoakCheck> _checks = [];

    /// <summary>Exit code: 0 when every check holds, 1 when not, 2 for a wrong option.</summary>
    public static async Task<int> RunAsync(string[] args, TimeProvider time)
    {
        if (SoakOptions.Parse(args) is not { } options)
        {
            await Console.Error.WriteLineAsync(SoakOptions.Usage);
            return 2;
        }

        string folder = Directory.CreateTempSubdirectory("mesh-soak-").FullName;
        bool passed = await new SoakProgram(options, folder, time).RunAsync();
        if (passed)
        {
            Directory.Delete(folder, recursive: true);
        }
        else
        {
            Console.WriteLine($"logs of every process: {folder}");
        }

        return passed ? 0 : 1;
    }

    private async Task<bool> RunAsync()
    {
        CancellationToken none = CancellationToken.None;
        await using SoakWorld world = new(folder, new Random(options.Seed), time);
        await world.StartAsync(none);
        SidecarSample[] baselines = await Task.WhenAll(world.Sidecars.Select(s => s.SampleAsync(0, none)));
        await world.WriteRulesAsync(0, none);
        await Task.Delay(TimeSpan.FromSeconds(2), time, none);
        double rate = Share * await CalibrateAsync(world);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{rate:F0} calls/s, {Share:P0} of what this machine gives, for {options.Duration}, seed {options.Seed}"));
        Console.WriteLine("  time sidecar RSS MiB   fds  thr  dn cx  dn rq  up cx  up rq  pend unex");
        foreach (SidecarSample baseline in baselines)
        {
            Console.WriteLine(SoakChecks.Row(baseline));
        }

        await SoakAsync(world, rate);
        SidecarSample[] ends = await QuietAsync(world, baselines);
        Judge(world, baselines, ends);
        if (options.JsonFile is { } path)
        {
            SoakChecks.WriteJson(path, options, rate, _tally, [.. baselines, .. _samples, .. ends], _checks);
        }

        return _checks.All(static c => c.Passed);
    }

    private async Task<double> CalibrateAsync(SoakWorld world)
    {
        Tally tally = new();
        using SoakClient client = new(world.Proxy, world.TcpPort, tally, time);
        using CancellationTokenSource end = new(Calibration, time);
        await new SoakLoad(client, options.Seed, time).RunAsync(0, end.Token);
        return tally.WrongCount == 0 ? tally.Finished / Calibration.TotalSeconds : throw new LabException($"wrong before any fault: {tally.Wrongs.First()}");
    }

    private async Task SoakAsync(SoakWorld world, double rate)
    {
        using SoakClient client = new(world.Proxy, world.TcpPort, _tally, time);
        using CancellationTokenSource end = new(options.Duration, time);
        Faults faults = new(world, new Random(options.Seed), time);
        await Task.WhenAll(
            new SoakLoad(client, options.Seed + 1000, time).RunAsync(rate, end.Token), faults.RunAsync(end.Token), EditAsync(world, end.Token), SampleAsync(world, end.Token));
        Console.WriteLine($"faults: {faults.Kills} killed and restarted, {faults.Hangs} stopped, {faults.Slows} slowed");
        Console.WriteLine("outcomes: " + string.Join(", ", _tally.Counts.OrderByDescending(static c => c.Value).Select(static c => $"{c.Key} {c.Value}")));
    }

    private async Task EditAsync(SoakWorld world, CancellationToken end)
    {
        for (int variant = 1; !end.IsCancellationRequested; variant++)
        {
            await world.WriteRulesAsync(variant, CancellationToken.None);
            await Task.Delay(TimeSpan.FromSeconds(1), time, CancellationToken.None);
        }
    }

    private async Task SampleAsync(SoakWorld world, CancellationToken end)
    {
        long start = time.GetTimestamp();
        TimeSpan step = TimeSpan.FromSeconds(options.Duration < TimeSpan.FromMinutes(3) ? 5 : 10);
        while (!end.IsCancellationRequested)
        {
            await Task.Delay(step, time, CancellationToken.None);
            foreach (SidecarProbe sidecar in world.Sidecars)
            {
                SidecarSample sample = await sidecar.SampleAsync(time.GetElapsedTime(start).TotalSeconds, CancellationToken.None);
                _samples.Add(sample);
                Console.WriteLine(SoakChecks.Row(sample));
            }
        }
    }

    // Without rules the caller's clusters go, and with them the connections they kept; without instances the inner sidecar keeps none either.
    private async Task<SidecarSample[]> QuietAsync(SoakWorld world, SidecarSample[] baselines)
    {
        world.RemoveRules();
        for (int i = 0; i < 3; i++)
        {
            await world.KillUpstreamAsync(i);
        }

        SidecarSample[] ends = [];
        for (int attempt = 0; attempt < 30; attempt++)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), time, CancellationToken.None);
            ends = await Task.WhenAll(world.Sidecars.Select(s => s.SampleAsync(options.Duration.TotalSeconds, CancellationToken.None)));
            if (ends.Zip(baselines).All(static p => p.First.Active == 0 && p.First.Descriptors <= p.Second.Descriptors + SoakChecks.SpareDescriptors))
            {
                break;
            }
        }

        return ends;
    }

    private void Judge(SoakWorld world, SidecarSample[] baselines, SidecarSample[] ends)
    {
        for (int i = 0; i < ends.Length; i++)
        {
            string name = world.Sidecars[i].Name;
            _checks.AddRange(SoakChecks.Of(name, baselines[i], [.. _samples.Where(s => s.Sidecar == name)], ends[i]));
        }

        (SidecarSample caller, SidecarSample inner) = (_samples.Last(static s => s.Sidecar == "caller"), ends[1]);
        _checks.Add(new SoakCheck("no answer was wrong", _tally.WrongCount == 0, $"{_tally.WrongCount} of {_tally.Finished} {string.Join("; ", _tally.Wrongs.Take(5))}"));
        _checks.Add(new SoakCheck("most answers were right", _tally.Counts.GetValueOrDefault("right") > _tally.Finished / 2, $"{_tally.Counts.GetValueOrDefault("right")}"));
        _checks.Add(new SoakCheck("every 5xx of the inner sidecar has a flag", inner.PlainFailures == 0, $"{inner.FlaggedFailures} with, {inner.PlainFailures} without"));
        _checks.Add(new SoakCheck("every 5xx of the caller's has one, or was the inner's", caller.PlainFailures <= inner.FlaggedFailures,
            $"{caller.FlaggedFailures} with, {caller.PlainFailures} without"));
        foreach (SoakCheck check in _checks)
        {
            Console.WriteLine($"{(check.Passed ? "PASS" : "FAIL")} {check.Name} ({check.Found})");
        }
    }
}
