using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Tests.Kubernetes;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Certificates;

public sealed class ClusterCertificatesTests
{
    private const string Group = "admissionregistration.k8s.io";
    private const string Service = "mesh-control-plane.mesh-system";

    [Fact]
    public async Task Renew_TwoReplicas_ShareOneSecret()
    {
        await using ApiDouble server = await StartAsync();
        using KubernetesClient client = server.Client(TimeProvider.System);
        await using ServerCertificates first = New(client);
        await using ServerCertificates second = New(client);

        await Task.WhenAll(first.RenewAsync(default), second.RenewAsync(default)).WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(first.Current!.Thumbprint, second.Current!.Thumbprint);
        JsonObject secret = server.Objects.Get("", "secrets", ClusterCertificates.SecretName, "mesh")!;
        Assert.Equal(["ca.crt", "ca.key", "tls.crt", "tls.key"], ((JsonObject)secret["data"]!).Select(static d => d.Key));
    }

    [Fact]
    public async Task Write_SomebodyWasFaster_IsFalseAndChangesNothing()
    {
        await using ApiDouble server = await StartAsync();
        using KubernetesClient client = server.Client(TimeProvider.System);
        ClusterCertificates slow = new(client, "mesh", Service);
        ClusterCertificates fast = new(client, "mesh", Service);
        KeptCertificates first = new("a", "b", "c", "d") { Next = ("e", "f"), Former = "g" };
        Assert.Null(await slow.ReadAsync(default));
        Assert.Null(await fast.ReadAsync(default));

        Assert.True(await fast.TryWriteAsync(null, first, default));
        Assert.False(await slow.TryWriteAsync(null, first with { Key = "x" }, default)); // it would be made twice

        Assert.Equal(first, await slow.ReadAsync(default));
        Assert.Equal(first, await fast.ReadAsync(default));
        Assert.True(await fast.TryWriteAsync(first, first with { Key = "y" }, default));
        Assert.False(await slow.TryWriteAsync(first, first with { Key = "z" }, default));
        Assert.Equal("y", (await slow.ReadAsync(default))!.Key);
    }

    [Fact]
    public async Task Publish_OwnEntries_AreTrustedAndOthersLeftAlone()
    {
        await using ApiDouble server = await StartAsync();
        Install(server);
        using KubernetesClient client = server.Client(TimeProvider.System);
        ClusterCertificates certificates = new(client, "mesh", Service);

        await certificates.PublishAsync("bundle", default);
        await certificates.PublishAsync("bundle", default);

        JsonArray webhooks = (JsonArray)server.Objects.Get(Group, "mutatingwebhookconfigurations", ClusterCertificates.InjectorName, "")!["webhooks"]!;
        Assert.Equal(Convert.ToBase64String(Encoding.UTF8.GetBytes("bundle")), (string?)webhooks[0]!["clientConfig"]!["caBundle"]);
        Assert.Null(webhooks[1]!["clientConfig"]!["caBundle"]);
        Assert.Equal(1, server.Count("PUT /apis/admissionregistration.k8s.io")); // the second time it is right already; the validator is not installed
    }

    [Fact]
    public async Task Renew_WithoutRights_SaysWhichAndShowsNothing()
    {
        await using ApiDouble server = await StartAsync();
        server.Fail("/secrets", 403);
        using KubernetesClient client = server.Client(TimeProvider.System);
        await using ServerCertificates certificates = New(client);

        IOException error = await Assert.ThrowsAsync<IOException>(() => certificates.RenewAsync(default));

        Assert.StartsWith("/api/v1/namespaces/mesh/secrets/mesh-webhook-certificates: ", error.Message, StringComparison.Ordinal);
        Assert.Null(certificates.Current);
    }

    private static ServerCertificates New(KubernetesClient client)
    {
        ClusterCertificates cluster = new(client, "mesh", Service);
        return new ServerCertificates(cluster, cluster, Service, TimeProvider.System, NullLogger.Instance);
    }

    private static async Task<ApiDouble> StartAsync()
    {
        ApiDouble server = await ApiDouble.StartAsync();
        server.Objects.Serve("", "secrets", "v1").Serve(Group, "mutatingwebhookconfigurations", "v1").Serve(Group, "validatingwebhookconfigurations", "v1");
        return server;
    }

    private static void Install(ApiDouble server) => server.Objects.Put(Group, "mutatingwebhookconfigurations", """
        apiVersion: admissionregistration.k8s.io/v1
        kind: MutatingWebhookConfiguration
        metadata: {name: mesh-sidecar-injector}
        webhooks:
        - {name: pods.mesh.dev, clientConfig: {service: {name: mesh-control-plane, namespace: mesh-system, path: /inject}}}
        - {name: other.example, clientConfig: {service: {name: other, namespace: mesh-system}}}
        """);
}
