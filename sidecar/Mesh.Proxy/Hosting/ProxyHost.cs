using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Dns;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Hosting;

/// <summary>
/// The whole data plane: transport, listeners, clusters, applier, put together by hand. Start binds the two fixed listeners; snapshots come through
/// <see cref="Applier"/>; a drain ends it. Thread-safe but for start and dispose.
/// </summary>
public sealed class ProxyHost : IAsyncDisposable
{
    /// <summary>Longest wait for connections that were cut off to notice.</summary>
    private static readonly TimeSpan AbortGrace = TimeSpan.FromSeconds(5);

    private readonly ProxyOptions _options;
    private readonly ProxyContext _context;
    private readonly ConnectionRegistry _registry = new();
    private readonly ListenerServices _listening;
    private readonly DataTransport _transport;
    private ImmutableArray<Listener> _fixed = []; // read by connections while the next listener is bound
    private volatile Own _own = new(default, default, []);
    private readonly CancellationTokenSource _cutOff = new();
    private bool _isDisposed;

    /// <summary>Puts the parts together; nothing is bound yet.</summary>
    /// <param name="runtime">Clock, chance, log.</param>
    /// <param name="options">Addresses.</param>
    /// <param name="stats">Process counters.</param>
    /// <param name="sink">Told of every finished request.</param>
    /// <param name="onEjection">Told of every ejection and return; must not block or throw.</param>
    public ProxyHost(ProxyRuntime runtime, ProxyOptions options, ProxyStats stats, IRequestSink sink, Action<EjectionEvent> onEjection)
    {
        _options = options;
        BackgroundWork background = new(runtime.Loggers.CreateLogger<ProxyHost>(), stats.UnexpectedExceptions);
        _transport = DataTransport.Start(options.Transport, options.Concurrency, runtime.Loggers, background);
        Clusters = new ClusterManager(runtime, _transport.Connector, onEjection, stats, new DnsClient(runtime, new DnsSources(options.Dns)))
        {
            InboundSource = options.PassthroughSource,
            InboundSourceV6 = options.Interception != InterceptionMode.None ? InboundSource.FindV6(options.PassthroughSource) : null,
            IsIntercepted = options.Interception != InterceptionMode.None,
            OwnAddresses = OwnAddresses,
        };
        Applier = new SnapshotApplier(Clusters, null, runtime, stats);
        _context = new ProxyContext
        {
            Runtime = runtime,
            Clusters = Clusters,
            Stats = stats,
            Sink = sink,
            Routes = () => Applier.State.Routes,
            OutboundPolicy = () => Applier.State.Snapshot.OutboundPolicy,
            OwnAddresses = OwnAddresses,
            CutOff = _cutOff.Token,
            Limits = options.Limits,
        };
        _listening = new ListenerServices(
            _transport.Listeners, new ConnectionDispatcher(_context, _registry), background, stats, runtime.Time, runtime.Loggers.CreateLogger<Listener>())
        {
            IsRedirected = options.Interception != InterceptionMode.None,
        };
        Listeners = new ListenerManager(_listening);
        Applier.Listeners = Listeners;
    }

    /// <summary>Clusters in force.</summary>
    public ClusterManager Clusters { get; }

    /// <summary>The door for snapshots.</summary>
    public SnapshotApplier Applier { get; }

    /// <summary>TCP listeners of service entries.</summary>
    public ListenerManager Listeners { get; }

    /// <summary>Snapshot and routes in force.</summary>
    public ProxyState State => Applier.State;

    /// <summary>Bound outbound address; null before start or when there is none.</summary>
    public IPEndPoint? Outbound { get; private set; }

    /// <summary>Bound inbound address; null before start or when there is none.</summary>
    public IPEndPoint? Inbound { get; private set; }

    /// <summary>True from the beginning of a drain.</summary>
    public bool IsDraining => _context.IsDraining;

    /// <summary>Client connections now.</summary>
    public int Connections => _registry.Count;

    /// <summary>Binds the outbound and the inbound listener.</summary>
    /// <exception cref="IOException">An address cannot be bound; the message names it.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_options.Outbound is { } outbound)
        {
            Outbound = await BindAsync(outbound, new ListenerSide(IsInbound: false, null, _context.Stats.Outbound));
        }

        if (_options.Inbound is { } inbound)
        {
            Inbound = await BindAsync(inbound, new ListenerSide(IsInbound: true, _options.InboundCluster ?? BuiltInClusters.InboundPassthrough, _context.Stats.Inbound)
            {
                IsTransparent = _options.Interception == InterceptionMode.Tproxy,
                IsIntercepted = _options.Interception != InterceptionMode.None,
            });
        }
    }

    /// <summary>
    /// From now on answers of the application close their connections, and idle ones end. Listeners stay and calls of the application go on as before: it has its own
    /// shutdown to do.
    /// </summary>
    public void BeginInboundDrain()
    {
        _context.IsInboundDraining = true;
        _registry.StopAll(isInboundOnly: true);
    }

    /// <summary>
    /// Ends idle connections, lets requests in flight finish, and cuts off what is left. As in Envoy the listeners close last: whoever has not heard yet that
    /// this proxy leaves is still served, once, with <c>connection: close</c>.
    /// </summary>
    /// <param name="longest">Time for the requests in flight.</param>
    /// <param name="shortest">Time in which new connections are accepted even when none is left; within <paramref name="longest"/>.</param>
    /// <param name="atOnce">Ends the waiting.</param>
    public async Task DrainAsync(TimeSpan longest, TimeSpan shortest = default, CancellationToken atOnce = default)
    {
        long startedAt = _context.Now;
        _context.IsDraining = true;
        _registry.StopAll();
        if (shortest > TimeSpan.Zero && !atOnce.IsCancellationRequested)
        {
            await Task.Delay(shortest, _context.Runtime.Time, atOnce).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await EmptyWithinAsync(longest - _context.Since(startedAt), atOnce);
        foreach (Listener listener in _fixed)
        {
            await listener.UnbindAsync();
        }

        Applier.Listeners = null; // a snapshot that comes late must not bind again
        await Listeners.DisposeAsync();
        _registry.StopAll(); // those who came meanwhile
        if (!await EmptyWithinAsync(longest - _context.Since(startedAt), atOnce))
        {
            await _cutOff.CancelAsync();
            _registry.AbortAll();
        }
    }

    /// <summary>Drains without waiting and releases everything.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
        {
            return;
        }

        await DrainAsync(TimeSpan.Zero);
        await EmptyWithinAsync(AbortGrace); // before what they use goes
        foreach (Listener listener in _fixed)
        {
            await listener.DisposeAsync();
        }

        Applier.Dispose();
        Clusters.Dispose();
        _transport.Dispose();
        _cutOff.Dispose();
    }

    private async Task<bool> EmptyWithinAsync(TimeSpan limit, CancellationToken atOnce = default)
    {
        Task empty = _registry.WhenEmptyAsync();
        if (!empty.IsCompleted && limit > TimeSpan.Zero)
        {
            await empty.WaitAsync(limit, _context.Runtime.Time, atOnce).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // late is an answer too
        }

        return empty.IsCompleted;
    }

    private async Task<IPEndPoint> BindAsync(IPEndPoint address, ListenerSide side)
    {
        Listener listener = await Listener.BindAsync(_listening, address, side);
        _fixed = _fixed.Add(listener);
        return listener.EndPoint;
    }

    // Asked for by every request to an unknown host and every redirected connection, so it is put together anew only when a listener came or went.
    private IPEndPoint[] OwnAddresses()
    {
        Own own = _own;
        if (own.Fixed != _fixed || own.OfRules != Listeners.EndPoints)
        {
            (ImmutableArray<IPEndPoint> ofRules, ImmutableArray<Listener> bound) = (Listeners.EndPoints, _fixed);
            _own = own = new Own(bound, ofRules, [.. _options.OwnAddresses, .. bound.Select(static l => l.EndPoint), .. ofRules]);
        }

        return own.All;
    }

    private sealed record Own(ImmutableArray<Listener> Fixed, ImmutableArray<IPEndPoint> OfRules, IPEndPoint[] All);
}
