using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Certificates;

/// <summary>Keeps the control plane's certificates in a folder that only this user can read; the bundle lies beside, for whoever writes the webhook configurations.</summary>
/// <param name="path">The folder; made when it is not there. One process uses it at a time, as it lies in the data folder.</param>
internal sealed class CertificateFolder(string path) : ICertificateStore, ICaBundleTarget
{
    private const string Kept = "webhook.json";

    /// <summary>Name of the bundle in the folder.</summary>
    public const string BundleFile = "ca-bundle.pem";

    /// <inheritdoc/>
    public async Task<KeptCertificates?> ReadAsync(CancellationToken cancellationToken)
    {
        string file = Path.Combine(path, Kept);
        try
        {
            return File.Exists(file) ? Read(await File.ReadAllTextAsync(file, cancellationToken)) : null;
        }
        catch (UnauthorizedAccessException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public async Task<bool> TryWriteAsync(KeptCertificates? former, KeptCertificates certificates, CancellationToken cancellationToken)
    {
        if (await ReadAsync(cancellationToken) != former)
        {
            return false;
        }

        JsonObject all = new()
        {
            ["authority"] = certificates.Authority,
            ["authorityKey"] = certificates.AuthorityKey,
            ["certificate"] = certificates.Certificate,
            ["key"] = certificates.Key,
            ["next"] = certificates.Next?.Certificate,
            ["nextKey"] = certificates.Next?.Key,
            ["former"] = certificates.Former,
        };
        await WriteAsync(Kept, all.ToJsonString(), UnixFileMode.UserRead | UnixFileMode.UserWrite, cancellationToken);
        return true;
    }

    /// <inheritdoc/>
    public Task PublishAsync(string bundle, CancellationToken cancellationToken) => WriteAsync(
        BundleFile, bundle, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead, cancellationToken);

    /// <summary>The certificates in a text; null when it holds none, so that new ones are made.</summary>
    private static KeptCertificates? Read(string text)
    {
        try
        {
            JsonObject? all = JsonNode.Parse(text) as JsonObject;
            return Of("authority") is { } authority && Of("authorityKey") is { } authorityKey && Of("certificate") is { } certificate && Of("key") is { } key
                ? new KeptCertificates(authority, authorityKey, certificate, key)
                {
                    Next = Of("next") is { } next && Of("nextKey") is { } nextKey ? (next, nextKey) : null,
                    Former = Of("former"),
                }
                : null;

            string? Of(string name) => all?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task WriteAsync(string name, string text, UnixFileMode mode, CancellationToken cancellationToken)
    {
        try
        {
            Directory.CreateDirectory(path);
            string fresh = Path.Combine(path, name + ".new");
            File.Delete(fresh);
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = mode; // from its first byte
            }

            await using (StreamWriter writer = new(fresh, options))
            {
                await writer.WriteAsync(text.AsMemory(), cancellationToken);
            }

            File.Move(fresh, Path.Combine(path, name), overwrite: true);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new IOException(error.Message, error);
        }
    }
}
