using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;

namespace Mesh.ControlPlane.Certificates;

/// <summary>
/// Keeps the control plane's certificates in a Secret, and puts the bundle into the webhook configurations that the chart has made. Needs get, create and update of
/// that Secret, and, with webhooks, get and update of those two configurations; the names are fixed, so the rights can name them. Calls one after the other.
/// </summary>
/// <param name="client">The cluster.</param>
/// <param name="space">Namespace of the Secret.</param>
/// <param name="service">The control plane's Service, <c>NAME.NAMESPACE</c>: other entries of a configuration are left alone.</param>
internal sealed class ClusterCertificates(KubernetesClient client, string space, string service) : ICertificateStore, ICaBundleTarget
{
    /// <summary>Name of the Secret; of a time when only the webhooks had a certificate.</summary>
    public const string SecretName = "mesh-webhook-certificates";

    /// <summary>Name of the mutating configuration.</summary>
    public const string InjectorName = "mesh-sidecar-injector";

    /// <summary>Name of the validating configuration.</summary>
    public const string ValidatorName = "mesh-rule-validator";

    private const string Json = "application/json";
    private const string Configurations = "/apis/admissionregistration.k8s.io/v1";

    private readonly string _secrets = $"/api/v1/namespaces/{space}/secrets";
    private JsonObject? _secret; // as it was read last
    private string? _version; // of it

    /// <inheritdoc/>
    public async Task<KeptCertificates?> ReadAsync(CancellationToken cancellationToken)
    {
        JsonObject? secret = await GetAsync($"{_secrets}/{SecretName}", cancellationToken);
        _secret = secret;
        _version = (string?)secret?["metadata"]?["resourceVersion"];
        JsonObject? data = secret?["data"] as JsonObject;
        return Of("ca.crt") is { } authority && Of("ca.key") is { } authorityKey && Of("tls.crt") is { } certificate && Of("tls.key") is { } key
            ? new KeptCertificates(authority, authorityKey, certificate, key)
            {
                Next = Of("next.crt") is { } next && Of("next.key") is { } nextKey ? (next, nextKey) : null,
                Former = Of("former.crt"),
            }
            : null;

        string? Of(string name) => data?[name] is JsonValue value && value.TryGetValue(out string? text)
            && Convert.TryFromBase64String(text, new byte[text.Length], out _) ? Encoding.UTF8.GetString(Convert.FromBase64String(text)) : null;
    }

    /// <inheritdoc/>
    public async Task<bool> TryWriteAsync(KeptCertificates? former, KeptCertificates certificates, CancellationToken cancellationToken)
    {
        JsonObject data = [];
        Add("ca.crt", certificates.Authority);
        Add("ca.key", certificates.AuthorityKey);
        Add("tls.crt", certificates.Certificate);
        Add("tls.key", certificates.Key);
        Add("next.crt", certificates.Next?.Certificate);
        Add("next.key", certificates.Next?.Key);
        Add("former.crt", certificates.Former);
        JsonObject secret = _secret is not null ? (JsonObject)_secret.DeepClone() : new() // labels and annotations are others'
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Secret",
            ["metadata"] = new JsonObject { ["name"] = SecretName, ["namespace"] = space },
            ["type"] = "Opaque",
        };
        secret["data"] = data; // and the version as it was read: whoever wrote since then was faster

        (HttpMethod method, string path) = _version is null ? (HttpMethod.Post, _secrets) : (HttpMethod.Put, $"{_secrets}/{SecretName}");
        using ApiAnswer answer = await client.SendAsync(method, path, secret, Json, cancellationToken);
        return answer.Failure switch
        {
            null => true,
            { Kind: FailureKind.Conflict or FailureKind.AlreadyExists } => false,
            { Kind: FailureKind.NotFound } when _version is not null => false, // deleted meanwhile; else there is no such namespace
            { } failure => throw new IOException($"secret {space}/{SecretName}: {failure.Message}"),
        };

        void Add(string name, string? text)
        {
            if (text is not null)
            {
                data[name] = Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
            }
        }
    }

    /// <inheritdoc/>
    public async Task PublishAsync(string bundle, CancellationToken cancellationToken)
    {
        string encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes(bundle));
        foreach (string path in (string[])
            [$"{Configurations}/mutatingwebhookconfigurations/{InjectorName}", $"{Configurations}/validatingwebhookconfigurations/{ValidatorName}"])
        {
            if (await GetAsync(path, cancellationToken) is not { } configuration || !SetBundle(configuration, encoded))
            {
                continue; // not installed, or right already
            }

            using ApiAnswer answer = await client.SendAsync(HttpMethod.Put, path, configuration, Json, cancellationToken);
            if (answer.Failure is { } failure)
            {
                throw new IOException($"{path}: {failure.Message}");
            }
        }
    }

    private bool SetBundle(JsonObject configuration, string encoded)
    {
        bool isChanged = false;
        foreach (JsonObject webhook in (configuration["webhooks"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (webhook["clientConfig"] is JsonObject own && $"{own["service"]?["name"]}.{own["service"]?["namespace"]}" == service
                && (string?)own["caBundle"] != encoded)
            {
                own["caBundle"] = encoded;
                isChanged = true;
            }
        }

        return isChanged;
    }

    /// <summary>The object, null when it does not exist.</summary>
    private async Task<JsonObject?> GetAsync(string path, CancellationToken cancellationToken)
    {
        using ApiAnswer answer = await client.GetAsync(path, cancellationToken);
        return answer.Failure switch
        {
            null => JsonNode.Parse(answer.Object.GetRawText()) as JsonObject,
            { Kind: FailureKind.NotFound } => null,
            { } failure => throw new IOException($"{path}: {failure.Message}"),
        };
    }
}
