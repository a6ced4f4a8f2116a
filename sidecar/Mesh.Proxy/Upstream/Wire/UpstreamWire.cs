using System.Net;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// What a new connection goes through before it counts as made, in this order: PROXY protocol header, TLS, tunnel. All of it belongs to connecting and to its
/// timeout. Immutable.
/// </summary>
/// <param name="Config">Configuration of the cluster at the time.</param>
/// <param name="Files">Files of its TLS block; null without one.</param>
/// <param name="Client">For whom the connection is made, if for one client alone.</param>
/// <param name="Stats">Statistics of the cluster.</param>
internal sealed record UpstreamWire(ClusterConfig Config, TlsFiles? Files, ClientAddresses? Client, ClusterStats Stats)
{
    private static readonly Action<object?> GiveUp = static c => ((ConnectionContext)c!).Abort(new ConnectionAbortedException("Connecting was given up."));

    /// <summary>True when a connected socket is all that is wanted.</summary>
    public static bool IsPlain(ClusterConfig config) => config is { Tls: null, ProxyProtocol: ProxyProtocolVersion.None, Tunnel: null };

    /// <summary>Whether connections to these endpoints look the same: if not, old ones drain.</summary>
    public static bool IsSame(ClusterConfig left, ClusterConfig right) =>
        left.Tls == right.Tls && left.ProxyProtocol == right.ProxyProtocol && left.Tunnel == right.Tunnel;

    /// <summary>The configuration for one endpoint: a cluster of hosts that callers name has no server name of its own, so TLS goes by the host.</summary>
    public static ClusterConfig For(ClusterConfig config, string address)
    {
        if (config is not { Dns: DnsDiscovery.Dynamic, Tls: { } tls })
        {
            return config;
        }

        string host = address[..address.LastIndexOf(':')];
        return config with
        {
            Tls = tls with
            {
                Sni = tls.Sni.Length == 0 && Uri.CheckHostName(host) == UriHostNameType.Dns ? host : tls.Sni,
                SubjectAltNames = tls.SubjectAltNames == config.ServiceHost ? host : tls.SubjectAltNames,
            },
        };
    }

    /// <summary>Takes <paramref name="raw"/> through it; disposes it on failure.</summary>
    public async ValueTask<ConnectResult> PrepareAsync(ConnectionContext raw, CancellationToken cancellationToken)
    {
        if (Files is not null)
        {
            await Files.FirstLook.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (raw.Features.Get<ILoopFeature>() is { } place)
        {
            await new LoopSwitch(place.Loop, place.IsOnLoop);
        }

        ConnectionContext? made;
        string? failure;
        using (cancellationToken.UnsafeRegister(GiveUp, raw))
        {
            (made, failure) = await DressAsync(raw, cancellationToken);
        }

        if (made is not null && !cancellationToken.IsCancellationRequested)
        {
            return new ConnectResult(made, null);
        }

        await (made ?? raw).DisposeAsync();
        return new ConnectResult(null, cancellationToken.IsCancellationRequested ? "connect cancelled" : failure);
    }

    private async ValueTask<(ConnectionContext? Connection, string? Failure)> DressAsync(ConnectionContext raw, CancellationToken cancellationToken)
    {
        if (Config.ProxyProtocol != ProxyProtocolVersion.None && !await SendAddressesAsync(raw))
        {
            return (null, "the connection broke before its PROXY protocol header was sent");
        }

        ConnectionContext made = raw;
        if (Config.Tls is { } tls)
        {
            if (Files!.Current is not { } material)
            {
                Stats.SslNotReady.Add();
                return (null, TlsErrorText.NotReady(Files.Problem));
            }

            bool isHttp = Config.Protocol == ClusterProtocol.Http1;
            (ConnectionContext? encrypted, string? failure) = await new TlsHandshake(tls, material, Stats).RunAsync(raw, isHttp, cancellationToken);
            if (encrypted is null)
            {
                return (null, failure);
            }

            made = encrypted;
        }

        if (Config.Tunnel is { } tunnel)
        {
            (ConnectionContext? tunnelled, string? failure) = await HttpTunnel.OpenAsync(made, tunnel);
            if (tunnelled is null)
            {
                await made.DisposeAsync();
                return (null, failure);
            }

            made = tunnelled;
        }

        return (made, null);
    }

    private async ValueTask<bool> SendAddressesAsync(ConnectionContext raw)
    {
        ClientAddresses own = new(raw.LocalEndPoint as IPEndPoint ?? Unknown(raw), raw.RemoteEndPoint as IPEndPoint ?? Unknown(raw));
        byte[] header = ProxyProtocolHeader.For(Config.ProxyProtocol, Client, own);
        header.CopyTo(raw.Transport.Output.GetMemory(header.Length));
        raw.Transport.Output.Advance(header.Length);
        return await SafePipe.FlushAsync(raw.Transport.Output);
    }

    private static IPEndPoint Unknown(ConnectionContext raw) =>
        new(raw.RemoteEndPoint is IPEndPoint { AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6 } ? IPAddress.IPv6Any : IPAddress.Any, 0);
}
