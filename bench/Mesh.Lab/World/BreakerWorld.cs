using System.Globalization;
using Mesh.Lab.Metrics;
using Mesh.Lab.Processes;

namespace Mesh.Lab.World;

/// <summary>A partner, a control plane, and callers that share the partner's circuit. Ends with the world it is in.</summary>
/// <param name="world">The processes.</param>
/// <param name="partner">Who is called.</param>
/// <param name="data">Folder of the control plane.</param>
/// <param name="listen">Its address, the same after each start.</param>
internal sealed class BreakerWorld(StandaloneWorld world, ProductsApp partner, string data, string listen) : IAsyncDisposable
{
    /// <summary>Label of the one caller whose network can be made bad.</summary>
    public const string Bad = "network=bad";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private ChildProcess? _controlPlane;

    /// <summary>Clock.</summary>
    public TimeProvider Time => world.Time;

    /// <summary>Who is called.</summary>
    public ProductsApp Partner => partner;

    /// <summary>The callers' calls.</summary>
    public CallerLoad Load { get; } = new(world.Time, new Uri($"http://{BreakerRules.Host}/product/2"));

    /// <summary>The callers' sidecars, those that were killed excluded.</summary>
    public IReadOnlyList<Sidecar> Callers => world.Sidecars;

    /// <summary>Rules of the control plane.</summary>
    public RuleApi Rules => new(world.Http, Api);

    /// <summary>Every process that should run and does not.</summary>
    public IEnumerable<string> Ended() => world.Ended();

    private Uri Api => new($"http://{listen}");

    /// <summary>Starts the control plane, for the first time or again.</summary>
    public async Task StartControlPlaneAsync(CancellationToken stop) => (_controlPlane, _) = await world.StartControlPlaneAsync(data, stop, listen);

    /// <summary>Ends it at once.</summary>
    public Task KillControlPlaneAsync() => world.KillAsync(_controlPlane!);

    /// <summary>Starts a caller's sidecar, and waits until it has its rules.</summary>
    public Task<Sidecar> StartCallerAsync(string name, CancellationToken stop, string label = "network=good") =>
        world.StartSidecarAsync(name, ["--control-plane", Api.AbsoluteUri, "--labels", label], world.FreeAddress(), "127.0.0.1:0", stop);

    /// <summary>A caller's calls end, and its sidecar at once with them.</summary>
    public async Task KillCallerAsync(Sidecar sidecar)
    {
        await Load.StopAsync(sidecar.Name);
        await world.KillAsync(sidecar.Process);
    }

    /// <summary>All callers call from now on, with this pause between two calls of each.</summary>
    public void StartAll(TimeSpan pause)
    {
        foreach (Sidecar caller in Callers)
        {
            Load.Start(caller, pause);
        }
    }

    /// <summary>The shared circuit as the control plane shows it.</summary>
    public async Task<CircuitView?> CircuitAsync(CancellationToken stop) =>
        CircuitView.Parse(await world.Http.GetStringAsync(new Uri(Api, "/mesh/v1/breakers"), stop), BreakerRules.Cluster);

    /// <summary>Waits until <paramref name="isDone"/>.</summary>
    /// <exception cref="LabException">It never is.</exception>
    public async Task WaitAsync(string what, Func<Task<bool>> isDone, CancellationToken stop) =>
        _ = await world.Waiting.UntilAsync(isDone, Patience, stop)
            ?? throw new LabException(string.Create(CultureInfo.InvariantCulture, $"not within {Patience.TotalSeconds:0} s: {what}"));

    /// <summary>Waits until each caller's log says that its circuit is <paramref name="state"/> since a moment.</summary>
    public Task WaitForAllAsync(string state, DateTimeOffset since, CancellationToken stop) => WaitAsync(
        $"all circuits are {state}", async () =>
        {
            await world.Waiting.PauseAsync(TimeSpan.FromMilliseconds(100), stop);
            return (await TimesAsync(line => line.To == state, since, stop)).All(static at => at is not null);
        }, stop);

    /// <summary>When something first happened to the circuit of each caller, from a moment on; null for never.</summary>
    public async Task<List<DateTimeOffset?>> TimesAsync(Func<BreakerLine, bool> isIt, DateTimeOffset since, CancellationToken stop)
    {
        List<DateTimeOffset?> times = [];
        foreach (Sidecar caller in Callers)
        {
            times.Add((await LinesAsync(caller.Name, since, stop)).Find(line => isIt(line))?.At);
        }

        return times;
    }

    /// <summary>Numbers of the trials that any of these callers was told of, from a moment on; those that were killed meanwhile count too.</summary>
    public async Task<int> TrialsAsync(IEnumerable<string> names, DateTimeOffset since, CancellationToken stop)
    {
        HashSet<long> epochs = [];
        foreach (string name in names)
        {
            epochs.UnionWith((await LinesAsync(name, since, stop)).Where(static l => l.To == "half_open").Select(static l => l.Epoch));
        }

        return epochs.Count;
    }

    /// <summary>Counters of the partner's cluster at each caller.</summary>
    public async Task<List<ClusterCounters>> CountersAsync(CancellationToken stop)
    {
        List<ClusterCounters> counters = [];
        foreach (Sidecar caller in Callers)
        {
            counters.Add(await caller.CountersAsync(BreakerRules.Cluster, stop));
        }

        return counters;
    }

    /// <summary>Highest epoch that a caller was told of so far.</summary>
    public async Task<long> HighestEpochAsync(CancellationToken stop)
    {
        long highest = 0;
        foreach (Sidecar caller in Callers)
        {
            highest = Math.Max(highest, (await LinesAsync(caller.Name, default, stop)).Max(static l => (long?)l.Epoch) ?? 0);
        }

        return highest;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Load.DisposeAsync();
        await world.DisposeAsync();
    }

    private async Task<List<BreakerLine>> LinesAsync(string name, DateTimeOffset since, CancellationToken stop) =>
        [.. BreakerLine.Parse(await world.PrintedAsync($"{name}-sidecar", stop)).Where(l => l.At >= since)];
}
