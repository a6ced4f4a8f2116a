using System.Security.Cryptography.X509Certificates;

namespace Mesh.ControlPlane.Certificates;

/// <summary>The certificate that this control plane shows, to API servers that call its webhooks and to sidecars. Thread-safe.</summary>
internal interface IServerCertificates
{
    /// <summary>The certificate, with its key, for a handshake that begins now; null as long as there is none, and then handshakes fail.</summary>
    X509Certificate2? Current { get; }

    /// <summary>Why there is none, or why it cannot be looked after; null while all is well.</summary>
    string? Trouble { get; }
}

/// <summary>What is kept of the control plane's authority: PEM texts. Immutable.</summary>
/// <param name="Authority">Certificate of the authority that signs now.</param>
/// <param name="AuthorityKey">Its key.</param>
/// <param name="Certificate">Certificate of the control plane.</param>
/// <param name="Key">Its key.</param>
internal sealed record KeptCertificates(string Authority, string AuthorityKey, string Certificate, string Key)
{
    /// <summary>The next authority, which API servers and sidecars are told of before anything is signed by it; null when none is near.</summary>
    public (string Certificate, string Key)? Next { get; init; }

    /// <summary>Certificate of the authority that signed before: another replica may still show what it signed. Null when there is none.</summary>
    public string? Former { get; init; }

    /// <summary>What API servers and sidecars are to trust: the field <c>caBundle</c> of the webhook configurations before base64, and the text of the root ConfigMaps.</summary>
    public string Bundle => Authority + Next?.Certificate + Former;
}

/// <summary>
/// Where the certificates are kept, so that all replicas show the same ones and a restart changes nothing: a Secret in a cluster, a folder elsewhere.
/// Both methods throw <see cref="IOException"/> when the place cannot be reached.
/// </summary>
internal interface ICertificateStore
{
    /// <summary>What is kept; null when nothing is.</summary>
    Task<KeptCertificates?> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Keeps <paramref name="certificates"/> if <paramref name="former"/> is still there; false when another replica was faster.</summary>
    Task<bool> TryWriteAsync(KeptCertificates? former, KeptCertificates certificates, CancellationToken cancellationToken);
}

/// <summary>Who is told what API servers are to trust: in a cluster, the webhook configurations.</summary>
internal interface ICaBundleTarget
{
    /// <summary>Sets the bundle; does nothing when it is set already. Throws <see cref="IOException"/> when it cannot be told.</summary>
    Task PublishAsync(string bundle, CancellationToken cancellationToken);
}
