using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>One TLS handshake as a client, and the judgement of the server's certificate. Runs on the loop of its connection, reads no file. Used once.</summary>
internal sealed class TlsHandshake(UpstreamTlsConfig config, TlsMaterial material, ClusterStats stats)
{
    private string? _refusal;

    /// <summary>TLS over <paramref name="below"/>. On failure the words for it; the connection below is still the caller's.</summary>
    /// <param name="below">A connected connection; an abort of it ends the handshake.</param>
    /// <param name="isHttp">Whether HTTP/1.1 is offered as the protocol.</param>
    /// <param name="cancellationToken">Tells that the abort was ours, which is no error of TLS.</param>
    public async ValueTask<(ConnectionContext? Connection, string? Failure)> RunAsync(ConnectionContext below, bool isHttp, CancellationToken cancellationToken)
    {
        SslStream tls = new(new PipeStream(below.Transport), leaveInnerStreamOpen: true);
        try
        {
            await tls.AuthenticateAsClientAsync(Options(isHttp), CancellationToken.None);
        }
        catch (Exception failure) when (failure is AuthenticationException or IOException or CryptographicException or InvalidOperationException or ArgumentException)
        {
            await tls.DisposeAsync();
            if (_refusal is null && !cancellationToken.IsCancellationRequested)
            {
                stats.SslConnectionError.Add();
            }

            return (null, _refusal ?? TlsErrorText.Of(failure));
        }

        stats.SslHandshake.Add();
        return (new StreamConnection(below, tls, tls.ShutdownAsync, TlsErrorText.OfTls), null);
    }

    private SslClientAuthenticationOptions Options(bool isHttp) => new()
    {
        TargetHost = config.Sni,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ApplicationProtocols = isHttp ? [SslApplicationProtocol.Http11] : null,
        ClientCertificateContext = material.Client,
        CertificateChainPolicy = material.NewPolicy(),
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsTrusted(certificate as X509Certificate2, chain, errors),
    };

    // The name is judged by ourselves: subjectAltNames may say another one than was sent.
    private bool IsTrusted(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (config.SkipsVerification)
        {
            return true;
        }

        if (certificate is null)
        {
            stats.SslFailVerifyNoCert.Add();
            _refusal = TlsErrorText.NoCertificate();
        }
        else if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) || chain is null)
        {
            stats.SslFailVerifyError.Add();
            _refusal = TlsErrorText.Untrusted(chain);
        }
        else if (material.IsRevoked(chain))
        {
            stats.SslFailVerifyError.Add();
            _refusal = TlsErrorText.Revoked();
        }
        else if (config.SubjectAltNames.Length > 0 && !CertificateNames.HasOneOf(certificate, config.SubjectAltNames))
        {
            stats.SslFailVerifySan.Add();
            _refusal = TlsErrorText.WrongName(config.SubjectAltNames, CertificateNames.Describe(certificate));
        }

        return _refusal is null;
    }
}
