using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Cross-field checks of client TLS. Texts are Istio's where it has one.</summary>
internal static class ClientTlsCheck
{
    public static void Check(ClientTlsSettings tls, Cursor at)
    {
        bool hasPaths = IsSet(tls.ClientCertificate) || IsSet(tls.PrivateKey) || IsSet(tls.CaCertificates) || IsSet(tls.CaCrl);
        if (IsSet(tls.CredentialName) && hasPaths)
        {
            at.Error("cannot specify client certificates or CA certificate If credentialName is set");
        }

        if (tls.Mode == "MUTUAL" && !IsSet(tls.CredentialName))
        {
            if (!IsSet(tls.ClientCertificate))
            {
                at.Error("client certificate required for mutual tls", DiagnosticCode.Required);
            }

            if (!IsSet(tls.PrivateKey))
            {
                at.Error("private key required for mutual tls", DiagnosticCode.Required);
            }
        }

        if (tls.InsecureSkipVerify == true)
        {
            if (IsSet(tls.CaCertificates) || (tls.Mode == "SIMPLE" && IsSet(tls.CredentialName)))
            {
                at.Field("insecureSkipVerify").Error("cannot specify CA certificates or a credential when insecureSkipVerify is set to true");
            }

            if (!tls.SubjectAltNames.IsEmpty)
            {
                at.Field("insecureSkipVerify").Error("cannot specify subjectAltNames when insecureSkipVerify is set to true");
            }
        }
    }

    private static bool IsSet(string? text) => !string.IsNullOrEmpty(text);
}
