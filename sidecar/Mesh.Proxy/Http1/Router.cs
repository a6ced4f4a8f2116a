using System.Net;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Upstream;
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

        RouteTable routes = context.Routes();
        VirtualHost? host = side.Destination is { } dialled ? routes.Find(request.Authority, dialled) : routes.Find(request.Authority);
        if (host is null || (host.Config.IsTunnelOnly && !request.IsConnect))
        {
            return TryPassThrough(context, side, request, out choice, out error);
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

    /// <summary>The address that an authority names, for a cluster of original destinations without a redirect; null when it is a name, or an address of this proxy itself.</summary>
    public static IPEndPoint? AddressOf(ProxyContext context, ReadOnlySpan<byte> authority) =>
        HostPort.TryParse(authority, out HostPort parsed) && IPAddress.TryParse(Encoding.ASCII.GetString(authority[parsed.Host]), out IPAddress? address)
        && !IsOwn(authority, context.OwnAddresses()) ? new IPEndPoint(address, parsed.Port == 0 ? 80 : parsed.Port) : null;

    /// <summary>What routes look at of <paramref name="request"/>.</summary>
    public static RequestView View(RequestHead request) =>
        new(request.Method, request.Path, request.Authority, Scheme(request.Headers), request.Headers);

    // As Istio: a redirected request for nobody goes where its connection was going, under the name of that route, unless everything must be registered.
    private static bool TryPassThrough(ProxyContext context, ListenerSide side, RequestHead request, out RouteChoice choice, out ProxyError error)
    {
        error = default;
        if (side.Destination is not null && context.OutboundPolicy() == OutboundTrafficPolicy.AllowAny)
        {
            choice = new RouteChoice("allow_any", BuiltInClusters.Passthrough, default);
            return true;
        }

        choice = side.Destination is null ? default : new RouteChoice("block_all", null, default);
        error = side.Destination is null && IsOwn(request.Authority, context.OwnAddresses()) ? ProxyErrors.Loop() : ProxyErrors.UnknownService();
        return false;
    }

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
