using System.Net;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

/// <summary>Where a request goes: a route and a cluster, or an answer of our own. Stateless.</summary>
internal static class Router
{
    // Where requests go that no service answers to, under Istio's name for the route: no limit of time, no retries.
    private static readonly RouteChoice ToDestination = new("allow_any", BuiltInClusters.Passthrough);
    private static readonly RouteChoice ToHost = new("allow_any", BuiltInClusters.PassthroughByName);

    /// <summary>Chooses where <paramref name="request"/> goes, by which match; null when nowhere, and <see cref="Refusal"/> says why.</summary>
    public static RouteChoice? Choose(ProxyContext context, ListenerSide side, RequestHead request, out RouteMatch? match)
    {
        match = null;
        if (side.Only is { } only)
        {
            return only;
        }

        VirtualHost? host = Find(context, side, request);
        if (host is null || !Speaks(host, request))
        {
            return PassThrough(context, side, request.Authority, isKnown: host is not null);
        }

        if (host.HasNoRoutes)
        {
            return host.Unrouted;
        }

        match = host.Find(View(request));
        return match is null ? null : match.Route.Pick(context.Runtime.Random)?.Choice ?? match.Route.Nowhere;
    }

    /// <summary>Why nothing could be chosen, with the name that stands for the route in the access log.</summary>
    public static ProxyError Refusal(ProxyContext context, ListenerSide side, RequestHead request, out string? routeName)
    {
        if (Find(context, side, request) is { } host && Speaks(host, request))
        {
            routeName = host.Config.Name;
            return ProxyErrors.NoRoute();
        }

        bool isLoop = side.Destination is null && IsOwn(request.Authority, context.OwnAddresses());
        routeName = isLoop ? null : "block_all"; // Istio's name for it
        return isLoop ? ProxyErrors.Loop() : ProxyErrors.UnknownService();
    }

    /// <summary>The address that an authority names, for a cluster of original destinations without a redirect; null when it is a name, or an address of this proxy itself.</summary>
    public static IPEndPoint? AddressOf(ProxyContext context, ReadOnlySpan<byte> authority) =>
        HostPort.TryParse(authority, out HostPort parsed) && IPAddress.TryParse(Encoding.ASCII.GetString(authority[parsed.Host]), out IPAddress? address)
        && !IsOwn(authority, context.OwnAddresses()) ? new IPEndPoint(address, parsed.Port == 0 ? HostPort.DefaultPort : parsed.Port) : null;

    /// <summary>What routes look at of <paramref name="request"/>.</summary>
    public static RequestView View(RequestHead request) =>
        new(request.Method, request.Path, request.Authority, Scheme(request.Headers), request.Headers);

    private static VirtualHost? Find(ProxyContext context, ListenerSide side, RequestHead request)
    {
        RouteTable routes = context.Routes();
        return side.Destination is { } dialled ? routes.Find(request.Authority, dialled) : routes.Find(request.Authority);
    }

    private static bool Speaks(VirtualHost host, RequestHead request) => !host.Config.IsTunnelOnly || request.IsConnect;

    // As Istio: what no service answers to goes where its connection was going, unless everything must be registered. Without a redirect the host says where.
    private static RouteChoice? PassThrough(ProxyContext context, ListenerSide side, ReadOnlySpan<byte> authority, bool isKnown)
    {
        if (context.OutboundPolicy() != OutboundTrafficPolicy.AllowAny)
        {
            return null;
        }

        return side.Destination is not null ? ToDestination
            : !isKnown && HostPort.TryParse(authority, out _) && !IsOwn(authority, context.OwnAddresses()) ? ToHost : null;
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

        int port = parsed.Port == 0 ? HostPort.DefaultPort : parsed.Port;
        if (!OwnAddress.HasPort(own, port))
        {
            return false;
        }

        string host = Encoding.ASCII.GetString(authority[parsed.Host]).Trim('[', ']');
        IPAddress? address = host.Equals("localhost", StringComparison.OrdinalIgnoreCase) ? IPAddress.Loopback
            : IPAddress.TryParse(host, out IPAddress? literal) ? literal : null;
        return address is not null && OwnAddress.IsAmong(own, address, port);
    }
}
