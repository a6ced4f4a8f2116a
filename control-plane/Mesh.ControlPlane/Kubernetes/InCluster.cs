using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>The way that a pod reaches its API server: two variables and a folder that the kubelet mounts.</summary>
internal static class InCluster
{
    /// <summary>The folder of the service account.</summary>
    public const string Folder = "/var/run/secrets/kubernetes.io/serviceaccount";

    private const string Host = "KUBERNETES_SERVICE_HOST";
    private const string Port = "KUBERNETES_SERVICE_PORT";

    /// <summary>Whether this process runs in a pod.</summary>
    public static bool IsHere(Func<string, string?> environment) => environment(Host) is { Length: > 0 } && environment(Port) is { Length: > 0 };

    /// <summary>The server, or what is missing.</summary>
    /// <param name="environment">Value of a variable, or null.</param>
    /// <param name="folder">The folder of the service account.</param>
    public static (ApiServer? Server, string? Problem) Read(Func<string, string?> environment, string folder = Folder)
    {
        string host = environment(Host)!;
        string authority = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;
        if (!Uri.TryCreate($"https://{authority}:{environment(Port)}", UriKind.Absolute, out Uri? address))
        {
            return (null, $"{Host} and {Port}: '{host}' and '{environment(Port)}' are no address");
        }

        BearerToken token = BearerToken.FromFile(Path.Combine(folder, "token"));
        if (token.Read().Problem is { } problem)
        {
            return (null, $"{problem}; the pod needs automountServiceAccountToken: true");
        }

        string authorities = Path.Combine(folder, "ca.crt");
        try
        {
            X509Certificate2Collection roots = [];
            roots.ImportFromPemFile(authorities);
            string file = Path.Combine(folder, "namespace");
            string space = File.Exists(file) ? File.ReadAllText(file).Trim() : "";
            return (new ApiServer(address)
            {
                Roots = roots,
                Token = token,
                Namespace = space.Length > 0 ? space : "default",
                Operators = space,
            }, null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return (null, $"'{authorities}' cannot be used: {error.Message}");
        }
    }
}
