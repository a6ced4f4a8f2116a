using System.Globalization;
using Mesh.Lab.Metrics;
using Mesh.Lab.Processes;

namespace Mesh.Lab.World;

/// <summary>A partner, and callers that share the partner's circuit. Ends with the world it is in.</summary>
/// <param name="world">The processes.</param>
/// <param name="partner">Who is called.</param>
internal abstract class CircuitWorld(StandaloneWorld world, ProductsApp partner) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Clock.</summary>
    public TimeProvider Time => world.Time;

    /// <summary>Who is called.</summary>
    public ProductsApp Partner => partner;

    /// <summary>The callers' calls.</summary>
    public CallerLoad Load { get; } = new(world.Time, new Uri($"http://{BreakerRules.Host}/product/2"));

    /// <summary>The callers' sidecars, those that were killed excluded.</summary>
    public IReadOnlyList<Sidecar> Callers => world.Sidecars;

    /// <summary>Every process that should run and does not.</summary>
    public IEnumerable<string> Ended() => world.Ended();

    /// <summary>The processes.</summary>
    protected StandaloneWorld World => world;

    /// <summary>All callers call from now on, with this pause between two calls of each.</summary>
    public void StartAll(TimeSpan pause)
    {
        foreach (Sidecar caller in Callers)
        {
            Load.Start(caller, pause);
        }
    }

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

    /// <summary>Number of the trials that any of these callers was told of, from a moment on; those that were killed meanwhile count too.</summary>
    public async Task<int> TrialsAsync(IEnumerable<string> names, DateTimeOffset since, CancellationToken stop)
    {
        HashSet<long> epochs = [];
        foreach (string name in names)
        {
            epochs.UnionWith((await LinesAsync(name, since, stop)).Where(static l => l is { To: "half_open", Epoch: > 0 }).Select(static l => l.Epoch));
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

    /// <summary>What became of a caller's circuit from a moment on, as its own log has it.</summary>
    public async Task<List<BreakerLine>> LinesAsync(string name, DateTimeOffset since, CancellationToken stop) =>
        [.. BreakerLine.Parse(await world.PrintedAsync($"{name}-sidecar", stop)).Where(l => l.At >= since)];

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        await Load.DisposeAsync();
        await world.DisposeAsync();
    }

    /// <summary>The shared circuit as a control plane shows it.</summary>
    protected async Task<CircuitView?> CircuitAsync(Uri controlPlane, CancellationToken stop) =>
        CircuitView.Parse(await world.Http.GetStringAsync(new Uri(controlPlane, "/mesh/v1/breakers"), stop), BreakerRules.Cluster);
}
