using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What becomes of a slow call whose caller says that it would rather come back for the answer (Prefer: respond-async, RFC 7240). Unset fields are null.</summary>
public sealed record AsyncReply
{
    /// <summary>How long the caller waits before it is told to come back.</summary>
    public TimeSpan? After { get; init; }

    /// <summary>How long an answer is kept.</summary>
    public TimeSpan? KeepFor { get; init; }

    /// <summary>Most calls and answers that are kept at one time.</summary>
    public int? MaxKept { get; init; }

    /// <summary>Longest answer, and longest body of a request.</summary>
    public long? MaxBytes { get; init; }

    internal static ObjectSchema<AsyncReply> Schema { get; } = new ObjectSchema<AsyncReply>()
        .Duration("after", static (o, v) => o with { After = v },
            "How long the caller waits; then it is answered 202 with a Location, and the call goes on. A shorter wait in its Prefer field counts before this. Default 2s, at most 5m.")
        .Duration("keepFor", static (o, v) => o with { KeepFor = v },
            "How long the answer can be fetched, in the memory of this sidecar alone: a restart loses it. A call that takes longer than this after its caller was told is cut off. Default 10m, at most 1h.")
        .Whole("maxKept", static (o, v) => o with { MaxKept = v },
            "Most calls under way and answers kept at one time, in each sidecar; beyond it the preference is passed over, and the caller waits as ever. Default 100.", min: 1, max: Snapshots.AsyncReplyConfig.MostKept)
        .Field("maxBytes", BytesType.Any, static (o, v) => o with { MaxBytes = v },
            "Longest answer that is kept, fields and body; a longer one is lost, and its place says so. A request with a longer body is served as ever. Default 256Ki, at most 16Mi.");
}
