namespace Mesh.Peers.Peers;

/// <summary>Where one start of a peer listens and keeps its files.</summary>
/// <param name="Folder">Folder of its own for files and logs.</param>
/// <param name="Port">Port for HTTP.</param>
/// <param name="TcpPort">Port for TCP.</param>
/// <param name="MetricsPort">Port for its metrics, if it has any.</param>
/// <param name="BackendPort">Port of the backend that speaks HTTP.</param>
/// <param name="BulkPort">Port of the backend that only sends.</param>
/// <param name="Concurrency">Threads that carry traffic.</param>
/// <param name="MostClients">Connections it must be able to hold; some proxies take memory for all of them at once.</param>
internal sealed record PeerPlace(string Folder, int Port, int TcpPort, int MetricsPort, int BackendPort, int BulkPort, int Concurrency, int MostClients);

/// <summary>A proxy that can be measured. Holds no process: each start is a new one.</summary>
internal interface IPeer
{
    /// <summary>Name in tables and on the command line.</summary>
    string Name { get; }

    /// <summary><c>jit</c> or <c>native</c>.</summary>
    string Runtime { get; }

    /// <summary>Load it needs before its figures hold still.</summary>
    TimeSpan WarmUp { get; }

    /// <summary>Path of a page with <c>mesh_gc_allocated_bytes_total</c> at the metrics port; null for none.</summary>
    string? MetricsPath { get; }

    /// <summary>Address at which it relays TCP; null when it does not.</summary>
    string? TcpHost { get; }

    /// <summary>Writes its configuration; returns program and arguments.</summary>
    (string File, IReadOnlyList<string> Args) Prepare(PeerPlace place);
}
