using System.Net;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Tcp;

/// <summary>One TCP connection through a cluster. A refusal closes the client's connection without a byte, as Envoy does.</summary>
/// <param name="down">The client's connection.</param>
/// <param name="side">Where it came in.</param>
/// <param name="serverName">Server that it asks for by TLS, in lower case; null when it named none, or nobody looked.</param>
/// <param name="context">What all connections share.</param>
internal sealed partial class TcpProxy(ConnectionContext down, ListenerSide side, string? serverName, ProxyContext context)
{
    private readonly RequestRecord _record = new() { IsTcp = true, IsInbound = side.IsInbound };
    private readonly long _startedAt = context.Now;

    /// <summary>Relays until both sides have ended.</summary>
    public async Task RunAsync()
    {
        _record.StartTime = context.Runtime.Time.GetUtcNow();
        _record.DownstreamLocalAddress = (side.Destination ?? down.LocalEndPoint)?.ToString();
        _record.DownstreamRemoteAddress = down.RemoteEndPoint?.ToString();
        _record.RequestedServerName = serverName;
        string name = side.Target?.Pick(context.Runtime.Random, View()) ?? side.Cluster ?? "";
        if (name.Length == 0 && side.Otherwise?.Cluster is { } rest)
        {
            name = rest;
        }

        _record.UpstreamCluster = name;
        Cluster? cluster = context.Clusters.Find(name);
        if (name.Length == 0)
        {
            (_record.Flag, _record.Details) = (ResponseFlag.NR, "filter_chain_not_found");
            _record.Decision = new DecisionRecord(DecisionReason.NoRoute);
        }
        else if (cluster is null)
        {
            (_record.Flag, _record.Details) = (ResponseFlag.NC, "cluster_not_found");
            _record.Decision = new DecisionRecord(DecisionReason.UnknownCluster);
        }
        else if (await EntersAsync(cluster))
        {
            try
            {
                await RelayAsync(cluster);
            }
            finally
            {
                LeavePlace();
            }
        }

        _record.Duration = context.Since(_startedAt);
        if (_record.Decision.IsSet)
        {
            Decided(_record.Decision, cluster);
        }

        context.Sink.OnFinished(_record); // after a refusal nothing was written: the connection closes without a byte, by FIN as Envoy's
    }

    // A connection has no id to ask by: its host has to do.
    private void Decided(in DecisionRecord decision, Cluster? cluster) => context.Decisions.Add(decision, new DecidedRequest
    {
        At = context.Runtime.Time.GetUtcNow(),
        Authority = serverName is null ? default : Encoding.ASCII.GetBytes(serverName),
        IsInbound = side.IsInbound,
        Cluster = cluster?.Name,
        Endpoint = _record.UpstreamHost,
        Flag = _record.Flag,
        Outcome = LocalReply.Text(_record.UpstreamLocalAddress is null ? RequestOutcome.NotSent : RequestOutcome.Unknown),
        Taken = context.Since(_startedAt),
        Load = cluster?.Load ?? default,
    });

    private ConnectionView View() => new(serverName, Address(side.Destination ?? down.LocalEndPoint), Address(down.RemoteEndPoint));

    // A socket for both families gives IPv4 callers addresses of IPv6.
    private static IPAddress? Address(EndPoint? endpoint) => endpoint is not IPEndPoint { Address: { } ip } ? null : ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip;

    private async Task RelayAsync(Cluster cluster)
    {
        // Of a key, bytes without a protocol have the caller's address at most.
        PickContext pick = cluster.Config.Hash?.Source == HashKeySource.SourceIp ? PickContext.OfSource(down.RemoteEndPoint) : default;
        RentResult rent = await cluster.RentTcpAsync(context.CutOff, down.Features.Get<ILoopFeature>()?.Loop, pick with { Client = Client(cluster), Destination = side.Destination, Target = Target(cluster.Config) });
        _record.Destination = rent.Endpoint?.Labels ?? cluster.Labels;
        _record.UpstreamHost = rent.Endpoint?.Address;
        _record.QueueTime = _record.ConnectTime = rent.QueueTime;
        if (rent.Connection is not { } upstream)
        {
            Refused(rent);
            return;
        }

        try
        {
            _record.UpstreamLocalAddress = upstream.LocalAddress;
            cluster.Record(upstream.Endpoint, UpstreamOutcome.TcpConnected, 0);
            context.Sink.OnTcpOpened(_record);
            TcpRelay relay = new(down, upstream, context);
            RelayResult result = await relay.RunAsync(cluster);
            (_record.BytesReceived, _record.BytesSent, _record.Flag) = (result.BytesUp, result.BytesDown, result.Flag);
            _record.TransportFailure = upstream.Failure;
            (_record.WireBytesReceived, _record.WireBytesSent) = (result.BytesUp, result.BytesDown);
            cluster.Stats.CxTxBytes.Add(result.BytesUp);
            cluster.Stats.CxRxBytes.Add(result.BytesDown);
            side.Stats.CxRxBytes.Add(result.BytesUp);
            side.Stats.CxTxBytes.Add(result.BytesDown);
            if (result.Flag == ResponseFlag.DT)
            {
                cluster.Stats.CxMaxDurationReached.Add();
            }
            else if (result.Flag == ResponseFlag.UT)
            {
                cluster.Stats.RqWriteTimeout.Add();
                ProxyError error = ProxyErrors.WriteTimeout(cluster.Config.ResilienceSource, cluster.Config.WriteTimeout);
                (_record.Details, _record.Decision) = (error.Details, error.Decision);
            }
        }
        finally
        {
            upstream.Release(reusable: false);
        }
    }

    /// <summary>The host to resolve on demand: the server name of TLS.</summary>
    private string? Target(ClusterConfig config) => config.Dns == DnsDiscovery.Dynamic && serverName is not null
        ? HostPort.TargetOf(Encoding.ASCII.GetBytes(serverName), config.OnDemandPort > 0 ? config.OnDemandPort : config.Port) : null;

    /// <summary>Whom a PROXY protocol header has to name; null when there is to be none.</summary>
    private ClientAddresses? Client(Cluster cluster) =>
        cluster.Config.ProxyProtocol != ProxyProtocolVersion.None && down is { RemoteEndPoint: IPEndPoint source, LocalEndPoint: IPEndPoint local }
            ? new ClientAddresses(source, side.Destination ?? local)
            : null;

    private void Refused(in RentResult rent)
    {
        _record.Decision = rent.Decision;
        _record.TransportFailure = rent.FailureText;
        (_record.Flag, _record.SecondFlag) = rent.Status switch
        {
            RentStatus.Overflow when rent.Decision.Reason == DecisionReason.PendingOverflow => (ResponseFlag.URX, ResponseFlag.None),
            RentStatus.Overflow or RentStatus.PendingTimeout => (ResponseFlag.UO, ResponseFlag.None),
            RentStatus.NoHealthyUpstream => (ResponseFlag.UH, ResponseFlag.None),
            RentStatus.NameNotResolved => (ResponseFlag.DF, ResponseFlag.None),
            RentStatus.Cancelled => (ResponseFlag.DC, ResponseFlag.None), // by the end of a drain
            _ => (ResponseFlag.UF, ResponseFlag.URX), // one connect attempt, and it is used up
        };
    }
}
