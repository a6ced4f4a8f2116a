using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Transport;

/// <summary>All client connections that live, so that a drain can end them. Thread-safe.</summary>
internal sealed class ConnectionRegistry
{
    private readonly ConcurrentDictionary<ConnectionContext, Action> _live = new();

    /// <summary>Connections now.</summary>
    public int Count => _live.Count;

    /// <summary>Registers a connection; <paramref name="stop"/> asks it to end when its present request is done.</summary>
    public void Add(ConnectionContext connection, Action stop) => _live[connection] = stop;

    /// <summary>The connection has ended.</summary>
    public void Remove(ConnectionContext connection) => _live.TryRemove(connection, out _);

    /// <summary>Asks all to end.</summary>
    public void StopAll()
    {
        foreach (Action stop in _live.Values)
        {
            stop();
        }
    }

    /// <summary>Cuts off all that are left.</summary>
    public void AbortAll()
    {
        foreach (ConnectionContext connection in _live.Keys)
        {
            connection.Abort(new ConnectionAbortedException("The drain time is over."));
        }
    }
}
