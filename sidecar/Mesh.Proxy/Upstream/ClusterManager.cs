using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Dns;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream.Wire;
using Mesh.Rules.Snapshots;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Upstream;

/// <summary>All clusters by name; created, updated and drained by the snapshot applier. Reading is thread-safe, changes come from one applier.</summary>
public sealed class ClusterManager : IDisposable
{
    /// <summary>How long a snapshot waits for the first addresses of new names, so that its first request finds them; a dead nameserver must not hold it up.</summary>
    private static readonly TimeSpan FirstAnswerTimeout = TimeSpan.FromSeconds(1);

    /// <summary>Istio's 127.0.0.6, which no rule of the kernel redirects again.</summary>
    public static readonly IPAddress DefaultInboundSource = new([127, 0, 0, 6]);

    private readonly ClusterServices _services;
    private readonly ConcurrentDictionary<string, Cluster> _builtIn = new(StringComparer.Ordinal);
    private volatile Dictionary<string, Cluster> _clusters = []; // replaced whole, never changed once published

    /// <summary>Creates a manager without clusters.</summary>
    /// <param name="runtime">Clock, chance, log.</param>
    /// <param name="connector">Makes connections.</param>
    /// <param name="onEjection">Told of every ejection and return, outside locks; must not block or throw.</param>
    /// <param name="stats">Where exceptions of background work and files that were read are counted.</param>
    /// <param name="dns">Answers questions about names; null asks the machine's nameservers.</param>
    public ClusterManager(ProxyRuntime runtime, IUpstreamConnector connector, Action<EjectionEvent> onEjection, ProxyStats? stats = null, IDnsClient? dns = null)
    {
        ILogger logger = runtime.Loggers.CreateLogger<ClusterManager>();
        stats ??= new ProxyStats();
        BackgroundWork background = new(logger, stats.UnexpectedExceptions);
        Ticker ticker = new(runtime.Time, background);
        DnsResolver resolver = new(runtime, dns ?? new DnsClient(runtime, new DnsSources()), ticker, background, logger);
        _services = new ClusterServices(
            runtime, connector, resolver, onEjection, ticker, new TimeoutPool(runtime.Time),
            new TlsFileWatch(runtime.Time, ticker, background, stats, logger), background, logger);
    }

    /// <summary>Clusters that are in force now (draining ones excluded), and the built-in ones that had something to do.</summary>
    public IReadOnlyCollection<Cluster> Clusters => _builtIn.IsEmpty ? _clusters.Values : [.. _clusters.Values, .. _builtIn.Values];

    /// <summary>The last decisions of the proxy.</summary>
    public DecisionLog Decisions => _services.Decisions;

    /// <summary>Calls whose callers come back for the answer.</summary>
    internal AsyncReplyStore AsyncReplies => _services.AsyncReplies;

    /// <summary>Addresses that this proxy itself listens on: a name that leads there is refused. Any thread may ask.</summary>
    public Func<IReadOnlyCollection<IPEndPoint>> OwnAddresses { set => _services.OwnAddresses = value; }

    /// <summary>Told when a smaller share of a limit is in force, outside locks: others wait for the rest of it. Must not block or throw.</summary>
    public Action OnSmallerShare { set => _services.OnSmallerShare = value; }

    /// <summary>There is no control plane: a limit that all sidecars share counts for this one alone. Set before the first cluster is there.</summary>
    public bool IsAlone { set => _services.IsAlone = value; }

    /// <summary>Id of this sidecar in transaction ids; no other sidecar may have it. Set before the first cluster is there.</summary>
    public string Instance { set => _services.Instance = value; }

    /// <summary>Told of every change of a circuit breaker's state, outside locks; must not block or throw.</summary>
    public Action<BreakerEvent> OnBreaker { set => _services.OnBreaker = value; }

    /// <summary>Told when the control plane should soon hear of a circuit that all callers share: a call on trial has ended, or so much has failed that a breaker of our own would open. On the call's event loop; must not block or throw.</summary>
    public Action OnBreakerNews { set => _services.OnBreakerNews = value; }

    /// <summary>Told of every change of an adaptive concurrency limit, outside locks; must not block or throw.</summary>
    public Action<ConcurrencyEvent> OnConcurrency { set => _services.OnConcurrency = value; }

    /// <summary>Where connections to ports of the own application that no service names come from; null leaves it to the system.</summary>
    public IPAddress? InboundSource { get; init; } = DefaultInboundSource;

    /// <summary>The same for IPv6, Istio's ::6; null leaves it to the system.</summary>
    public IPAddress? InboundSourceV6 { get; init; }

    /// <summary>Whether known ports of the own application are dialled from there too: rules of the kernel would send the sidecar's own call back to it.</summary>
    public bool IsIntercepted { get; init; }

    private string? InboundSources => InboundSource is null ? null : InboundSourceV6 is null ? InboundSource.ToString() : $"{InboundSource},{InboundSourceV6}";

    /// <summary>The cluster of this name, or null.</summary>
    public Cluster? Find(string name) => _clusters.GetValueOrDefault(name) ?? FindBuiltIn(name);

    /// <summary>Stops timers and lets all connections go; those in use end with their streams.</summary>
    public void Dispose()
    {
        _services.Ticker.Dispose();
        Remove([.. _clusters.Keys]);
        foreach (Cluster cluster in _builtIn.Values)
        {
            cluster.Retire();
        }
    }

    /// <summary>Adds clusters, their endpoints with them, and puts new configurations in force; in one step for those who look up.</summary>
    internal void AddOrUpdate(IEnumerable<(ClusterConfig Config, ImmutableArray<EndpointConfig>? Endpoints)> changes)
    {
        Dictionary<string, Cluster> next = new(_clusters);
        foreach ((ClusterConfig compiled, ImmutableArray<EndpointConfig>? endpoints) in changes)
        {
            ClusterConfig config = compiled.IsInbound && IsIntercepted ? compiled with { SourceAddress = InboundSources } : compiled;
            bool isReadAnew = false; // the same list, but it means something else now: names instead of addresses, or nothing
            if (!next.TryGetValue(config.Name, out Cluster? cluster))
            {
                next.Add(config.Name, cluster = new Cluster(config, _services));
            }
            else if (cluster.Config != config)
            {
                isReadAnew = cluster.Config.Dns != config.Dns || cluster.Config.UsesOriginalDestination != config.UsesOriginalDestination;
                cluster.Update(config);
            }

            if ((endpoints ?? (isReadAnew ? cluster.Declared : null)) is { } list)
            {
                cluster.Declare(list);
            }
        }

        _clusters = next;
        RetainTlsFiles();
    }

    /// <summary>Ends when the names of these clusters have been asked for once, or when <see cref="FirstAnswerTimeout"/> is over.</summary>
    internal async Task WhenResolvedAsync(IEnumerable<string> names)
    {
        Task answers = Task.WhenAll(names.Select(name => _clusters[name].FirstAnswers));
        if (!answers.IsCompleted)
        {
            await answers.WaitAsync(FirstAnswerTimeout, _services.Runtime.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Takes clusters out; their connections drain.</summary>
    internal void Remove(IReadOnlyCollection<string> names)
    {
        Dictionary<string, Cluster> next = new(_clusters);
        List<Cluster> gone = [];
        foreach (string name in names)
        {
            if (next.Remove(name, out Cluster? cluster))
            {
                gone.Add(cluster);
            }
        }

        _clusters = next;
        foreach (Cluster cluster in gone)
        {
            cluster.Retire();
        }

        RetainTlsFiles();
    }

    // Made when first needed: most proxies never do.
    private Cluster? FindBuiltIn(string name)
    {
        if (!_builtIn.TryGetValue(name, out Cluster? cluster) && BuiltInClusters.Find(name, InboundSources) is { } config)
        {
            Cluster made = new(config, _services);
            made.Declare([]);
            cluster = _builtIn.GetOrAdd(name, made);
        }

        return cluster;
    }

    private void RetainTlsFiles() => _services.TlsFiles.Retain(_clusters.Values.Select(static c => c.Config.Tls?.Files).OfType<TlsFilesConfig>());
}
