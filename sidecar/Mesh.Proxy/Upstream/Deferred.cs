using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// What has to happen once the cluster's lock is free: nothing is awaited, completed, logged or called out while it is held. Intrusive lists,
/// so the common case allocates nothing.
/// </summary>
internal struct Deferred
{
    private UpstreamConnection? _toClose;
    private UpstreamConnection? _toOpen;
    private PendingRequest? _firstDone;
    private PendingRequest? _lastDone;
    private List<EjectionEvent>? _events;
    private long _checkAt;

    public void Close(UpstreamConnection connection)
    {
        connection.NextToClose = _toClose;
        _toClose = connection;
    }

    public void Open(UpstreamConnection connection)
    {
        connection.NextToOpen = _toOpen;
        _toOpen = connection;
    }

    public void Complete(PendingRequest request, RentResult outcome)
    {
        request.Outcome = outcome;
        request.NextDone = null;
        if (_lastDone is null)
        {
            _firstDone = request;
        }
        else
        {
            _lastDone.NextDone = request;
        }

        _lastDone = request;
    }

    public void Tell(EjectionEvent happened) => (_events ??= []).Add(happened);

    /// <summary>Asks for a look at idle and old connections.</summary>
    public void CheckConnectionsAt(long timestamp) => _checkAt = timestamp;

    /// <summary>Does it all: first those who wait get their answer, then sockets close, then new ones open.</summary>
    public void Run(Cluster cluster)
    {
        for (PendingRequest? request = _firstDone; request is not null;)
        {
            PendingRequest? next = request.NextDone; // once complete, it may be in use again
            request.Complete();
            request = next;
        }

        for (UpstreamConnection? connection = _toClose; connection is not null; connection = connection.NextToClose)
        {
            connection.StartClosing();
        }

        for (UpstreamConnection? connection = _toOpen; connection is not null; connection = connection.NextToOpen)
        {
            connection.StartOpening();
        }

        if (_checkAt != 0)
        {
            cluster.ScheduleConnectionCheck(_checkAt);
        }

        if (_events is not null)
        {
            cluster.Tell(_events);
        }
    }
}
