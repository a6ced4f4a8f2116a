using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Certificates;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Reads certificate, key and token before anything listens, so that a mistake in them is one line.</summary>
internal static class DoorKeys
{
    /// <summary>What the options name: null what they do not; or what is wrong.</summary>
    /// <param name="options">Completed options.</param>
    /// <param name="time">Clock of the token's file.</param>
    public static (X509Certificate2Collection? Certificates, TokenFile? Token, string? Problem) Read(ServeOptions options, TimeProvider time)
    {
        (TokenFile? token, string? problem) = options.TokenFile is { } file ? TokenFile.Open(file, time) : default;
        if (problem is not null || options.TlsCert is null)
        {
            return (null, token, problem);
        }

        if (options.TlsCa is { } roots && (problem = RootFile.Problem(roots)) is not null)
        {
            return (null, null, problem);
        }

        try
        {
            X509Certificate2Collection chain = [];
            chain.ImportFromPemFile(options.TlsCert);
            using X509Certificate2 withKey = X509Certificate2.CreateFromPemFile(options.TlsCert, options.TlsKey!);
            // Through PKCS #12, because a key that lives in memory only cannot be used by every platform's TLS.
            chain[0] = X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null);
            return (chain, token, null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            string files = $"--tls-cert '{options.TlsCert}' and --tls-key '{options.TlsKey}'";
            return (null, null, $"{files} cannot be used: {error.Message.ReplaceLineEndings(" ")}; write two PEM files that belong together");
        }
    }
}
