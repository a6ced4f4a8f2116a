using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Injection;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Puts the door together from what the options ask for. Stateless.</summary>
internal static class DoorBuilder
{
    /// <summary>The certificate of our own, which webhooks and in a cluster the API show; null when nobody is shown it.</summary>
    /// <param name="options">Completed options.</param>
    /// <param name="cluster">The cluster that keeps it; null for a folder.</param>
    /// <param name="runtime">Clock and log.</param>
    public static ServerCertificates? Certificates(ServeOptions options, ClusterSource? cluster, (TimeProvider Time, ILoggerFactory Logs) runtime)
    {
        if (options.WebhookListen is null && !options.HasOwnCertificate)
        {
            return null;
        }

        ClusterCertificates? secret = cluster is null ? null : new(cluster.Client, cluster.Namespace, options.WebhookService);
        CertificateFolder? folder = cluster is null ? new(Path.Combine(options.Data, "webhook")) : null;
        return new ServerCertificates(
            (ICertificateStore?)secret ?? folder!,
            options.WebhookListen is null ? null : (ICaBundleTarget?)secret ?? folder!,
            options.WebhookService,
            runtime.Time,
            runtime.Logs.CreateLogger<ServerCertificates>());
    }

    /// <summary>The door. In a cluster its API server judges tokens, and its namespaces are told what certificate to trust.</summary>
    /// <param name="options">Completed options.</param>
    /// <param name="given">Certificate and token that the options name.</param>
    /// <param name="own">Our own certificate, or null.</param>
    /// <param name="inside">The cluster, or null, and what is injected into it.</param>
    /// <param name="runtime">Clock, chance and log.</param>
    public static Door Build(
        ServeOptions options,
        (X509Certificate2Collection? Certificates, TokenFile? Token) given,
        ServerCertificates? own,
        (ClusterSource? Cluster, InjectionSettings Injection) inside,
        (TimeProvider Time, Random Random, ILoggerFactory Logs) runtime)
    {
        Door door = new() { Given = given.Certificates, Own = options.HasOwnCertificate ? own : null, Callers = given.Token };
        if (inside.Cluster is not { } cluster || (door.Given is null && door.Own is null))
        {
            return door;
        }

        cluster.Roots = Roots(options, own, (cluster, inside.Injection), runtime);
        TokenReviews reviews = new(cluster.Client, door.Stats, (runtime.Time, runtime.Random, runtime.Logs.CreateLogger<TokenReviews>()));
        return door with { Callers = given.Token is null ? reviews : new EitherCheck(given.Token, reviews), Operators = cluster.Operators };
    }

    private static RootConfigMaps? Roots(
        ServeOptions options,
        ServerCertificates? own,
        (ClusterSource Cluster, InjectionSettings Injection) inside,
        (TimeProvider Time, Random Random, ILoggerFactory Logs) runtime)
    {
        if (options.TlsCert is not null && options.TlsCa is null)
        {
            return null; // a person sees to it
        }

        Func<string?> bundle = options.TlsCa is { } file ? new RootFile(file, runtime.Logs.CreateLogger<RootFile>()).Read : () => own!.Bundle;
        ClusterSource cluster = inside.Cluster;
        RootConfigMaps roots = new(
            cluster.Client,
            () => cluster.Elector.IsLeader,
            bundle,
            inside.Injection.IgnoredNamespaces.Remove(cluster.Namespace), // people look it up here
            (runtime.Time, runtime.Random, runtime.Logs.CreateLogger<RootConfigMaps>()));
        cluster.Elector.Changed += roots.Wake;
        if (options.TlsCa is null)
        {
            own!.BundleChanged += roots.Wake;
        }

        return roots;
    }
}
