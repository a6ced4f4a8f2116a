using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using Mesh.Proxy.Shadows;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// A request that waits for a connection. Whoever unlinks <see cref="Node"/> under the cluster's lock owns its completion, which makes
/// cancelling and serving at the same time harmless. Pooled by its cluster: reading the result gives it back.
/// </summary>
internal sealed class PendingRequest : IValueTaskSource<RentResult>
{
    private readonly Cluster _cluster;
    private static readonly Action<object?> DeliverIt = static r => ((PendingRequest)r!).Deliver();

    private ManualResetValueTaskSourceCore<RentResult> _core;
    private CancellationTokenRegistration _cancellation;

    public PendingRequest(Cluster cluster)
    {
        _cluster = cluster;
        Node = new LinkedListNode<PendingRequest>(this);
        NodeOfAll = new LinkedListNode<PendingRequest>(this);
    }

    public LinkedListNode<PendingRequest> Node { get; }

    /// <summary>Its place among all that wait for the cluster.</summary>
    public LinkedListNode<PendingRequest> NodeOfAll { get; }

    public Endpoint Endpoint { get; private set; } = null!;

    public bool IsTcp { get; private set; }

    /// <summary>Event loop on which the request waits; null for any thread.</summary>
    public PipeScheduler? Loop { get; private set; }

    /// <summary>Whom its connection has to name; null when any will do.</summary>
    public ClientAddresses? Client { get; private set; }

    public long EnqueuedAt { get; private set; }

    /// <summary>The same under limits in shadow mode, while it waits; null without them. Guarded by the cluster's lock.</summary>
    public VirtualCall? Shadow { get; set; }

    /// <summary>The outcome, decided under the lock and delivered after it.</summary>
    public RentResult Outcome { get; set; }

    /// <summary>Next of those whose outcome is to be delivered.</summary>
    public PendingRequest? NextDone { get; set; }

    public void Start(Endpoint endpoint, bool isTcp, PipeScheduler? loop, ClientAddresses? client, long now)
    {
        Loop = loop;
        Client = client;
        _core.RunContinuationsAsynchronously = loop is null;
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

    /// <summary>Delivers <see cref="Outcome"/>, where the request waits and never inline; outside locks.</summary>
    public void Complete()
    {
        if (Outcome.Connection is { IsHome: false })
        {
            _cluster.Services.Background.Start("move", static r => r.BringAsync(), this);
        }
        else if (Loop is null)
        {
            Deliver();
        }
        else
        {
            Loop.Schedule(DeliverIt, this);
        }
    }

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

    private async Task BringAsync()
    {
        await Outcome.Connection!.GoHomeAsync();
        Loop!.Schedule(DeliverIt, this);
    }

    private void Deliver() => _core.SetResult(Outcome);

    private void Cancel() => _cluster.CancelPending(this);
}
