using System.Collections.Immutable;

namespace Mesh.Rules.Kinds;

/// <summary>TLS towards the upstream.</summary>
public sealed record ClientTlsSettings
{
    /// <summary>DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL.</summary>
    public string? Mode { get; init; }

    /// <summary>Path of the client certificate (MUTUAL).</summary>
    public string? ClientCertificate { get; init; }

    /// <summary>Path of the private key (MUTUAL).</summary>
    public string? PrivateKey { get; init; }

    /// <summary>Path of the CA certificates; unset means the system's.</summary>
    public string? CaCertificates { get; init; }

    /// <summary>Name of a secret instead of paths.</summary>
    public string? CredentialName { get; init; }

    /// <summary>Names of which the server's certificate must carry one.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];

    /// <summary>SNI to send.</summary>
    public string? Sni { get; init; }

    /// <summary>Accept any certificate.</summary>
    public bool? InsecureSkipVerify { get; init; }

    /// <summary>Path of a certificate revocation list.</summary>
    public string? CaCrl { get; init; }
}
