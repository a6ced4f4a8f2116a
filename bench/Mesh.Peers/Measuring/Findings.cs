using Mesh.Peers.Processes;

namespace Mesh.Peers.Measuring;

/// <summary>How one peer starts, and what it holds when nothing happens.</summary>
/// <param name="Peer">Name.</param>
/// <param name="StartMs">Start to first proxied answer, of several starts.</param>
/// <param name="Idle">Memory after that answer.</param>
/// <param name="WithConnections">Memory by number of idle connections.</param>
internal sealed record Footprint(string Peer, Summary StartMs, MemoryUse Idle, IReadOnlyDictionary<int, MemoryUse> WithConnections)
{
    /// <summary>KiB that one more idle connection costs, by PSS, between the two highest numbers measured.</summary>
    public double PerConnection()
    {
        (int Count, MemoryUse Use)[] steps = [(0, Idle), .. WithConnections.OrderBy(static w => w.Key).Select(static w => (w.Key, w.Value))];
        return steps.Length < 2 ? 0 : (steps[^1].Use.Pss - steps[^2].Use.Pss) / (double)(steps[^1].Count - steps[^2].Count);
    }
}

/// <summary>TCP through one peer.</summary>
/// <param name="Peer">Name.</param>
/// <param name="CpuMsPerGiB">CPU time of the proxy for a GiB.</param>
/// <param name="GiBPerSecond">Speed.</param>
internal sealed record TcpResult(string Peer, Summary CpuMsPerGiB, Summary GiBPerSecond);

/// <summary>The sidecar with one and two loops on both cores.</summary>
/// <param name="OneMicros">CPU for a request with one.</param>
/// <param name="TwoMicros">CPU for a request with two.</param>
/// <param name="BusiestShare">Share of the busiest thread in the CPU time of two loops.</param>
internal sealed record LoopResult(Summary OneMicros, Summary TwoMicros, double BusiestShare);

/// <summary>All that a run has found.</summary>
internal sealed class Findings
{
    /// <summary>Load, peer by peer and case by case.</summary>
    public List<CaseResult> Cases { get; } = [];

    /// <summary>Start and memory.</summary>
    public List<Footprint> Footprints { get; } = [];

    /// <summary>Calls to the kernel for a request, by peer.</summary>
    public Dictionary<string, double> Syscalls { get; } = [];

    /// <summary>TCP.</summary>
    public List<TcpResult> Tcp { get; } = [];

    /// <summary>One and two loops; null when not measured.</summary>
    public LoopResult? Loops { get; set; }

    /// <summary>Errors in all runs together.</summary>
    public long Errors => Cases.Sum(static c => c.Samples.Sum(static s => s.Errors));
}
