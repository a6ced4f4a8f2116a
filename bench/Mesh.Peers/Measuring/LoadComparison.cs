using Mesh.Peers.Load;
using Mesh.Peers.Processes;
using Mesh.Peers.World;

namespace Mesh.Peers.Measuring;

/// <summary>Load through every proxy in turn, A B C A B C, so that what disturbs the machine disturbs all of them alike.</summary>
/// <param name="world">Backend and generators.</param>
/// <param name="running">Proxies that run, each in its turn; they keep running while they wait.</param>
/// <param name="withDirect">Whether the backend itself has a turn.</param>
/// <param name="progress">Receives a line a round.</param>
internal sealed class LoadComparison(PeersWorld world, IReadOnlyList<RunningPeer> running, bool withDirect, TextWriter progress)
{
    /// <summary>Lets every runtime compile what it will need.</summary>
    public async Task WarmUpAsync(CancellationToken stop)
    {
        foreach (RunningPeer peer in running)
        {
            await world.Generators.WrkAsync(peer.Target, 1024, 64, peer.Peer.WarmUp, stop);
        }
    }

    /// <summary>Runs all cases.</summary>
    public async Task<List<CaseResult>> RunAsync(IReadOnlyList<LoadCase> cases, int rounds, TimeSpan length, CancellationToken stop)
    {
        List<CaseResult> results = [];
        foreach (LoadCase one in cases)
        {
            Dictionary<RunningPeer, List<Sample>> samples = running.ToDictionary(static r => r, static _ => new List<Sample>());
            List<Sample> direct = [];
            for (int round = 1; round <= rounds; round++)
            {
                if (withDirect)
                {
                    direct.Add(await TurnAsync(null, one, length, stop));
                }

                foreach (RunningPeer peer in running)
                {
                    samples[peer].Add(await TurnAsync(peer, one, length, stop));
                }

                string row = string.Join("  ", running.Select(r => $"{r.Peer.Name} {samples[r][^1].CpuMicros:F1}"));
                await progress.WriteLineAsync($"{one.Title}, round {round} of {rounds}, CPU µs: {row}");
            }

            results.AddRange(withDirect ? [new CaseResult("direct", "native", one, direct)] : []);
            results.AddRange(running.Select(r => new CaseResult(r.Peer.Name, r.Peer.Runtime, one, samples[r])));
        }

        return results;
    }

    /// <summary>One turn; without a peer, straight to the backend.</summary>
    private async Task<Sample> TurnAsync(RunningPeer? peer, LoadCase one, TimeSpan length, CancellationToken stop)
    {
        peer?.Process.ThrowIfEnded();
        LoadTarget target = peer?.Target ?? new LoadTarget(world.BackendPort);

        // Reading the page allocates too: read twice, the difference is what one reading costs.
        long? first = peer is null ? null : await peer.AllocatedAsync(stop);
        long? second = peer is null ? null : await peer.AllocatedAsync(stop);
        CpuTime proxy = peer?.Process.Cpu() ?? default;
        CpuTime backend = world.Backend.Cpu();
        (long requests, double perSecond, double p50, double p99, long errors) = await LoadAsync(target, one, length, stop);
        proxy = (peer?.Process.Cpu() ?? default) - proxy;
        backend = world.Backend.Cpu() - backend;
        long? third = peer is null ? null : await peer.AllocatedAsync(stop);
        peer?.Process.ThrowIfEnded();
        return Sample.Of(proxy, backend, third - second - (second - first), requests, perSecond, p50, p99, errors);
    }

    private async Task<(long Requests, double PerSecond, double P50, double P99, long Errors)> LoadAsync(
        LoadTarget target, LoadCase one, TimeSpan length, CancellationToken stop)
    {
        if (one.Rate > 0)
        {
            RateLog log = await world.Generators.RateAsync(target, one.Size, one.Rate, length, stop);
            return (log.Requests, log.Requests / length.TotalSeconds, log.P50Ms, log.P99Ms, log.Errors);
        }

        WrkReport report = await world.Generators.WrkAsync(target, one.Size, one.Connections, length, stop);
        return (report.Requests, report.RequestsPerSecond, report.P50Ms, report.P99Ms, report.Errors);
    }
}
