using System.Globalization;
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
    private const int DefaultPort = 80;

    /// <summary>Where a request for nobody goes, under Istio's name for the route: no limit of time, no retries. To whatever host it names.</summary>
    private static readonly RouteChoice AllowByName = new("allow_any", BuiltInClusters.PassthroughByName);

    /// <summary>The same of a redirected one: where its connection was going.</summary>
    private static readonly RouteChoice AllowAny = new("allow_any", BuiltInClusters.Passthrough);

    /// <summary>Chooses where <paramref name="request"/> goes, by which match; null when nowhere, and <see cref="Refusal"/> says why.</summary>
    public static RouteChoice? Choose(ProxyContext context, ListenerSide side, RequestHead request, out RouteMatch? match)
    {
        match = null;
        if (side.Only is { } only)
        {
            return only;
        }

        VirtualHost? host = Find(context, side, request);
        if (host is null)
        {
            return !PassesThrough(context, side, request.Authority) ? null : side.Destination is null ? AllowByName : AllowAny;
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
        routeName = Find(context, side, request)?.Config.Name;
        if (routeName is not null)
        {
            return ProxyErrors.NoRoute();
        }

        bool isLoop = side.Destination is null && IsOwn(request.Authority, context.OwnAddresses());
        routeName = isLoop ? null : "block_all"; // Istio's name for it
        return isLoop ? ProxyErrors.Loop() : ProxyErrors.UnknownService();
    }

    /// <summary>The host and port that <paramref name="authority"/> names, as endpoints that are made on demand are identified; null when it names none.</summary>
    /// <param name="authority">Authority of the request.</param>
    /// <param name="port">The port to go to; 0 is the one that it names.</param>
    public static string? TargetOf(ReadOnlySpan<byte> authority, int port)
    {
        if (!HostPort.TryParse(authority, out HostPort parsed))
        {
            return null;
        }

        string host = Encoding.ASCII.GetString(authority[parsed.Host]).ToLowerInvariant().TrimEnd('.');
        return string.Create(CultureInfo.InvariantCulture, $"{host}:{(port > 0 ? port : parsed.Port == 0 ? DefaultPort : parsed.Port)}");
    }

    /// <summary>The address that an authority names, for a cluster of original destinations without a redirect; null when it is a name, or an address of this proxy itself.</summary>
    public static IPEndPoint? AddressOf(ProxyContext context, ReadOnlySpan<byte> authority) =>
        HostPort.TryParse(authority, out HostPort parsed) && IPAddress.TryParse(Encoding.ASCII.GetString(authority[parsed.Host]), out IPAddress? address)
        && !IsOwn(authority, context.OwnAddresses()) ? new IPEndPoint(address, parsed.Port == 0 ? DefaultPort : parsed.Port) : null;

    /// <summary>What routes look at of <paramref name="request"/>.</summary>
    public static RequestView View(RequestHead request) =>
        new(request.Method, request.Path, request.Authority, Scheme(request.Headers), request.Headers);

    private static VirtualHost? Find(ProxyContext context, ListenerSide side, RequestHead request)
    {
        RouteTable routes = context.Routes();
        VirtualHost? host = side.Destination is { } dialled ? routes.Find(request.Authority, dialled) : routes.Find(request.Authority);
        return host is { Config.IsTunnelOnly: true } && !request.IsConnect ? null : host;
    }

    // As Envoy, which believes whoever is in front of it.
    private static ReadOnlySpan<byte> Scheme(HeaderBlock headers)
    {
        int at = headers.Find(KnownHeader.ForwardedProto);
        return at >= 0 && KnownHeaders.Is(headers.Value(at), "https"u8) ? "https"u8 : "http"u8;
    }

    // What a redirected request names does not matter, only where its connection was going, and that is not this proxy. The name of a service that speaks no HTTP is no unknown one.
    private static bool PassesThrough(ProxyContext context, ListenerSide side, ReadOnlySpan<byte> authority) =>
        context.OutboundPolicy() == OutboundTrafficPolicy.AllowAny &&
        (side.Destination is not null || (HostPort.TryParse(authority, out _) && !IsOwn(authority, context.OwnAddresses()) && context.Routes().Find(authority) is null));

    // Only asked when no service has this name, so it may take its time.
    private static bool IsOwn(ReadOnlySpan<byte> authority, IReadOnlyCollection<IPEndPoint> own)
    {
        if (!HostPort.TryParse(authority, out HostPort parsed))
        {
            return false;
        }

        string host = Encoding.ASCII.GetString(authority[parsed.Host]).Trim('[', ']');
        int port = parsed.Port == 0 ? DefaultPort : parsed.Port;
        IPAddress? address = host.Equals("localhost", StringComparison.OrdinalIgnoreCase) ? IPAddress.Loopback
            : IPAddress.TryParse(host, out IPAddress? literal) ? literal : null;
        return address is not null && OwnAddress.IsAmong(own, address, port);
    }
}
