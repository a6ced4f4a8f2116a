using System.Net;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http;

/// <summary>What every connection of the process shares. Thread-safe.</summary>
internal sealed class ProxyContext
{
    private bool _isDraining;
    private bool _isInboundDraining;

    /// <summary>Clock, chance, log.</summary>
    public required ProxyRuntime Runtime { get; init; }

    /// <summary>Clusters.</summary>
    public required ClusterManager Clusters { get; init; }

    /// <summary>Process counters.</summary>
    public required ProxyStats Stats { get; init; }

    /// <summary>Told of every finished request.</summary>
    public required IRequestSink Sink { get; init; }

    /// <summary>The last decisions.</summary>
    public DecisionLog Decisions => Clusters.Decisions;

    /// <summary>Calls whose callers come back for the answer.</summary>
    public AsyncReplyStore AsyncReplies => Clusters.AsyncReplies;

    /// <summary>Serves a request on a connection of our own, from its first byte to its disposal; never throws. Set by who serves connections.</summary>
    public Func<CallConnection, ListenerSide, Task> ServeOwn { get; set; } = static (_, _) => Task.CompletedTask;

    /// <summary>Routes in force now; captured once a request.</summary>
    public required Func<RouteTable> Routes { get; init; }

    /// <summary>What becomes of calls for a destination that no service names.</summary>
    public Func<OutboundTrafficPolicy> OutboundPolicy { get; init; } = static () => default;

    /// <summary>Addresses that this sidecar itself listens on: a request for one of them would come back for ever.</summary>
    public required Func<IReadOnlyCollection<IPEndPoint>> OwnAddresses { get; init; }

    /// <summary>Limits of the HTTP/1.1 parsers.</summary>
    public Http1Limits Http1Limits { get; init; } = Http1Limits.Default;

    /// <summary>Limits of time and number for clients.</summary>
    public ConnectionLimits Limits { get; init; } = ConnectionLimits.Default;

    /// <summary>Room for request bodies that may be sent again.</summary>
    public RetryMemory RetryMemory { get; init; } = new();

    /// <summary>True from the beginning of a drain: responses say <c>connection: close</c>.</summary>
    public bool IsDraining
    {
        get => Volatile.Read(ref _isDraining);
        set => Volatile.Write(ref _isDraining, value);
    }

    /// <summary>True from the beginning of a drain of the inbound side: the application still lives and calls.</summary>
    public bool IsInboundDraining
    {
        get => Volatile.Read(ref _isInboundDraining);
        set => Volatile.Write(ref _isInboundDraining, value);
    }

    /// <summary>Fires when a drain has had its time: ends relays and connects, which an abort of the client's connection alone may not wake.</summary>
    public CancellationToken CutOff { get; init; }

    /// <summary>Whether connections of a side end with their present request.</summary>
    public bool Drains(ListenerSide side) => IsDraining || (side.IsInbound && IsInboundDraining);

    /// <summary>Timestamp now.</summary>
    public long Now => Runtime.Time.GetTimestamp();

    /// <summary>Time since <paramref name="timestamp"/>.</summary>
    public TimeSpan Since(long timestamp) => Runtime.Time.GetElapsedTime(timestamp);

    /// <summary>Time between two timestamps.</summary>
    public TimeSpan Between(long from, long to) => Runtime.Time.GetElapsedTime(from, to);
}

/// <summary>One side of the sidecar: where its connections come from and where they may go.</summary>
/// <param name="IsInbound">True in front of the application.</param>
/// <param name="Cluster">The one cluster of an inbound or TCP listener; null routes by authority.</param>
/// <param name="Stats">Counters of the side.</param>
internal sealed record ListenerSide(bool IsInbound, string? Cluster, DownstreamStats Stats)
{
    /// <summary>The one cluster of an inbound or TCP listener; null routes by authority.</summary>
    public string? Cluster
    {
        get;
        init
        {
            field = value;
            Only = OnlyTo(value);
        }
    } = Cluster;

    /// <summary>Where every request goes, under Istio's name for the route; null when that depends on its authority.</summary>
    public RouteChoice? Only { get; private init; } = OnlyTo(Cluster);

    /// <summary>Where the connections of a TCP listener go, in place of <see cref="Cluster"/>; null for the others.</summary>
    public Transport.TcpTarget? Target { get; init; }

    /// <summary>The kernel's TPROXY rules bring connections here, with the dialled address as their own.</summary>
    public bool IsTransparent { get; init; }

    /// <summary>Nobody but the kernel's rules brings connections here from outside the machine; who dials the listener itself is closed.</summary>
    public bool IsIntercepted { get; init; }

    /// <summary>Where the one connection that this side is made for was going before it was redirected; null for all others.</summary>
    public IPEndPoint? Destination { get; init; }

    /// <summary>Where a redirected connection goes when it is not for this side after all: bytes on a port of HTTP, a server name that no route has. Null for all others.</summary>
    public ListenerSide? Otherwise { get; init; }

    private static RouteChoice? OnlyTo(string? cluster) => cluster is null ? null : new RouteChoice("default", cluster);
}
