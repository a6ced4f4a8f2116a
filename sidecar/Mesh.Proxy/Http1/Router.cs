using System.Net;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Routing;

namespace Mesh.Proxy.Http1;

/// <summary>Where a request goes: a route and a cluster, or an answer of our own. Stateless.</summary>
internal static class Router
{
    /// <summary>Chooses where <paramref name="request"/> goes, by which match; null when nowhere, and <see cref="Refusal"/> says why.</summary>
    public static RouteChoice? Choose(ProxyContext context, ListenerSide side, RequestHead request, out RouteMatch? match)
    {
        match = null;
        if (side.Only is { } only)
        {
            return only;
        }

        if (Host(context, request) is not { } host)
        {
            return null;
        }

        if (host.HasNoRoutes)
        {
            return host.Unrouted;
        }

        match = host.Find(View(request));
        return match is null ? null : match.Route.Pick(context.Runtime.Random)?.Choice ?? match.Route.Nowhere;
    }

    /// <summary>Why nothing could be chosen, with the name that stands for the route in the access log.</summary>
    public static ProxyError Refusal(ProxyContext context, RequestHead request, out string? routeName)
    {
        routeName = Host(context, request)?.Config.Name;
        return routeName is not null ? ProxyErrors.NoRoute()
            : IsOwn(request.Authority, context.OwnAddresses()) ? ProxyErrors.Loop() : ProxyErrors.UnknownService();
    }

    private static VirtualHost? Host(ProxyContext context, RequestHead request) =>
        context.Routes().Find(request.Authority) is { } host && (request.IsConnect || !host.Config.IsTunnelOnly) ? host : null;

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
