using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>What decides the look of the wire towards endpoints: tls, proxyProtocol, tunnel (semantics 1.7, 1.8). Pure.</summary>
internal static class TlsCompiler
{
    /// <summary>
    /// TLS, or null for plain text. Without subjectAltNames the certificate must be for the name that is sent: Istio checks no name then if sni is written or
    /// the port is TCP, and takes any certificate of the CA (sidecar/adr/0018).
    /// </summary>
    /// <param name="block">The block in force.</param>
    /// <param name="serviceHost">Full host of the service.</param>
    /// <param name="declaredNames">Names that the service's own entry lists, one a line; the block's list takes their place.</param>
    /// <param name="credentials">Folder of the secrets; empty where a secret's name has no effect.</param>
    public static UpstreamTlsConfig? Tls(SourcedBlock<ClientTlsSettings> block, string serviceHost, string declaredNames, string credentials)
    {
        if (block.Value is not { Mode: "SIMPLE" or "MUTUAL" } tls)
        {
            return null;
        }

        bool isMutual = tls.Mode == "MUTUAL";
        bool skips = tls.InsecureSkipVerify == true;
        string name = string.IsNullOrEmpty(tls.Sni) ? serviceHost : tls.Sni;
        string expected = !tls.SubjectAltNames.IsEmpty ? string.Join('\n', tls.SubjectAltNames) : declaredNames.Length > 0 ? declaredNames : name;
        return new UpstreamTlsConfig
        {
            Sni = name.StartsWith('*') ? "" : name, // of many hosts none in particular
            SubjectAltNames = skips ? "" : expected,
            SkipsVerification = skips,
            Files = credentials.Length > 0 && tls.CredentialName is { Length: > 0 } secret
                ? OfSecret($"{credentials}/{Uri.EscapeDataString(secret).Replace("..", "%2E%2E", StringComparison.Ordinal)}/", isMutual, skips) // never above the folder
                : new TlsFilesConfig(tls.CaCertificates ?? "", isMutual ? tls.ClientCertificate ?? "" : "", isMutual ? tls.PrivateKey ?? "" : "", skips ? "" : tls.CaCrl ?? ""),
            Source = block.Source,
        };
    }

    private static TlsFilesConfig OfSecret(string folder, bool isMutual, bool skips) =>
        new(skips ? "" : folder + "ca.crt", isMutual ? folder + "tls.crt" : "", isMutual ? folder + "tls.key" : "");

    /// <summary>The PROXY protocol header.</summary>
    public static ProxyProtocolVersion ProxyProtocol(ProxyProtocolSettings? settings) => settings switch
    {
        null => ProxyProtocolVersion.None,
        { Version: "V2" } => ProxyProtocolVersion.V2,
        _ => ProxyProtocolVersion.V1,
    };

    /// <summary>The tunnel; as in Istio TCP alone can have one.</summary>
    public static TunnelConfig? Tunnel(TunnelSettings? settings, bool isHttp)
    {
        if (settings is not { TargetHost: { } host, TargetPort: { } port } || isHttp)
        {
            return null;
        }

        string target = string.Create(CultureInfo.InvariantCulture, $"{(host.Contains(':') ? $"[{host}]" : host)}:{port}");
        return new TunnelConfig(target, settings.Protocol == "POST");
    }
}
