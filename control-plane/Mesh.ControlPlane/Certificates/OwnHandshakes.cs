using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Mesh.ControlPlane.Certificates;

/// <summary>
/// Handshakes with our own certificate, whichever is shown at the moment: a rotation needs no restart. What TLS needs of a certificate is worked out once, not for each of a
/// thousand sidecars that come at the same time. Thread-safe.
/// </summary>
/// <param name="certificates">The certificate.</param>
internal sealed class OwnHandshakes(IServerCertificates certificates)
{
    private volatile SslStreamCertificateContext? _last;

    /// <summary>For a listener.</summary>
    public TlsHandshakeCallbackOptions Options => new() { OnConnection = _ => ValueTask.FromResult(Next()) };

    private SslServerAuthenticationOptions Next()
    {
        X509Certificate2 current = certificates.Current ?? throw new AuthenticationException("there is no certificate yet");
        SslStreamCertificateContext? context = _last;
        if (!ReferenceEquals(context?.TargetCertificate, current))
        {
            _last = context = SslStreamCertificateContext.Create(current, null, offline: true);
        }

        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = context,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
        };
    }
}
