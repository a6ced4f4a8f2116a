namespace Mesh.Proxy.Http;

/// <summary>
/// How much one message may ask of its parser before it is refused: with the status named here towards a client, 502 for an upstream.
/// Envoy's defaults where it has one. Immutable.
/// </summary>
internal sealed record Http1Limits
{
    /// <summary>The limits when nobody sets others.</summary>
    public static Http1Limits Default { get; } = new();

    /// <summary>Longest head in bytes, start line and empty line included; 431.</summary>
    public int MaxHeadBytes { get; init; } = 60 * 1024;

    /// <summary>Longest start line in bytes; 414.</summary>
    public int MaxStartLineBytes { get; init; } = 8 * 1024;

    /// <summary>Most fields in a head, or in the trailers of a body; 431 and 400.</summary>
    public int MaxFields { get; init; } = 100;

    /// <summary>Most fields that Connection may name; 400. Each is looked for among all fields.</summary>
    public int MaxConnectionOptions { get; init; } = 32;

    /// <summary>Longest line before a chunk in bytes, extensions included; 400.</summary>
    public int MaxChunkLineBytes { get; init; } = 1024;

    /// <summary>Trailers of a body in bytes; 400.</summary>
    public int MaxTrailerBytes { get; init; } = 16 * 1024;
}
