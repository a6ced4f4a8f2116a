using System.Text.Json;
using Mesh.Rules.Snapshots;

namespace Mesh.Sidecar.Admin;

/// <summary>What <c>/config_dump</c> says of a cluster's wire: TLS, PROXY protocol, tunnel. Paths of files, never what is in them.</summary>
internal static class WirePage
{
    public static void Write(Utf8JsonWriter json, ClusterConfig cluster)
    {
        WriteTls(json, cluster.Tls);
        json.WriteString("proxy_protocol", cluster.ProxyProtocol == ProxyProtocolVersion.None ? null : cluster.ProxyProtocol.ToString());
        json.WriteString("tunnel", cluster.Tunnel is { } tunnel ? $"{(tunnel.UsesPost ? "POST" : "CONNECT")} {tunnel.Target}" : null);
    }

    private static void WriteTls(Utf8JsonWriter json, UpstreamTlsConfig? tls)
    {
        if (tls is null)
        {
            json.WriteNull("tls");
            return;
        }

        json.WriteStartObject("tls");
        json.WriteString("source", tls.Source);
        json.WriteString("sni", tls.Sni);
        json.WriteBoolean("insecure_skip_verify", tls.SkipsVerification);
        json.WriteStartArray("subject_alt_names");
        foreach (string name in tls.SubjectAltNames.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            json.WriteStringValue(name);
        }

        json.WriteEndArray();
        json.WriteString("ca_certificates", tls.Files.CaCertificates.Length > 0 ? tls.Files.CaCertificates : "system");
        json.WriteString("client_certificate", tls.Files.ClientCertificate.Length > 0 ? tls.Files.ClientCertificate : null);
        json.WriteString("private_key", tls.Files.PrivateKey.Length > 0 ? tls.Files.PrivateKey : null);
        json.WriteString("ca_crl", tls.Files.RevocationList.Length > 0 ? tls.Files.RevocationList : null);
        json.WriteEndObject();
    }
}
