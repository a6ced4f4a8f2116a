namespace Mesh.Proxy.Telemetry;

/// <summary>
/// The last decisions of this proxy, for whoever asks what became of a request, and the number of each kind. Written where a decision falls, never by a request that
/// goes well; adding copies into a ring that is there and allocates nothing. Thread-safe by one short lock.
/// </summary>
public sealed class DecisionLog
{
    /// <summary>How many refusals, replaced answers and retries are kept.</summary>
    public const int Kept = 1024;

    /// <summary>How many waits and shadow decisions are kept: they come in crowds, and must not push the others out.</summary>
    public const int KeptRemarks = 256;

    private readonly Lock _gate = new();
    private readonly DecisionRing _acts = new(Kept);
    private readonly DecisionRing _remarks = new(KeptRemarks);

    /// <summary>How often each decision fell.</summary>
    public DecisionCounters Counters { get; } = new();

    /// <summary>Keeps a decision.</summary>
    public void Add(in DecisionRecord decision, in DecidedRequest request)
    {
        Counters.Add(decision);
        lock (_gate)
        {
            (decision.Verdict is DecisionVerdict.Waited or DecisionVerdict.Shadow ? _remarks : _acts).Add(decision, request);
        }
    }

    /// <summary>What is kept, oldest first, of one request or of all.</summary>
    /// <param name="requestId">x-request-id; null for all.</param>
    public IReadOnlyList<LoggedDecision> Read(string? requestId = null)
    {
        byte[]? id = requestId is null ? null : DecisionRing.IdOf(requestId);
        List<DecisionRing.Slot> found = new(id is null ? _acts.Count + _remarks.Count : 0);
        lock (_gate) // refusals take it too: no more than to copy is done while it is held
        {
            _acts.CopyTo(found, id);
            _remarks.CopyTo(found, id);
        }

        return [.. found.Select(static s => DecisionRing.View(s)).OrderBy(static d => d.At)]; // stable: what fell in one instant stays in its order
    }
}
