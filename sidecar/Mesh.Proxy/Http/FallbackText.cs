using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http;

/// <summary>What a Fallback makes of a refusal: which cause it is, and its words for the caller. Stateless.</summary>
internal static class FallbackText
{
    /// <summary>The cause by which a rule answers for <paramref name="error"/>; none for what is the client's fault or another rule's wish.</summary>
    public static FallbackCauses CauseOf(in ProxyError error) => error.Decision.Reason switch
    {
        DecisionReason.CircuitOpen => FallbackCauses.Open,
        DecisionReason.CallerDeadline => FallbackCauses.None, // who has gone reads no answer
        _ => error.Flag switch
        {
            ResponseFlag.UO => FallbackCauses.Overflow,
            ResponseFlag.UT => FallbackCauses.Timeout,
            ResponseFlag.UH or ResponseFlag.DF => FallbackCauses.NoHealthyUpstream,
            ResponseFlag.UF => FallbackCauses.ConnectFailure,
            ResponseFlag.RL => FallbackCauses.RateLimited,
            ResponseFlag.UC or ResponseFlag.UPE => FallbackCauses.Reset,
            _ => FallbackCauses.None,
        },
    };

    /// <summary>The word for the access log.</summary>
    public static string KindOf(in ProxyError error) => error.StandInAge >= 0 ? "stale" : "static";
}
