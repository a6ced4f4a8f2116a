using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Reads a kubeconfig: one file, one context. What it cannot do it refuses by name, because a credential that is left out shows only as a 403 later.
/// Paths in the file are relative to the file, as for kubectl.
/// </summary>
internal sealed class KubeConfig
{
    private static readonly (string Field, string Instead)[] Unsupported =
    [
        ("exec", "credential programs are not run; write a token of 'kubectl create token' into a file and name it as tokenFile"),
        ("auth-provider", "write a token into a file and name it as tokenFile"),
        ("username", "no API server takes a password any more; write a token or a client certificate"),
        ("as", "impersonation is not supported; write the credentials of that user"),
    ];

    private readonly string _file;
    private readonly string _folder;

    private KubeConfig(string file) => (_file, _folder) = (file, Path.GetDirectoryName(Path.GetFullPath(file))!);

    /// <summary>The server of a context, or what is wrong with the file.</summary>
    /// <param name="file">Path of the file.</param>
    /// <param name="context">Name of the context; null for the current one.</param>
    public static (ApiServer? Server, string? Problem) Read(string file, string? context)
    {
        try
        {
            (JsonObject? root, var problems) = RuleJson.FromYaml(File.ReadAllText(file));
            return root is null
                ? (null, $"'{file}' cannot be read: {(problems.IsEmpty ? "it holds no object" : $"line {problems[0].Line}: {problems[0].Message}")}")
                : (new KubeConfig(file).Server(root, context), null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, $"'{file}' cannot be read: {error.Message}");
        }
        catch (Exception error) when (error is FormatException or CryptographicException)
        {
            return (null, $"'{file}': {error.Message}");
        }
    }

    private ApiServer Server(JsonObject root, string? contextName)
    {
        contextName ??= Text(root, "current-context")
            ?? throw new FormatException($"no context is chosen; name one with --context: {Names(root, "contexts")}");
        JsonObject context = Named(root, "contexts", contextName, "context");
        JsonObject cluster = Named(root, "clusters", Text(context, "cluster") ?? "", "cluster");
        JsonObject user = Text(context, "user") is { } userName ? Named(root, "users", userName, "user") : [];
        if (Unsupported.FirstOrDefault(u => user[u.Field] is not null) is { Field: { } field } refused)
        {
            throw new FormatException($"user '{Text(context, "user")}': {field} is not supported: {refused.Instead}");
        }

        if (cluster["insecure-skip-tls-verify"]?.ToString() == "true")
        {
            throw new FormatException("insecure-skip-tls-verify is not supported; write certificate-authority or certificate-authority-data");
        }

        if (Text(cluster, "proxy-url") is not null)
        {
            throw new FormatException("proxy-url is not supported; give a server that can be reached directly");
        }

        string address = Text(cluster, "server") ?? "";
        return !Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https")
            ? throw new FormatException($"server: '{address}' is no address; write for example https://10.0.0.1:6443")
            : new ApiServer(uri)
            {
                Roots = Pem(cluster, "certificate-authority") is { } roots ? Import(roots) : null,
                ServerName = Text(cluster, "tls-server-name"),
                Certificate = Certificate(user),
                Token = Text(user, "token") is { } token ? BearerToken.FromText(token)
                    : Text(user, "tokenFile") is { } tokenFile ? BearerToken.FromFile(Path.Combine(_folder, tokenFile))
                    : null,
                Namespace = Text(context, "namespace") ?? "default",
            };
    }

    private X509Certificate2? Certificate(JsonObject user)
    {
        (string? certificate, string? key) = (Pem(user, "client-certificate"), Pem(user, "client-key"));
        if (certificate is null && key is null)
        {
            return null;
        }

        if (certificate is null || key is null)
        {
            throw new FormatException("client-certificate and client-key go together; one of them is missing");
        }

        using X509Certificate2 whole = X509Certificate2.CreateFromPem(certificate, key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null); // a key in memory only is of no use to every platform's TLS
    }

    /// <summary>PEM text that stands in the file itself (name-data) or beside it (name).</summary>
    private string? Pem(JsonObject obj, string name) =>
        Text(obj, name + "-data") is { } data ? Encoding.ASCII.GetString(Convert.FromBase64String(data))
        : Text(obj, name) is { } path ? File.ReadAllText(Path.Combine(_folder, path))
        : null;

    private static X509Certificate2Collection Import(string pem)
    {
        X509Certificate2Collection roots = [];
        roots.ImportFromPem(pem);
        return roots;
    }

    private JsonObject Named(JsonObject root, string list, string name, string field) =>
        (root[list] as JsonArray)?.OfType<JsonObject>().FirstOrDefault(entry => Text(entry, "name") == name)?[field] as JsonObject
        ?? throw new FormatException($"there is no {field} '{name}' in {_file}; it has: {Names(root, list)}");

    private static string Names(JsonObject root, string list)
    {
        string names = string.Join(", ", (root[list] as JsonArray)?.OfType<JsonObject>().Select(static entry => Text(entry, "name")) ?? []);
        return names.Length > 0 ? names : "none";
    }

    private static string? Text(JsonObject obj, string name) => obj[name]?.ToString() is { Length: > 0 } text ? text : null;
}
