using System.Net.Sockets;
using Mesh.Peers.Load;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;
using Mesh.Peers.World;

namespace Mesh.Peers.Measuring;

/// <summary>Start time and memory of fresh processes, and calls to the kernel.</summary>
internal static class FootprintMeasure
{
    private const int Starts = 3;
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TraceLoad = TimeSpan.FromSeconds(2);

    /// <summary>Starts one proxy several times; the last one also gets idle connections.</summary>
    public static async Task<Footprint> RunAsync(PeersWorld world, IPeer peer, IReadOnlyList<int> connections, CancellationToken stop)
    {
        List<double> starts = [];
        for (int i = 1; i < Starts; i++)
        {
            await using RunningPeer once = await world.StartAsync(peer, PeersWorld.ProxyCore, 1, stop);
            starts.Add(once.StartTime.TotalMilliseconds);
        }

        await using RunningPeer running = await world.StartAsync(peer, PeersWorld.ProxyCore, 1, stop);
        starts.Add(running.StartTime.TotalMilliseconds);
        await Task.Delay(Settle, world.Time, stop);
        MemoryUse idle = running.Process.Memory();
        Dictionary<int, MemoryUse> withConnections = [];
        List<Socket> open = [];
        try
        {
            foreach (int count in connections)
            {
                await world.Client.OpenIdleAsync(open, running.Place.Port, count, stop);
                await Task.Delay(Settle, world.Time, stop);
                withConnections[count] = running.Process.Memory();
            }
        }
        finally
        {
            open.ForEach(static socket => socket.Dispose());
        }

        return new Footprint(peer.Name, Summary.Of(starts), idle, withConnections);
    }

    /// <summary>Calls to the kernel for a request, under strace. Null when strace may not look.</summary>
    public static async Task<double?> SyscallsAsync(PeersWorld world, RunningPeer running, CancellationToken stop)
    {
        string report = Path.Combine(running.Place.Folder, "strace.txt");
        TimeSpan whole = TraceLoad + (2 * Settle);
        IEnumerable<string> pids = running.Process.Pids().SelectMany(static pid => (string[])["-p", $"{pid}"]);
        await using PinnedProcess trace = PinnedProcess.Start(
            $"strace-{running.Peer.Name}", PeersWorld.ProxyCore, running.Place.Folder, Tools.Find("timeout")!,
            ["-s", "INT", $"{whole.TotalSeconds:F0}", Tools.Find("strace")!, "-f", "-c", "-o", report, .. pids]);
        await Task.Delay(Settle, world.Time, stop);
        WrkReport load = await world.Generators.WrkAsync(running.Target, 1024, 16, TraceLoad, stop);
        await trace.WaitAsync(whole + Settle + Settle, world.Time, stop);
        return File.Exists(report) && new FileInfo(report).Length > 0
            ? SyscallCount.Parse(await File.ReadAllTextAsync(report, stop)) / (double)Math.Max(1, load.Requests)
            : null;
    }
}
