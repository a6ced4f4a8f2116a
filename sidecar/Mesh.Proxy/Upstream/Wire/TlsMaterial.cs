using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>What the files of a TLS block say: trusted roots, own certificate, what was taken back. Immutable; a changed file makes another one. Thread-safe.</summary>
internal sealed class TlsMaterial
{
    private const int DerSequence = 0x30;

    private readonly X509ChainPolicy _policy;
    private readonly RevocationList? _revoked;

    private TlsMaterial(X509Certificate2Collection roots, SslStreamCertificateContext? client, RevocationList? revoked)
    {
        // Nothing is fetched over the network: that would hold an event loop up.
        _policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        _policy.CustomTrustStore.AddRange(roots);
        Client = client;
        _revoked = revoked;
    }

    /// <summary>Own certificate and chain; null when there is none.</summary>
    public SslStreamCertificateContext? Client { get; }

    /// <summary>A policy for one handshake, which adds what the peer sends to it.</summary>
    public X509ChainPolicy NewPolicy() => _policy.Clone();

    /// <summary>Whether a certificate of the chain was taken back.</summary>
    public bool IsRevoked(X509Chain chain)
    {
        foreach (X509ChainElement element in chain.ChainElements)
        {
            if (_revoked?.Contains(element.Certificate) == true)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Makes it of the files' bytes; blocks for the system's roots the first time.</summary>
    /// <param name="files">Paths, for messages.</param>
    /// <param name="bytes">Content by path.</param>
    /// <param name="problem">What is wrong, naming the file.</param>
    /// <returns>Null when something is.</returns>
    public static TlsMaterial? TryMake(TlsFilesConfig files, IReadOnlyDictionary<string, byte[]> bytes, out string problem)
    {
        string path = files.CaCertificates;
        try
        {
            X509Certificate2Collection roots = path.Length == 0 ? SystemRoots() : Certificates(bytes[path]);
            path = files.ClientCertificate;
            SslStreamCertificateContext? client = path.Length == 0 ? null : ClientContext(bytes[path], bytes[files.PrivateKey]);
            path = files.RevocationList;
            RevocationList? revoked = path.Length == 0 ? null : RevocationList.Read(bytes[path]);
            problem = "";
            return new TlsMaterial(roots, client, revoked);
        }
        catch (Exception broken) when (broken is CryptographicException or ArgumentException or FormatException)
        {
            problem = path == files.ClientCertificate ? $"'{path}' with key '{files.PrivateKey}': {broken.Message}" : $"'{path}': {broken.Message}";
            return null;
        }
    }

    private static X509Certificate2Collection SystemRoots()
    {
        using X509Store store = new(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
        return store.Certificates;
    }

    private static X509Certificate2Collection Certificates(byte[] bytes)
    {
        X509Certificate2Collection found = [];
        if (bytes.Length > 0 && bytes[0] == DerSequence)
        {
            found.Add(X509CertificateLoader.LoadCertificate(bytes));
        }
        else
        {
            found.ImportFromPem(Encoding.ASCII.GetString(bytes));
        }

        return found.Count > 0 ? found : throw new FormatException("there is no certificate in it");
    }

    private static SslStreamCertificateContext ClientContext(byte[] certificate, byte[] key)
    {
        X509Certificate2Collection chain = Certificates(certificate);
        X509Certificate2 own = X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(certificate), Encoding.ASCII.GetString(key));
        chain.RemoveAt(0);
        return SslStreamCertificateContext.Create(own, chain, offline: true);
    }
}
