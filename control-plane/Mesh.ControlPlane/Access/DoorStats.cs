namespace Mesh.ControlPlane.Access;

/// <summary>Why a request was not let in; the label <c>reason</c> of <c>mesh_door_refusals_total</c>, in lower case.</summary>
internal enum Refusal
{
    /// <summary>Foreign Host or Origin on loopback.</summary>
    Foreign,

    /// <summary>No token.</summary>
    Missing,

    /// <summary>A token that nobody vouches for.</summary>
    Token,

    /// <summary>The API server, which judges tokens, is away.</summary>
    Unjudged,

    /// <summary>A sidecar's token at a route that is not for sidecars.</summary>
    Route,

    /// <summary>A sidecar that wants to be, or to speak for, another one.</summary>
    Identity,
}

/// <summary>Counters of the door. Thread-safe.</summary>
internal sealed class DoorStats
{
    private readonly long[] _refusals = new long[Enum.GetValues<Refusal>().Length];
    private long _reviews;
    private long _failedReviews;

    /// <summary>Tokens that the API server was asked about.</summary>
    public long Reviews => Interlocked.Read(ref _reviews);

    /// <summary>Those of them that it did not judge.</summary>
    public long FailedReviews => Interlocked.Read(ref _failedReviews);

    /// <summary>Requests refused for that reason.</summary>
    public long Refused(Refusal reason) => Interlocked.Read(ref _refusals[(int)reason]);

    /// <summary>A request was refused.</summary>
    public void Count(Refusal reason) => Interlocked.Increment(ref _refusals[(int)reason]);

    /// <summary>The API server was asked about a token.</summary>
    public void CountReview(bool isJudged)
    {
        Interlocked.Increment(ref _reviews);
        if (!isJudged)
        {
            Interlocked.Increment(ref _failedReviews);
        }
    }
}
