using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>A TCP port of a Service.</summary>
/// <param name="Name">Name; empty when the service has one port only and gives it none.</param>
/// <param name="Number">Port number.</param>
/// <param name="Protocol">HTTP, TCP, or <see cref="MeshServicePort.Undeclared"/>.</param>
internal sealed record ServicePort(string Name, int Number, string Protocol);

/// <summary>What we need of a Service.</summary>
/// <param name="Ports">Its TCP ports, ascending.</param>
/// <param name="Addresses">Its own IPs; none for a headless one.</param>
/// <param name="Family">Its first address family, IPv4 or IPv6: a pod with both is dialled by this one.</param>
internal sealed record ServiceObject(ImmutableArray<ServicePort> Ports, ImmutableArray<string> Addresses, string Family)
{
    /// <summary>Reads a Service; null for an ExternalName, which is an alias in DNS and has no endpoints.</summary>
    public static ServiceObject? Read(JsonElement obj)
    {
        JsonElement spec = obj.Find("spec") ?? default;
        if (spec.Text("type") == "ExternalName")
        {
            return null;
        }

        string family = spec.Items("ipFamilies").FirstOrDefault() is { ValueKind: JsonValueKind.String } first ? first.GetString()! : "IPv4";
        return new ServiceObject(
            [
                .. spec.Items("ports").Where(static p => p.Text("protocol") is "" or "TCP" && p.Whole("port") is not null)
                    .Select(static p => new ServicePort(p.Text("name"), p.Whole("port")!.Value, ProtocolOf(p.Text("name"), p.Text("appProtocol"))))
                    .OrderBy(static p => p.Number),
            ],
            [.. spec.Items("clusterIPs").Select(static ip => ip.ToString()).Where(static ip => IPAddress.TryParse(ip, out _))],
            family);
    }

    /// <summary>
    /// The protocol as Istio's users declare it: appProtocol, else the port's name up to its first dash. HTTP/2 passes as bytes, and so does, for callers, a port that
    /// declares nothing: to take a database's port for HTTP would break it.
    /// </summary>
    internal static string ProtocolOf(string name, string appProtocol)
    {
        string word = (appProtocol.Length > 0 ? appProtocol : name.Split('-')[0]).ToLowerInvariant();
        bool isHttp = word is "http" or "grpc-web" or "kubernetes.io/ws" || (appProtocol.Length == 0 && name.StartsWith("grpc-web", StringComparison.OrdinalIgnoreCase));
        bool isDeclared = appProtocol.Length > 0 || word is "tcp" or "tls" or "https" or "http2" or "grpc" or "mongo" or "mysql" or "redis" or "udp";
        return isHttp ? "HTTP" : isDeclared ? "TCP" : MeshServicePort.Undeclared;
    }
}
