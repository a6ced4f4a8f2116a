namespace Mesh.Load.Measuring;

/// <summary>One finished call.</summary>
/// <param name="Code">Status; 0 when there was no answer.</param>
/// <param name="Bytes">Bytes of the body.</param>
/// <param name="Reason">First word of <c>x-mesh-reason</c>, or null.</param>
/// <param name="IsOverloaded">The answer had <c>x-envoy-overloaded: true</c>.</param>
/// <param name="Error">What went wrong when there was no answer, or null.</param>
/// <param name="Latency">From the intended time of sending to the last byte.</param>
public readonly record struct LoadSample(int Code, long Bytes, string? Reason, bool IsOverloaded, string? Error, TimeSpan Latency)
{
    /// <summary>Siege's notion of a hit: an answer below 400.</summary>
    public bool IsOk => Code is > 0 and < 400;
}
