using System.Threading.Tasks.Sources;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// A request that waits for a connection. Whoever unlinks <see cref="Node"/> under the cluster's lock owns its completion, which makes
/// cancelling and serving at the same time harmless. Pooled by its cluster: reading the result gives it back.
/// </summary>
internal sealed class PendingRequest : IValueTaskSource<RentResult>
{
    private readonly Cluster _cluster;
    private ManualResetValueTaskSourceCore<RentResult> _core = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _cancellation;

    public PendingRequest(Cluster cluster)
    {
        _cluster = cluster;
        Node = new LinkedListNode<PendingRequest>(this);
    }

    public LinkedListNode<PendingRequest> Node { get; }

    public Endpoint Endpoint { get; private set; } = null!;

    public bool IsTcp { get; private set; }

    public long EnqueuedAt { get; private set; }

    /// <summary>The outcome, decided under the lock and delivered after it.</summary>
    public RentResult Outcome { get; set; }

    /// <summary>Next of those whose outcome is to be delivered.</summary>
    public PendingRequest? NextDone { get; set; }

    public void Start(Endpoint endpoint, bool isTcp, long now)
    {
        Endpoint = endpoint;
        IsTcp = isTcp;
        EnqueuedAt = now;
    }

    /// <summary>The renter's side. Called once, before anybody reads the result.</summary>
    public ValueTask<RentResult> WaitAsync(CancellationToken cancellationToken)
    {
        if (_core.GetStatus(_core.Version) == ValueTaskSourceStatus.Pending)
        {
            _cancellation = cancellationToken.UnsafeRegister(static s => ((PendingRequest)s!).Cancel(), this);
        }

        return new ValueTask<RentResult>(this, _core.Version);
    }

    /// <summary>Delivers <see cref="Outcome"/>; outside locks.</summary>
    public void Complete() => _core.SetResult(Outcome);

    RentResult IValueTaskSource<RentResult>.GetResult(short token)
    {
        RentResult result = _core.GetResult(token);
        _cancellation.Dispose(); // waits for a callback under way, so that it cannot meet the next user of this object
        _cancellation = default;
        _core.Reset();
        Outcome = default;
        _cluster.Recycle(this);
        return result;
    }

    ValueTaskSourceStatus IValueTaskSource<RentResult>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<RentResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void Cancel() => _cluster.CancelPending(this);
}
