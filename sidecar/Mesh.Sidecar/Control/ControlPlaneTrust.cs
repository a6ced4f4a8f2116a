using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Sidecar.Control;

/// <summary>
/// Whom to take for the control plane: who has a certificate for its name, signed by a root of one file and by no other. The file is read for each handshake, so that roots
/// may rotate; a file that is not there yet is a failure like any other, and tried again. Thread-safe.
/// </summary>
/// <param name="file">PEM file with one root or several.</param>
internal sealed class ControlPlaneTrust(string file)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private volatile string? _problem;

    /// <summary>Why the last handshake failed; null when it did not.</summary>
    public string? Problem => _problem;

    /// <summary>Checks that there are roots.</summary>
    /// <exception cref="HttpRequestException">There are none; the message names the file.</exception>
    public void Require() => Roots();

    /// <summary>Decides on one handshake.</summary>
    public bool Accepts(X509Certificate? certificate, X509Chain? presented, SslPolicyErrors errors)
    {
        try
        {
            _problem = certificate is not X509Certificate2 leaf ? "the control plane has shown no certificate"
                : (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0 ? $"the control plane's certificate is for {leaf.GetNameInfo(X509NameType.DnsName, forIssuer: false)}, not for its name in --control-plane"
                : FindProblem(leaf, presented);
        }
        catch (HttpRequestException unreadable)
        {
            _problem = unreadable.Message;
        }

        return _problem is null;
    }

    private string? FindProblem(X509Certificate2 leaf, X509Chain? presented)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Roots());
        chain.ChainPolicy.DisableCertificateDownloads = true; // nobody is asked at an address that a certificate names
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck; // the root is the mesh's own and publishes no list
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        chain.ChainPolicy.ExtraStore.AddRange(presented?.ChainPolicy.ExtraStore ?? []); // what it has shown between leaf and root
        return chain.Build(leaf) ? null
            : $"the control plane's certificate is not signed by a root in {file}: {chain.ChainStatus.FirstOrDefault().StatusInformation?.TrimEnd('.', '\n')}";
    }

    private X509Certificate2Collection Roots()
    {
        X509Certificate2Collection roots = [];
        try
        {
            roots.ImportFromPemFile(file);
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new HttpRequestException($"--control-plane-ca: {refusal.Message.TrimEnd('.')}", refusal);
        }

        return roots.Count > 0 ? roots : throw new HttpRequestException($"--control-plane-ca: {file} holds no certificate (PEM)");
    }
}
