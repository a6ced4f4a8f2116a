using System.Globalization;
using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Transport;

/// <summary>Tells what a connection to the outbound or inbound listener is, by where it was going: for the listener itself, for a service, or for nobody we know. Thread-safe.</summary>
internal sealed class Redirection(ProxyContext context)
{
    private volatile DestinationTable _destinations = DestinationTable.Empty;

    /// <summary>TCP services; replaced whole.</summary>
    public DestinationTable Destinations
    {
        get => _destinations;
        set => _destinations = value;
    }

    /// <summary>The side that serves <paramref name="connection"/>; null when it must be closed, which has been counted then.</summary>
    public ListenerSide? Place(ConnectionContext connection, ListenerSide side)
    {
        // Who calls from loopback dialled loopback, and that is never redirected (semantics 9.2): an explicit proxy costs no question to the kernel.
        IPEndPoint? caller = OriginalDestination.Plain(connection.RemoteEndPoint);
        if (caller is null || IPAddress.IsLoopback(caller.Address))
        {
            return side;
        }

        if (side.Target is null && Dialled(connection, side) is { } destination)
        {
            return PlaceRedirected(destination, caller, side);
        }

        if (!side.IsInbound || side.IsIntercepted)
        {
            side.Stats.CxNotRedirected.Add(); // an open proxy for the whole network is nobody's wish, nor a way past the address of the application
            return null;
        }

        return side;
    }

    private IPEndPoint? Dialled(ConnectionContext connection, ListenerSide side)
    {
        IPEndPoint? dialled = OriginalDestination.Of(connection);
        if (dialled is not null || !side.IsTransparent)
        {
            return dialled;
        }

        // A socket of a TPROXY rule has the dialled address as its own; only the ports tell whether the listener itself was meant.
        IPEndPoint? local = OriginalDestination.Plain(connection.LocalEndPoint);
        return local is null || OwnAddress.HasPort(context.OwnAddresses(), local.Port) ? null : local;
    }

    private ListenerSide? PlaceRedirected(IPEndPoint destination, IPEndPoint caller, ListenerSide side)
    {
        if (IsOwn(destination, caller.Address, side.IsInbound))
        {
            side.Stats.CxLoop.Add();
            return null;
        }

        return side.IsInbound ? PlaceInbound(side.IsTransparent ? InNameOf(caller, destination) : destination, side) : PlaceOutbound(destination, side);
    }

    // TPROXY keeps both addresses, so the application is to see its client's. An address of one link would need to be said with its interface.
    private static IPEndPoint InNameOf(IPEndPoint caller, IPEndPoint destination) => caller.AddressFamily == destination.AddressFamily && !caller.Address.IsIPv6LinkLocal
        ? new BorrowedEndPoint(destination.Address, destination.Port, caller) : destination;

    // On a listener for every address: whoever reaches us through a redirect to our own machine. An outbound caller that dials this machine has that same address.
    private bool IsOwn(IPEndPoint destination, IPAddress caller, bool isInbound) => context.OwnAddresses().Any(o => o.Port == destination.Port && (
        isInbound || o.Address.Equals(destination.Address) ||
        ((o.Address.Equals(IPAddress.Any) || o.Address.Equals(IPAddress.IPv6Any)) && (destination.Address.Equals(caller) || IPAddress.IsLoopback(destination.Address)))));

    private ListenerSide PlaceInbound(IPEndPoint destination, ListenerSide side)
    {
        if (side.Cluster == BuiltInClusters.InboundPassthrough)
        {
            // In front of a whole pod: a port that one of its services has is that service's.
            string ofPort = string.Create(CultureInfo.InvariantCulture, $"inbound|{destination.Port}||");
            return side with { Destination = destination, Cluster = context.Clusters.Find(ofPort) is null ? side.Cluster : ofPort };
        }

        // Before the first rules, and where somebody redirects for reasons of his own, all is the application's.
        Cluster? app = side.Cluster is { } name ? context.Clusters.Find(name) : null;
        bool isKnown = app is null || !side.IsIntercepted || (app.Config.Port == destination.Port || app.Endpoints.Any(e => e.Addresses[0].Port == destination.Port));
        return side with { Destination = destination, Cluster = isKnown ? side.Cluster : BuiltInClusters.InboundPassthrough };
    }

    // As Istio: a service with that address, else by Host if HTTP is spoken on that port at all, else a service that is known by its port alone, else nobody.
    private ListenerSide PlaceOutbound(IPEndPoint destination, ListenerSide side)
    {
        DestinationTable destinations = _destinations;
        ListenerSide nobody = side with
        {
            Destination = destination,
            Cluster = context.OutboundPolicy() == OutboundTrafficPolicy.AllowAny ? BuiltInClusters.Passthrough : BuiltInClusters.BlackHole,
        };
        if (destinations.Find(destination) is { } service)
        {
            return Tcp(service);
        }

        ListenerSide bytes = destinations.FindByPort(destination.Port) is { } ofPort ? Tcp(ofPort) : nobody;
        return context.Routes().HasPort(destination.Port) ? side with { Destination = destination, Otherwise = bytes } : bytes;

        ListenerSide Tcp(DestinationTable.Entry entry) => nobody with { Cluster = entry.Cluster, Target = entry.Target, Otherwise = nobody };
    }
}
