using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Mesh.ControlPlane.Hosting;

/// <summary>How the API is guarded: what it shows, and what it wants to see. Nothing of both on plain loopback.</summary>
internal sealed record Door
{
    /// <summary>Certificate chain that was given, with the key in the first; or null.</summary>
    public X509Certificate2Collection? Given { get; init; }

    /// <summary>Our own certificate, when none was given; or null.</summary>
    public IServerCertificates? Own { get; init; }

    /// <summary>Who knows the tokens of callers; or null.</summary>
    public ICallerCheck? Callers { get; init; }

    /// <summary>Namespace whose service accounts may see every page; empty for none.</summary>
    public string Operators { get; init; } = "";

    /// <summary>Counters.</summary>
    public DoorStats Stats { get; init; } = new();

    /// <summary>What makes a listener speak TLS; null for none.</summary>
    public Action<ListenOptions>? Tls =>
        Given is { Count: > 0 } ? listener => listener.UseHttps(https => (https.ServerCertificate, https.ServerCertificateChain) = (Given[0], [.. Given.Skip(1)]))
        : Own is not null ? listener => listener.UseHttps(new OwnHandshakes(Own).Options)
        : null;

    /// <summary>What a sidecar would wait for in vain; null when handshakes can succeed.</summary>
    public string? Missing => Own is { Current: null } ? $"waiting for the certificate: {Own.Trouble ?? "it is being made"}" : null;
}
