using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.ControlPlane.Certificates;

/// <summary>
/// Makes and renews the control plane's certificates: ECDSA P-256, an authority of a year and certificates of 90 days, each renewed when a third of its time is left.
/// So an attacker's copy is worth little for long, and a control plane may be down for a month without a handshake failing. Pure but for chance of keys.
/// </summary>
internal static class CertificateAuthority
{
    /// <summary>Life of an authority.</summary>
    public static readonly TimeSpan AuthorityLife = TimeSpan.FromDays(365);

    /// <summary>Life of a certificate.</summary>
    public static readonly TimeSpan CertificateLife = TimeSpan.FromDays(90);

    /// <summary>How long a new authority is only announced: API servers and sidecars read the bundle within minutes, and people who copied it by hand get a day.</summary>
    public static readonly TimeSpan Announcement = TimeSpan.FromDays(1);

    // Clocks of a cluster differ.
    private static readonly TimeSpan Slack = TimeSpan.FromMinutes(5);

    /// <summary>What should be kept at <paramref name="now"/>: <paramref name="kept"/> itself when it is good.</summary>
    /// <param name="kept">What is kept; null when nothing is, or it cannot be used.</param>
    /// <param name="names">DNS names of the control plane; one that the certificate lacks makes a new one.</param>
    /// <param name="now">The time.</param>
    public static KeptCertificates Advance(KeptCertificates? kept, IReadOnlyList<string> names, DateTimeOffset now)
    {
        if (kept is null || !IsUsable(kept) || TimeLeft(kept.Authority, now) <= TimeSpan.Zero)
        {
            (string fresh, string key) = NewAuthority(now);
            return Issue(new KeptCertificates(fresh, key, "", ""), names, now);
        }

        if (kept.Next is null && TimeLeft(kept.Authority, now) < AuthorityLife / 3)
        {
            kept = kept with { Next = NewAuthority(now) };
        }

        if (kept.Next is { } next && AgeOf(next.Certificate, now) >= Announcement)
        {
            return Issue(new KeptCertificates(next.Certificate, next.Key, "", "") { Former = kept.Authority }, names, now);
        }

        if (kept.Former is { } former && TimeLeft(former, now) <= TimeSpan.Zero)
        {
            kept = kept with { Former = null };
        }

        return TimeLeft(kept.Certificate, now) < CertificateLife / 3 || !HasNames(kept.Certificate, names) ? Issue(kept, names, now) : kept;
    }

    /// <summary>The certificate with its key, for a server.</summary>
    public static X509Certificate2 Load(KeptCertificates kept)
    {
        using X509Certificate2 whole = X509Certificate2.CreateFromPem(kept.Certificate, kept.Key);
        // Through PKCS #12, because a key that lives in memory only cannot be used by every platform's TLS.
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }

    private static (string Certificate, string Key) NewAuthority(DateTimeOffset now)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=mesh authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using X509Certificate2 certificate = request.CreateSelfSigned(now - Slack, now + AuthorityLife);
        return (certificate.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    private static KeptCertificates Issue(KeptCertificates kept, IReadOnlyList<string> names, DateTimeOffset now)
    {
        using X509Certificate2 authority = X509Certificate2.CreateFromPem(kept.Authority, kept.AuthorityKey);
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=mesh control plane", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder alternatives = new();
        foreach (string name in names)
        {
            alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false)); // a server's
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));
        DateTimeOffset end = now + CertificateLife < authority.NotAfter ? now + CertificateLife : authority.NotAfter;
        DateTimeOffset begin = now - Slack > authority.NotBefore ? now - Slack : authority.NotBefore;
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7F) | 1); // positive, and not zero
        using X509Certificate2 certificate = request.Create(authority, begin, end, serial);
        return kept with { Certificate = certificate.ExportCertificatePem() + "\n", Key = key.ExportPkcs8PrivateKeyPem() + "\n" };
    }

    /// <summary>Whether the texts are what they should be; what someone has broken by hand is made anew.</summary>
    private static bool IsUsable(KeptCertificates kept)
    {
        try
        {
            using X509Certificate2 authority = X509Certificate2.CreateFromPem(kept.Authority, kept.AuthorityKey);
            using X509Certificate2 certificate = X509Certificate2.CreateFromPem(kept.Certificate, kept.Key);
            using X509Certificate2? next = kept.Next is { } n ? X509Certificate2.CreateFromPem(n.Certificate, n.Key) : null;
            using X509Certificate2? former = kept.Former is { } f ? X509Certificate2.CreateFromPem(f) : null;
            return certificate.Issuer == authority.Subject;
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>More names than ours are well: of two versions that run side by side during an upgrade, only one may issue anew.</summary>
    private static bool HasNames(string pem, IReadOnlyList<string> names)
    {
        using X509Certificate2 certificate = X509Certificate2.CreateFromPem(pem);
        return !names.Except(certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(static e => e.EnumerateDnsNames())).Any();
    }

    private static TimeSpan TimeLeft(string pem, DateTimeOffset now)
    {
        using X509Certificate2 certificate = X509Certificate2.CreateFromPem(pem);
        return new DateTimeOffset(certificate.NotAfter) - now;
    }

    private static TimeSpan AgeOf(string pem, DateTimeOffset now)
    {
        using X509Certificate2 certificate = X509Certificate2.CreateFromPem(pem);
        return now - new DateTimeOffset(certificate.NotBefore) - Slack;
    }
}
