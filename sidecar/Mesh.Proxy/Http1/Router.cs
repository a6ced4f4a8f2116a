using System.Net;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

/// <summary>Where a request goes: a cluster and the route's name, or an answer of our own. Stateless.</summary>
internal static class Router
{
    /// <summary>Route name of an inbound request, as Istio's.</summary>
    private const string InboundRoute = "default";

    /// <summary>Finds the cluster for <paramref name="authority"/> and what its route says of time and retries; null with the error to answer.</summary>
    public static Cluster? Match(
        ProxyContext context, ListenerSide side, ReadOnlySpan<byte> authority, out string? routeName, out RequestPolicy policy, out ProxyError error)
    {
        error = default;
        policy = default;
        string? name = side.Cluster;
        routeName = name is null ? null : InboundRoute;
        if (name is null)
        {
            if (context.Routes().Find(authority) is not { } host)
            {
                error = IsOwn(authority, context.OwnAddresses()) ? ProxyErrors.Loop() : ProxyErrors.UnknownService();
                return null;
            }

            (name, routeName) = (host.Cluster, host.Name);
            policy = host.Routes is [var route, ..] ? new(route.Retry, route.Timeout, route.Source) : new(host.Retry);
        }

        Cluster? cluster = context.Clusters.Find(name);
        if (cluster is null)
        {
            error = ProxyErrors.NoCluster();
        }

        return cluster;
    }

    // Only asked when no service has this name, so it may take its time.
    private static bool IsOwn(ReadOnlySpan<byte> authority, IReadOnlyCollection<IPEndPoint> own)
    {
        if (!HostPort.TryParse(authority, out HostPort parsed))
        {
            return false;
        }

        string host = Encoding.ASCII.GetString(authority[parsed.Host]).Trim('[', ']');
        int port = parsed.Port == 0 ? 80 : parsed.Port;
        IPAddress? address = host.Equals("localhost", StringComparison.OrdinalIgnoreCase) ? IPAddress.Loopback
            : IPAddress.TryParse(host, out IPAddress? literal) ? literal : null;
        return address is not null && own.Any(o => o.Port == port &&
            (o.Address.Equals(address) || o.Address.Equals(IPAddress.Any) || o.Address.Equals(IPAddress.IPv6Any)));
    }
}
