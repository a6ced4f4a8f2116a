using System.Globalization;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>Failures of TLS in Envoy's form, which people search for: <c>TLS_error:|number:library:OPENSSL_internal:REASON:TLS_error_end</c>. Pure.</summary>
internal static class TlsErrorText
{
    private const string VerifyFailed = "268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ";

    /// <summary>The certificate is for other names.</summary>
    public static string WrongName(string expected, string names) =>
        Frame($"{VerifyFailed}verify SAN list: expected {expected.Replace('\n', ',')}, the certificate is for {names}");

    /// <summary>The chain does not lead to a trusted root, or not now.</summary>
    public static string Untrusted(X509Chain? chain)
    {
        string status = chain is { ChainStatus: [{ } first, ..] } ? first.StatusInformation.Trim() : "no chain";
        return Frame($"{VerifyFailed}X509_verify_cert: certificate verification error: {status}");
    }

    /// <summary>The peer's certificate is on the list of those taken back.</summary>
    public static string Revoked() => Frame(VerifyFailed + "X509_verify_cert: certificate verification error: certificate revoked");

    /// <summary>The server showed no certificate.</summary>
    public static string NoCertificate() => Frame("268435655:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE");

    /// <summary>The files are not usable yet.</summary>
    public static string NotReady(string problem) => Frame($"secrets are not ready: {problem}");

    /// <summary>What OpenSSL said, as BoringSSL in Envoy words it; null when the failure is not one of TLS.</summary>
    public static string? OfTls(Exception failure)
    {
        for (Exception? cause = failure; cause is not null; cause = cause.InnerException)
        {
            // error:0A000412:SSL routines::sslv3 alert bad certificate
            string[] parts = cause.Message.Split(':');
            if (parts.Length >= 5 && parts[0] == "error" && uint.TryParse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint number))
            {
                string reason = parts[4].ToUpperInvariant().Replace(' ', '_').Replace('/', '_');
                return Frame(string.Create(CultureInfo.InvariantCulture, $"{number}:{parts[2]}:OPENSSL_internal:{reason}"));
            }
        }

        return null;
    }

    /// <summary>The same, with the system's words where there are no others.</summary>
    public static string Of(Exception failure) => OfTls(failure) ?? Frame((failure.InnerException ?? failure).Message);

    private static string Frame(string text) => $"TLS_error:|{text}:TLS_error_end";
}
