namespace Mesh.Load.Measuring;

/// <summary>What a run measured.</summary>
/// <param name="Requests">Calls that ended, well or not.</param>
/// <param name="Ok">Those answered below 400.</param>
/// <param name="NotSent">Arrivals of an open loop that found no free slot before the run ended.</param>
/// <param name="Elapsed">From the start to the last answer.</param>
/// <param name="Bytes">Bytes of all bodies.</param>
/// <param name="Latency">Times of all calls.</param>
/// <param name="OkLatency">Times of the calls answered below 400.</param>
/// <param name="Codes">Calls by status.</param>
/// <param name="Reasons">Local replies by first word of <c>x-mesh-reason</c>.</param>
/// <param name="Overloaded">Answers with <c>x-envoy-overloaded: true</c>.</param>
/// <param name="UnexplainedRefusals">Answers 503 that lack the reason or the overloaded header.</param>
/// <param name="Errors">Calls without an answer, by cause.</param>
public sealed record LoadReport(
    long Requests,
    long Ok,
    long NotSent,
    TimeSpan Elapsed,
    long Bytes,
    LatencyHistogram Latency,
    LatencyHistogram OkLatency,
    IReadOnlyDictionary<int, long> Codes,
    IReadOnlyDictionary<string, long> Reasons,
    long Overloaded,
    long UnexplainedRefusals,
    IReadOnlyDictionary<string, long> Errors)
{
    /// <summary>Calls that failed: answered 400 or more, or not at all.</summary>
    public long Failed => Requests - Ok;

    /// <summary>Calls with this status.</summary>
    public long WithCode(int code) => Codes.GetValueOrDefault(code);

    /// <summary>Calls without an answer.</summary>
    public long Unanswered => Errors.Values.Sum();
}
