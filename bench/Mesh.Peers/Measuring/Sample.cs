using Mesh.Peers.Processes;

namespace Mesh.Peers.Measuring;

/// <summary>One turn of one peer.</summary>
/// <param name="UserMicros">CPU time of the proxy for a request, in its own code.</param>
/// <param name="SystemMicros">CPU time of the proxy for a request, in the kernel.</param>
/// <param name="RequestsPerSecond">Answers in a second.</param>
/// <param name="P50Ms">Median latency.</param>
/// <param name="P99Ms">99th percentile.</param>
/// <param name="BytesPerRequest">Managed bytes allocated for a request; null when the proxy does not tell.</param>
/// <param name="BackendMicros">CPU time of the backend for a request.</param>
/// <param name="Errors">What went wrong; 0 in a good run.</param>
internal sealed record Sample(
    double UserMicros, double SystemMicros, double RequestsPerSecond, double P50Ms, double P99Ms, double? BytesPerRequest, double BackendMicros, long Errors)
{
    /// <summary>CPU time of the proxy for a request.</summary>
    public double CpuMicros => UserMicros + SystemMicros;

    /// <summary>Divides what a run used by its requests.</summary>
    public static Sample Of(CpuTime proxy, CpuTime backend, long? allocated, long requests, double perSecond, double p50, double p99, long errors)
    {
        double count = Math.Max(1, requests);
        return new Sample(
            proxy.User / count, proxy.System / count, perSecond, p50, p99, allocated is { } bytes ? Math.Max(0, bytes) / count : null, backend.Total / count, errors);
    }
}

/// <summary>What is asked for, and how.</summary>
/// <param name="Size">Bytes of an answer.</param>
/// <param name="Connections">Connections of the load.</param>
/// <param name="Rate">Requests a second in all; 0: as many as it can.</param>
/// <param name="Loops">Threads of the proxy that carry traffic.</param>
internal sealed record LoadCase(int Size, int Connections, int Rate = 0, int Loops = 1)
{
    /// <summary>Title of its table.</summary>
    public string Title => $"{Size / 1024} KiB, {Connections} connection{(Connections == 1 ? "" : "s")}{(Rate > 0 ? $", {Rate:N0} requests/s" : "")}";
}

/// <summary>All turns of one peer in one case.</summary>
internal sealed record CaseResult(string Peer, string Runtime, LoadCase Case, IReadOnlyList<Sample> Samples)
{
    /// <summary>Summary of one value.</summary>
    public Summary Of(Func<Sample, double> value) => Summary.Of(Samples.Select(value));
}
