using Mesh.Peers.Load;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;
using Mesh.Peers.World;

namespace Mesh.Peers.Measuring;

/// <summary>What only <c>--full</c> measures: TCP, and two loops against one.</summary>
internal static class FullMeasures
{
    private const string BothCores = "0,1";
    private const double GiB = 1 << 30;
    private const long TransferBytes = 2L << 30;

    /// <summary>Long transfers through every proxy that relays TCP, in turn.</summary>
    public static async Task<List<TcpResult>> TcpAsync(PeersWorld world, IReadOnlyList<RunningPeer> running, int rounds, CancellationToken stop)
    {
        RunningPeer[] relays = [.. running.Where(static r => r.Peer.TcpHost is not null)];
        Dictionary<RunningPeer, List<(double CpuMs, double Speed)>> samples = relays.ToDictionary(static r => r, static _ => new List<(double, double)>());
        for (int round = 0; round <= rounds; round++)
        {
            foreach (RunningPeer relay in relays)
            {
                CpuTime before = relay.Process.Cpu();
                TimeSpan took = await world.Client.ReadBulkAsync(relay.Peer.TcpHost!, relay.Place.TcpPort, TransferBytes, stop);
                CpuTime used = relay.Process.Cpu() - before;
                if (round > 0) // the first is for the compilers
                {
                    samples[relay].Add((used.Total / 1000 / (TransferBytes / GiB), TransferBytes / GiB / took.TotalSeconds));
                }
            }
        }

        return [.. relays.Select(r => new TcpResult(
            r.Peer.Name, Summary.Of(samples[r].Select(static s => s.CpuMs)), Summary.Of(samples[r].Select(static s => s.Speed))))];
    }

    /// <summary>The sidecar with one and with two loops, both on both cores, in turn.</summary>
    public static async Task<LoopResult> LoopsAsync(PeersWorld world, IPeer sidecar, int rounds, TimeSpan length, CancellationToken stop)
    {
        await using RunningPeer one = await world.StartAsync(sidecar, BothCores, 1, stop);
        await using RunningPeer two = await world.StartAsync(sidecar, BothCores, 2, stop);
        await world.Generators.WrkAsync(one.Target, 1024, 64, sidecar.WarmUp, stop, BothCores);
        await world.Generators.WrkAsync(two.Target, 1024, 64, sidecar.WarmUp, stop, BothCores);
        List<double> withOne = [];
        List<double> withTwo = [];
        double busiest = 0;
        for (int round = 0; round < rounds; round++)
        {
            withOne.Add(await MicrosAsync(world, one, length, stop));
            Dictionary<string, CpuTime> before = two.Process.CpuByThread();
            withTwo.Add(await MicrosAsync(world, two, length, stop));
            busiest = Math.Max(busiest, BusiestShare(before, two.Process.CpuByThread()));
        }

        return new LoopResult(Summary.Of(withOne), Summary.Of(withTwo), busiest);
    }

    /// <summary>Share of the thread that worked most between two readings.</summary>
    public static double BusiestShare(IReadOnlyDictionary<string, CpuTime> before, IReadOnlyDictionary<string, CpuTime> after)
    {
        double[] used = [.. after.Select(t => (t.Value - before.GetValueOrDefault(t.Key)).Total)];
        double sum = used.Sum();
        return sum > 0 ? used.Max() / sum : 0;
    }

    private static async Task<double> MicrosAsync(PeersWorld world, RunningPeer peer, TimeSpan length, CancellationToken stop)
    {
        CpuTime before = peer.Process.Cpu();
        WrkReport report = await world.Generators.WrkAsync(peer.Target, 1024, 64, length, stop, BothCores);
        return (peer.Process.Cpu() - before).Total / Math.Max(1, report.Requests);
    }
}
