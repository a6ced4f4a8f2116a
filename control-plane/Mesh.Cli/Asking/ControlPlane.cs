using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Mesh.Cli.Asking;

/// <summary>The control plane that was named, for one run of the program.</summary>
internal sealed class ControlPlane : IDisposable
{
    private readonly Uri _root;
    private readonly JsonSource _source;

    private ControlPlane(Uri root, JsonSource source) => (_root, _source) = (root, source);

    /// <summary>Reads the files that the options name; null with what is wrong.</summary>
    /// <param name="options">The options.</param>
    /// <param name="http">Carries the requests.</param>
    public static (ControlPlane? Opened, string? Problem) Open(ControlPlaneOptions options, HttpMessageHandler http)
    {
        (string? token, string? problem) = TokenOf(options.TokenFile);
        return problem is not null ? (null, problem) : (new ControlPlane(options.Root, new JsonSource(http) { Token = token, ServerName = options.Name }), null);
    }

    /// <summary>A handler that goes straight to the control plane, and takes for it only whom the roots of the file have signed; null with what is wrong.</summary>
    public static (SocketsHttpHandler? Handler, string? Problem) HandlerFor(ControlPlaneOptions options)
    {
        SocketsHttpHandler handler = new() { UseProxy = false, AllowAutoRedirect = false }; // a token goes nowhere else
        if (options.CaFile is not { } file)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = static (stream, certificate, _, errors) => HasName(stream, certificate, errors) && errors == SslPolicyErrors.None;
            return (handler, null);
        }

        X509Certificate2Collection roots = [];
        try
        {
            roots.ImportFromPemFile(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            handler.Dispose();
            return (null, $"--control-plane-ca: {error.Message}");
        }

        handler.SslOptions.RemoteCertificateValidationCallback = (stream, certificate, chain, errors) =>
            HasName(stream, certificate, errors) && certificate is X509Certificate2 leaf && IsSigned(leaf, chain, roots);
        return (handler, null);
    }

    /// <summary>Reads a page.</summary>
    public JsonAnswer Get(string path) => _source.Get(new Uri(_root, path));

    /// <summary>Sends an object.</summary>
    public JsonAnswer Post(string path, JsonObject body) => _source.Post(new Uri(_root, path), body);

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    /// <summary>True when the certificate has the name that was asked for; one with other names ends the handshake with a message that has them.</summary>
    private static bool HasName(object stream, X509Certificate? certificate, SslPolicyErrors errors)
    {
        if ((errors & SslPolicyErrors.RemoteCertificateNameMismatch) == 0)
        {
            return true;
        }

        X509SubjectAlternativeNameExtension? alternatives = (certificate as X509Certificate2)?.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        string[] names = [.. alternatives?.EnumerateDnsNames() ?? [], .. alternatives?.EnumerateIPAddresses().Select(static a => a.ToString()) ?? []];
        throw new AuthenticationException(names.Length == 0
            ? "the certificate has no name; is this the address of a control plane?"
            : $"the certificate is for {string.Join(", ", names)}, not for '{(stream as SslStream)?.TargetHostName}'; write --control-plane-name {names[0]} if that is whom you mean");
    }

    private static bool IsSigned(X509Certificate2 leaf, X509Chain? presented, X509Certificate2Collection roots)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck; // the root is the mesh's own and publishes no list
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1")); // of servers
        chain.ChainPolicy.ExtraStore.AddRange(presented?.ChainPolicy.ExtraStore ?? []);
        return chain.Build(leaf);
    }

    private static (string? Token, string? Problem) TokenOf(string? file)
    {
        if (file is null)
        {
            return (null, null);
        }

        try
        {
            string token = File.ReadAllText(file).Trim();
            return token.Length > 0 && token.All(static c => c is > ' ' and < '\x7f') ? (token, null) : (null, $"--control-plane-token: {file} holds no token");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, $"--control-plane-token: {error.Message}");
        }
    }
}
