using System.Net;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

/// <summary>Where a request goes: a route and a cluster, or an answer of our own. Stateless.</summary>
internal static class Router
{
    /// <summary>Route name of an inbound request, as Istio's.</summary>
    private const string InboundRoute = "default";

    /// <summary>Chooses route and cluster for <paramref name="request"/>; false with the error to answer.</summary>
    public static bool TryChoose(ProxyContext context, ListenerSide side, RequestHead request, out RouteChoice choice, out ProxyError error)
    {
        error = default;
        if (side.Cluster is { } only)
        {
            choice = new RouteChoice(InboundRoute, only, default);
            return true;
        }

        if (context.Routes().Find(request.Authority) is not { } host || (host.Config.IsTunnelOnly && !request.IsConnect))
        {
            choice = default;
            error = IsOwn(request.Authority, context.OwnAddresses()) ? ProxyErrors.Loop() : ProxyErrors.UnknownService();
            return false;
        }

        if (host.HasNoRoutes)
        {
            choice = new RouteChoice(host.Config.Name, host.Config.Cluster, new RequestPolicy(host.Config.Retry));
            return true;
        }

        if (host.Find(View(request)) is not { } match)
        {
            choice = new RouteChoice(host.Config.Name, null, default);
            error = ProxyErrors.NoRoute();
            return false;
        }

        HttpRouteConfig route = match.Route.Config;
        RouteTarget? target = match.Route.Pick(context.Runtime.Random);
        choice = new RouteChoice(route.Name, target?.Cluster, new RequestPolicy(route.Retry, route.Timeout, route.Source), match, target);
        return true;
    }

    /// <summary>What routes look at of <paramref name="request"/>.</summary>
    public static RequestView View(RequestHead request) =>
        new(request.Method, request.Path, request.Authority, Scheme(request.Headers), request.Headers);

    // As Envoy, which believes whoever is in front of it.
    private static ReadOnlySpan<byte> Scheme(HeaderBlock headers)
    {
        int at = headers.Find(KnownHeader.ForwardedProto);
        return at >= 0 && KnownHeaders.Is(headers.Value(at), "https"u8) ? "https"u8 : "http"u8;
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
