using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Kubernetes;

namespace Mesh.ControlPlane.Hosting;

/// <summary>How one replica reaches another: by its address, but it must show the certificate that all replicas share.</summary>
/// <param name="options">Completed options.</param>
/// <param name="door">Our own door; the others' are alike.</param>
internal sealed class ReplicaAccess(ServeOptions options, Door door)
{
    /// <summary>The replica at an address <c>IP:PORT</c>, as what we show and trust is now.</summary>
    public ApiServer At(string address)
    {
        X509Certificate2? shown = door.Given is { Count: > 0 } given ? given[0] : door.Own?.Current;
        return new ApiServer(new Uri($"{(door.Tls is null ? Uri.UriSchemeHttp : Uri.UriSchemeHttps)}://{address}"))
        {
            ServerName = shown is null ? null : NameOf(shown),
            Roots = Roots(),
            Token = options.ReplicaToken is { } file ? BearerToken.FromFile(file) : null,
        };
    }

    private X509Certificate2Collection? Roots()
    {
        X509Certificate2Collection roots = [];
        if (options.TlsCa is { } file)
        {
            roots.ImportFromPemFile(file);
        }
        else if ((door.Own as ServerCertificates)?.Bundle is { } bundle)
        {
            roots.ImportFromPem(bundle);
        }

        return roots.Count > 0 ? roots : null;
    }

    private static string? NameOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(static n => n.EnumerateDnsNames()).FirstOrDefault();
}
