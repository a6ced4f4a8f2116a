using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Transport;

/// <summary>All client connections that live, so that a drain can end them. Thread-safe.</summary>
internal sealed class ConnectionRegistry
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ConnectionContext, (Action Stop, bool IsInbound, bool IsOwn)> _live = [];
    private int _own; // of those, connections that the proxy made itself: they take no client's room
    private TaskCompletionSource? _empty;

    /// <summary>Connections now.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _live.Count;
            }
        }
    }

    /// <summary>Registers a connection with a way to ask it to end when its present request is done. False when there are <paramref name="most"/>; 0 is no limit.</summary>
    public bool TryAdd(ConnectionContext connection, Action stop, int most, bool isInbound = false)
    {
        lock (_gate)
        {
            if (most > 0 && _live.Count - _own >= most)
            {
                return false;
            }

            _live.Add(connection, (stop, isInbound, false));
            return true;
        }
    }

    /// <summary>Registers a connection that the proxy made itself: a drain ends it as any other, no limit of clients counts it.</summary>
    public void AddOwn(ConnectionContext connection, Action stop)
    {
        lock (_gate)
        {
            _live.Add(connection, (stop, false, true));
            _own++;
        }
    }

    /// <summary>Gives a connection another <paramref name="stop"/>.</summary>
    public void Change(ConnectionContext connection, Action stop)
    {
        lock (_gate)
        {
            _live[connection] = _live[connection] with { Stop = stop };
        }
    }

    /// <summary>The connection has ended.</summary>
    public void Remove(ConnectionContext connection)
    {
        lock (_gate)
        {
            if (!_live.Remove(connection, out (Action Stop, bool IsInbound, bool IsOwn) gone))
            {
                return;
            }

            _own -= gone.IsOwn ? 1 : 0;
            if (_live.Count == 0)
            {
                _empty?.TrySetResult();
                _empty = null;
            }
        }
    }

    /// <summary>Ends when no connection is left.</summary>
    public Task WhenEmptyAsync()
    {
        lock (_gate)
        {
            return _live.Count == 0 ? Task.CompletedTask : (_empty ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>Asks all to end, or those that came to the application.</summary>
    public void StopAll(bool isInboundOnly = false)
    {
        foreach ((Action stop, bool isInbound, _) in Snapshot().Select(static live => live.Value))
        {
            if (isInbound || !isInboundOnly)
            {
                stop();
            }
        }
    }

    /// <summary>Cuts off all that are left.</summary>
    public void AbortAll()
    {
        foreach (ConnectionContext connection in Snapshot().Select(static live => live.Key))
        {
            connection.Abort(new ConnectionAbortedException("The drain time is over."));
        }
    }

    private KeyValuePair<ConnectionContext, (Action Stop, bool IsInbound, bool IsOwn)>[] Snapshot()
    {
        lock (_gate)
        {
            return [.. _live];
        }
    }
}
