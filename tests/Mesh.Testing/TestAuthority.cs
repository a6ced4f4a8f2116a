using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Testing;

/// <summary>A certificate authority of a test, and a folder for its files. Disposing it deletes them.</summary>
public sealed class TestAuthority : IDisposable
{
    private static readonly DateTimeOffset From = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset To = new(2045, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-tls-");
    private readonly X509Certificate2 _root;
    private byte _serial;

    public TestAuthority(string name = "test root")
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _root = request.CreateSelfSigned(From, To);
    }

    /// <summary>PEM file with the root.</summary>
    public string RootFile => Write("root.pem", _root.ExportCertificatePem());

    /// <summary>The root, for servers that ask for client certificates.</summary>
    public X509Certificate2 Root => _root;

    /// <summary>A certificate for these DNS names (or IPs, or URIs), with its key.</summary>
    public X509Certificate2 Issue(params string[] names)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={names.FirstOrDefault("nobody")}", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder alternatives = new();
        foreach (string name in names)
        {
            if (IPAddress.TryParse(name, out IPAddress? ip))
            {
                alternatives.AddIpAddress(ip);
            }
            else if (name.Contains("://", StringComparison.Ordinal))
            {
                alternatives.AddUri(new Uri(name));
            }
            else
            {
                alternatives.AddDnsName(name);
            }
        }

        request.CertificateExtensions.Add(alternatives.Build());
        using X509Certificate2 bare = request.Create(_root, From, To, [0x80, ++_serial]);
        using X509Certificate2 whole = bare.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null); // a key that a server may use
    }

    /// <summary>Writes certificate and key of <paramref name="certificate"/> as two PEM files.</summary>
    public (string Certificate, string Key) WritePair(string name, X509Certificate2 certificate)
    {
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        return (Write($"{name}.pem", certificate.ExportCertificatePem()), Write($"{name}.key", key.ExportPkcs8PrivateKeyPem()));
    }

    /// <summary>A list in which these certificates are taken back.</summary>
    public string WriteRevocations(params X509Certificate2[] revoked)
    {
        CertificateRevocationListBuilder list = new();
        foreach (X509Certificate2 certificate in revoked)
        {
            list.AddEntry(certificate, From);
        }

        byte[] encoded = list.Build(_root, 1, To, HashAlgorithmName.SHA256, thisUpdate: From);
        return Write("list.crl", PemEncoding.WriteString("X509 CRL", encoded));
    }

    /// <summary>Writes a file of this authority's folder; replaces it whole.</summary>
    public string Write(string name, string text)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path + ".new", text);
        File.Move(path + ".new", path, overwrite: true);
        return path;
    }

    public void Dispose()
    {
        _root.Dispose();
        _folder.Delete(recursive: true);
    }
}
