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

    /// <summary>Where a host goes that no service has, under Istio's name for the route: no limit of time, no retries.</summary>
    private static readonly RouteChoice AllowAny = new("allow_any", BuiltInClusters.PassthroughByName);

    /// <summary>Chooses where <paramref name="request"/> goes, by which match; null when nowhere, and <see cref="Refusal"/> says why.</summary>
    public static RouteChoice? Choose(ProxyContext context, ListenerSide side, RequestHead request, out RouteMatch? match)
    {
        match = null;
        if (side.Only is { } only)
        {
            return only;
        }

        if (context.Routes().Find(request.Authority) is not { } host)
        {
            return PassesThrough(context, request.Authority) ? AllowAny : null;
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
        routeName = context.Routes().Find(request.Authority)?.Config.Name;
        if (routeName is not null)
        {
            return ProxyErrors.NoRoute();
        }

        bool isLoop = IsOwn(request.Authority, context.OwnAddresses());
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

    /// <summary>What routes look at of <paramref name="request"/>.</summary>
    public static RequestView View(RequestHead request) =>
        new(request.Method, request.Path, request.Authority, Scheme(request.Headers), request.Headers);

    // As Envoy, which believes whoever is in front of it.
    private static ReadOnlySpan<byte> Scheme(HeaderBlock headers)
    {
        int at = headers.Find(KnownHeader.ForwardedProto);
        return at >= 0 && KnownHeaders.Is(headers.Value(at), "https"u8) ? "https"u8 : "http"u8;
    }

    private static bool PassesThrough(ProxyContext context, ReadOnlySpan<byte> authority) =>
        context.OutboundPolicy() == OutboundTrafficPolicy.AllowAny && HostPort.TryParse(authority, out _) && !IsOwn(authority, context.OwnAddresses());

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
