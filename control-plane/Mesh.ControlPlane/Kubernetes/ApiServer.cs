using System.Security.Cryptography.X509Certificates;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>Where an API server is, how it is recognised, and who we are to it.</summary>
/// <param name="Address">Scheme, host, port and perhaps a path before <c>/api</c>.</param>
internal sealed record ApiServer(Uri Address)
{
    /// <summary>Roots that its certificate must lead to; null for those of the system.</summary>
    public X509Certificate2Collection? Roots { get; init; }

    /// <summary>Name that its certificate must bear; null for the address' host.</summary>
    public string? ServerName { get; init; }

    /// <summary>Our certificate, or null.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>Our token, or null.</summary>
    public BearerToken? Token { get; init; }

    /// <summary>Namespace in which we live.</summary>
    public string Namespace { get; init; } = "default";

    /// <summary>Namespace whose service accounts are operators: ours when a kubelet says so; empty for none, since a kubeconfig's default is anybody's.</summary>
    public string Operators { get; init; } = "";

    /// <summary>Namespace of the leases, where it is another one: control planes that share it count as one.</summary>
    public string? LeaseNamespace { get; init; }
}

/// <summary>
/// A bearer token. One from a file is read for each request, because a kubelet replaces it about every hour and requests are few: a watch for
/// minutes, a lease each two seconds. Thread-safe.
/// </summary>
internal sealed class BearerToken
{
    private readonly string? _file;
    private readonly string _text = "";

    private BearerToken(string? file, string text) => (_file, _text) = (file, text);

    /// <summary>A token that does not change.</summary>
    public static BearerToken FromText(string text) => new(null, text.Trim());

    /// <summary>A token that may be replaced.</summary>
    public static BearerToken FromFile(string path) => new(path, "");

    /// <summary>The token now, or why it cannot be read.</summary>
    public (string? Token, string? Problem) Read()
    {
        if (_file is null)
        {
            return (_text, null);
        }

        try
        {
            string text = File.ReadAllText(_file).Trim();
            return text.Length > 0 ? (text, null) : (null, $"the token file '{_file}' is empty");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, $"the token file '{_file}' cannot be read: {error.Message}");
        }
    }
}
