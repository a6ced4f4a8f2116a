using Mesh.Peers.Measuring;
using Mesh.Peers.Output;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;
using Mesh.Peers.World;

namespace Mesh.Peers.CommandLine;

/// <summary>One whole run: footprints, load, calls to the kernel, and with <c>--full</c> the rest.</summary>
internal sealed class Comparison(PeersOptions options, IReadOnlyList<IPeer> peers, PeersWorld world, TextWriter output, TextWriter progress)
{
    private const int FixedRate = 2000;
    private readonly TimeSpan _length = TimeSpan.FromSeconds(options.Seconds);

    /// <summary>Runs it; tables are printed as they are ready.</summary>
    public async Task RunAsync(Findings findings, CancellationToken stop)
    {
        foreach (IPeer peer in peers)
        {
            await progress.WriteLineAsync($"{peer.Name}: start and memory");
            findings.Footprints.Add(await FootprintMeasure.RunAsync(world, peer, options.Full ? [1000, 10_000] : [1000], stop));
        }

        List<RunningPeer> running = [];
        try
        {
            foreach (IPeer peer in peers)
            {
                running.Add(await world.StartAsync(peer, PeersWorld.ProxyCore, 1, stop));
            }

            await MeasureAsync(running, findings, stop);
        }
        finally
        {
            foreach (RunningPeer peer in running)
            {
                await peer.DisposeAsync();
            }
        }

        if (options.Full)
        {
            await progress.WriteLineAsync("two loops against one");
            findings.Loops = await FullMeasures.LoopsAsync(world, peers[^1], options.Rounds, _length, stop);
            await output.WriteAsync(PeersText.Loops(findings.Loops));
        }
    }

    private async Task MeasureAsync(List<RunningPeer> running, Findings findings, CancellationToken stop)
    {
        LoadComparison comparison = new(world, running, options.Peers.Contains("direct"), progress);
        await progress.WriteLineAsync("warming up");
        await comparison.WarmUpAsync(stop);
        foreach (LoadCase one in Cases())
        {
            findings.Cases.AddRange(await comparison.RunAsync([one], options.Rounds, _length, stop));
            await output.WriteAsync(PeersText.Case(one, findings.Cases));
            await output.FlushAsync(stop);
        }

        await CountSyscallsAsync(running, findings, stop);
        await output.WriteAsync(PeersText.Footprints(findings));
        if (options.Full)
        {
            await TcpAsync(running, findings, stop);
        }
    }

    private LoadCase[] Cases()
    {
        if (!options.Full)
        {
            return [new(1024, 16), new(1024, 64)];
        }

        LoadCase[] closed = [new(1024, 16), new(1024, 64), new(1024, 1), new(10_240, 1), new(10_240, 16), new(10_240, 64)];
        return Tools.Find("h2load") is null ? closed : [.. closed, new LoadCase(1024, 16, FixedRate)];
    }

    private async Task CountSyscallsAsync(List<RunningPeer> running, Findings findings, CancellationToken stop)
    {
        foreach (RunningPeer peer in Tools.Find("strace") is null ? [] : running)
        {
            await progress.WriteLineAsync($"{peer.Peer.Name}: calls to the kernel");
            if (await FootprintMeasure.SyscallsAsync(world, peer, stop) is { } calls)
            {
                findings.Syscalls[peer.Peer.Name] = calls;
            }
        }
    }

    private async Task TcpAsync(List<RunningPeer> running, Findings findings, CancellationToken stop)
    {
        await progress.WriteLineAsync("TCP");
        if (Tools.Find("haproxy") is { } file && options.Peers.Contains("haproxy"))
        {
            // Among the others so that it is ended with them.
            running.Add(await world.StartAsync(new HaproxyPeer(file, splices: true), PeersWorld.ProxyCore, 1, stop));
        }

        findings.Tcp.AddRange(await FullMeasures.TcpAsync(world, running, options.Rounds, stop));
        await output.WriteAsync(PeersText.Tcp(findings.Tcp));
    }
}
