namespace Mesh.Rules.Snapshots;

/// <summary>TLS towards the endpoints of a cluster (semantics 1.7). Records compare by value: another one means other connections.</summary>
public sealed record UpstreamTlsConfig
{
    /// <summary>Name sent to the server (SNI); empty sends none.</summary>
    public string Sni { get; init; } = "";

    /// <summary>Names of which the server's certificate must carry one, one a line (a string so that records compare by value); empty accepts any name.</summary>
    public string SubjectAltNames { get; init; } = "";

    /// <summary>Accept any certificate.</summary>
    public bool SkipsVerification { get; init; }

    /// <summary>Files; they are read again when they change.</summary>
    public TlsFilesConfig Files { get; init; } = new();

    /// <summary>Rule and path, <c>default/partner#spec.trafficPolicy.tls</c>.</summary>
    public string? Source { get; init; }
}

/// <summary>Files that a sidecar needs for TLS; empty paths are not used.</summary>
/// <param name="CaCertificates">CA certificates (PEM); empty trusts the system's.</param>
/// <param name="ClientCertificate">Own certificate, its chain behind it (PEM).</param>
/// <param name="PrivateKey">Its key (PEM).</param>
/// <param name="RevocationList">Certificates that the CA has taken back (PEM or DER).</param>
public sealed record TlsFilesConfig(string CaCertificates = "", string ClientCertificate = "", string PrivateKey = "", string RevocationList = "");

/// <summary>Header that names the client's address before the first byte of a connection.</summary>
public enum ProxyProtocolVersion
{
    /// <summary>No header.</summary>
    None,

    /// <summary>One line of text.</summary>
    V1,

    /// <summary>Binary.</summary>
    V2,
}

/// <summary>A tunnel of TCP through an HTTP proxy, which the endpoints are then.</summary>
/// <param name="Target">Where it leads, <c>host:port</c> as HTTP writes it.</param>
/// <param name="UsesPost">POST with chunked bodies instead of CONNECT.</param>
public sealed record TunnelConfig(string Target, bool UsesPost);
