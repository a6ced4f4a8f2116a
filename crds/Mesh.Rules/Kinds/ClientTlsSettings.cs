using System.Collections.Immutable;
using Mesh.Rules.Schema;

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

    internal static ObjectSchema<ClientTlsSettings> Schema { get; } = new ObjectSchema<ClientTlsSettings>()
        .Enum("mode", static (o, v) => o with { Mode = v },
            "DISABLE sends plain text, SIMPLE TLS, MUTUAL TLS with a client certificate. Default DISABLE.", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")
            .NotEnforcedYet("traffic to the upstream is sent in plain text", "DISABLE", "SIMPLE", "MUTUAL")
        .Text("clientCertificate", static (o, v) => o with { ClientCertificate = v },
            "Path of the client certificate (MUTUAL).")
        .Text("privateKey", static (o, v) => o with { PrivateKey = v },
            "Path of the private key (MUTUAL).")
        .Text("caCertificates", static (o, v) => o with { CaCertificates = v },
            "Path of the CA certificates. Read again when it changes. Unset: the system's.")
        .Text("credentialName", static (o, v) => o with { CredentialName = v },
            "Name of a secret instead of paths, mounted below the sidecar's --credentials with ca.crt, tls.crt and tls.key. Only in a rule with a workloadSelector.")
        .List("subjectAltNames", TextType.Any, static (o, v) => o with { SubjectAltNames = v },
            "Names of which the server's certificate must carry one. Default: the name sent as SNI.")
        .Text("sni", static (o, v) => o with { Sni = v },
            "Name to send to the server (SNI). Default: the host of the service.")
        .Flag("insecureSkipVerify", static (o, v) => o with { InsecureSkipVerify = v },
            "Accept any certificate.")
        .Text("caCrl", static (o, v) => o with { CaCrl = v },
            "Path of a certificate revocation list of those CAs. Read again when it changes.");
}
