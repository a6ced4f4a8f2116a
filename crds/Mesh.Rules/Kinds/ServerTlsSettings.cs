using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>TLS that a listener ends. Known so that an existing rule is accepted; nothing obeys it yet.</summary>
public sealed record ServerTlsSettings
{
    /// <summary>Answer plain HTTP with a redirect to HTTPS.</summary>
    public bool? HttpsRedirect { get; init; }

    /// <summary>SIMPLE, MUTUAL, OPTIONAL_MUTUAL, ISTIO_MUTUAL, PASSTHROUGH or AUTO_PASSTHROUGH.</summary>
    public string? Mode { get; init; }

    /// <summary>Path of the certificate.</summary>
    public string? ServerCertificate { get; init; }

    /// <summary>Path of the private key.</summary>
    public string? PrivateKey { get; init; }

    /// <summary>Path of the CA certificates that clients are checked by.</summary>
    public string? CaCertificates { get; init; }

    /// <summary>Path of a certificate revocation list.</summary>
    public string? CaCrl { get; init; }

    /// <summary>Name of a secret instead of paths.</summary>
    public string? CredentialName { get; init; }

    /// <summary>Names of secrets instead of paths.</summary>
    public ImmutableArray<string> CredentialNames { get; init; } = [];

    /// <summary>Names of which a client's certificate must carry one.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];

    /// <summary>Hashes of the public keys of accepted client certificates.</summary>
    public ImmutableArray<string> VerifyCertificateSpki { get; init; } = [];

    /// <summary>Hashes of accepted client certificates.</summary>
    public ImmutableArray<string> VerifyCertificateHash { get; init; } = [];

    /// <summary>Oldest version of TLS.</summary>
    public string? MinProtocolVersion { get; init; }

    /// <summary>Newest version of TLS.</summary>
    public string? MaxProtocolVersion { get; init; }

    /// <summary>Cipher suites.</summary>
    public ImmutableArray<string> CipherSuites { get; init; } = [];

    private static readonly string[] Versions = ["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"];

    internal static ObjectSchema<ServerTlsSettings> Schema { get; } = new ObjectSchema<ServerTlsSettings>()
        .Flag("httpsRedirect", static (o, v) => o with { HttpsRedirect = v },
            "Answer plain HTTP with a redirect to HTTPS.")
        .Enum("mode", static (o, v) => o with { Mode = v },
            "How TLS ends.", "PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL")
        .Text("serverCertificate", static (o, v) => o with { ServerCertificate = v },
            "Path of the certificate.")
        .Text("privateKey", static (o, v) => o with { PrivateKey = v },
            "Path of the private key.")
        .Text("caCertificates", static (o, v) => o with { CaCertificates = v },
            "Path of the CA certificates that clients are checked by.")
        .Text("caCrl", static (o, v) => o with { CaCrl = v },
            "Path of a certificate revocation list.")
        .Text("credentialName", static (o, v) => o with { CredentialName = v },
            "Name of a secret instead of paths.")
        .List("credentialNames", TextType.Any, static (o, v) => o with { CredentialNames = v },
            "Names of secrets instead of paths.")
        .List("subjectAltNames", TextType.Any, static (o, v) => o with { SubjectAltNames = v },
            "Names of which a client's certificate must carry one.")
        .List("verifyCertificateSpki", TextType.Any, static (o, v) => o with { VerifyCertificateSpki = v },
            "Hashes of the public keys of accepted client certificates.")
        .List("verifyCertificateHash", TextType.Any, static (o, v) => o with { VerifyCertificateHash = v },
            "Hashes of accepted client certificates.")
        .Enum("minProtocolVersion", static (o, v) => o with { MinProtocolVersion = v },
            "Oldest version of TLS.", Versions)
        .Enum("maxProtocolVersion", static (o, v) => o with { MaxProtocolVersion = v },
            "Newest version of TLS.", Versions)
        .List("cipherSuites", TextType.Any, static (o, v) => o with { CipherSuites = v },
            "Cipher suites.");
}
