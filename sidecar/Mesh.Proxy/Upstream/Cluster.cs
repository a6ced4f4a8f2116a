using System.IO.Pipelines;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream.Wire;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// A long-lived upstream: endpoints, breaker, pools, detector, statistics. Identity is its name; configuration is swapped inside. Thread-safe.
/// One lock guards pools, membership and ejections: it makes the limits exact, and nothing is awaited or called out while it is held.
/// </summary>
public sealed partial class Cluster
{
    private readonly Lock _gate = new();
    private readonly Stack<PendingRequest> _idleWaiters = new();
    private volatile ClusterConfig _config;
    private volatile HostSet _hosts;
    private readonly RetryBudget _retries;
    private readonly RetryBudget _shadowRetries;
    private DestinationLabels _labels;

    internal Cluster(ClusterConfig config, ClusterServices services)
    {
        Services = services;
        _config = config;
        _labels = LabelsOf(config);
        TlsFiles = FilesOf(config);
        _builder = new HostSetBuilder(services.Runtime);
        _hosts = _builder.Empty;
        _retries = new RetryBudget(services.Runtime.Time);
        _shadowRetries = new RetryBudget(services.Runtime.Time);
        _dns = new DnsMembership(this, services.Dns);
        _onDemand = new HostsOnDemand(this, _dns);
        _sweep = new(Sweep);
        _shadowSweep = new(SweepShadow);
        _warmupEnd = new(RebuildHosts);
        _connectionCheck = new(CheckConnections);
        _originalsCheck = new(RemoveUnusedOriginals);
        _orderEnd = new(EndOrder);
        _breakerWake = new(WakeBreakers);
        UpdateMeshLimits(config.MeshLimits);
        ScheduleSweep(config);
        UpdateRateLimits(config.RateLimits);
        UpdateBreaker(config);
        UpdateConcurrency(config.Concurrency);
        UpdateFallback(config.Fallback);
        UpdateTransactionIds(config.TransactionId);
        UpdateAsyncReply(null, config.AsyncReply);
        UpdateShadow(config.Shadow);
    }

    /// <summary>Name.</summary>
    public string Name => _config.Name;

    /// <summary>Configuration in force now.</summary>
    public ClusterConfig Config => _config;

    /// <summary>Statistics.</summary>
    public ClusterStats Stats { get; } = new();

    /// <summary>Labels for a request that reached no endpoint.</summary>
    public DestinationLabels Labels => Volatile.Read(ref _labels);

    /// <summary>Endpoints in the cluster now, ejected ones included, draining ones excluded. A snapshot that does not change.</summary>
    public IReadOnlyList<Endpoint> Endpoints => _hosts.All;

    /// <summary>What is wrong with a name among the endpoints, <c>dns: NXDOMAIN for api.example.com</c>; null when nothing is.</summary>
    public string? DnsProblem => _dns.Problem;

    internal ClusterServices Services { get; }

    /// <summary>Files of the TLS block in force; null without one. Guarded by the lock.</summary>
    internal TlsFiles? TlsFiles { get; private set; }

    internal long Now => Services.Runtime.Time.GetTimestamp();

    /// <summary>Chooses an endpoint and a connection for one HTTP request, within the limits; waits in the queue if it must.</summary>
    /// <param name="cancellationToken">The caller is gone.</param>
    /// <param name="loop">Event loop of the request, if there is one: the connection will live there, and a wait ends there.</param>
    /// <param name="pick">What is known of the request.</param>
    public ValueTask<RentResult> RentHttpAsync(CancellationToken cancellationToken, PipeScheduler? loop = null, in PickContext pick = default) =>
        RentAsync(isTcp: false, loop, in pick, cancellationToken);

    /// <summary>Chooses an endpoint and makes a connection for one TCP stream, within the limits.</summary>
    /// <param name="cancellationToken">The caller is gone.</param>
    /// <param name="loop">Event loop of the stream, if there is one.</param>
    /// <param name="pick">What is known of the stream.</param>
    public ValueTask<RentResult> RentTcpAsync(CancellationToken cancellationToken, PipeScheduler? loop = null, in PickContext pick = default) =>
        RentAsync(isTcp: true, loop, in pick, cancellationToken);

    /// <summary>Takes a place among those who try again; false when limit or budget leave none. <see cref="EndRetry"/> gives it back.</summary>
    internal bool TryBeginRetry() => _retries.TryEnter(_config.RetryBudget, _config.Limits.MaxRetries, Stats);

    /// <summary>Gives the place of <see cref="TryBeginRetry"/> back; once.</summary>
    internal void EndRetry() => RetryBudget.Leave(Stats);

    /// <summary>A refusal by the connection-pool block.</summary>
    internal RentResult Refuse(DecisionReason reason, string field, long limit, long now, Endpoint? endpoint) => new(
        RentStatus.Overflow, null, endpoint, new DecisionRecord(reason, _config.ConnectionPoolSource, field, limit, now), null, TimeSpan.Zero);

    /// <summary>What it carries now, beside its limits.</summary>
    public ClusterLoad Load => new(
        (int)Stats.CxActive.Value, (int)Stats.RqPendingActive.Value, (int)Stats.RqActive.Value, (int)Stats.RqRetryActive.Value, _config.Limits, (int)_config.Connection.MaxRequestsPerConnection);

    internal TimeSpan Since(long timestamp) => Services.Runtime.Time.GetElapsedTime(timestamp);

    /// <summary>The timestamp <paramref name="delay"/> from now.</summary>
    internal long After(TimeSpan delay) => After(delay, Now);

    /// <summary>The timestamp <paramref name="delay"/> after another.</summary>
    internal long After(TimeSpan delay, long from)
    {
        double ticks = delay.TotalSeconds * Services.Runtime.Time.TimestampFrequency;
        return ticks < long.MaxValue / 2 ? from + (long)ticks : long.MaxValue;
    }

    private ValueTask<RentResult> RentAsync(bool isTcp, PipeScheduler? loop, in PickContext pick, CancellationToken cancellationToken) =>
        _config.Dns == DnsDiscovery.Dynamic && pick.Target is { } target && !_onDemand.IsKnown(target) && !cancellationToken.IsCancellationRequested
            ? RentWhenKnownAsync(isTcp, loop, pick, cancellationToken)
            : RentNowAsync(isTcp, loop, in pick, cancellationToken);

    private ValueTask<RentResult> RentNowAsync(bool isTcp, PipeScheduler? loop, in PickContext pick, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (cancellationToken.IsCancellationRequested)
            {
                return new(new RentResult(RentStatus.Cancelled, null, null, default, null, TimeSpan.Zero));
            }

            HostSet hosts = _hosts;
            ClusterConfig config = _config;
            Endpoint? endpoint = config.UsesOriginalDestination ? PickOriginal(in pick)
                : config.Dns == DnsDiscovery.Dynamic ? PickOnDemand(in pick) : hosts.Pick(Stats, in pick);
            Deferred deferred = default;
            PendingRequest? waiter = null;
            RentResult result;
            lock (_gate)
            {
                if (isTcp && Stats.CxActive.Value >= _config.Limits.MaxConnections)
                {
                    // As Envoy: for TCP before anything else, and strict: a pool without connections gets none either.
                    Stats.CxOverflow.Add();
                    result = Refuse(
                        DecisionReason.ConnectionOverflow, "tcp.maxConnections", _config.Limits.MaxConnections, Stats.CxActive.Value, null);
                }
                else if (isTcp && !HasRoomLocked)
                {
                    result = RefuseConnectionLocked();
                }
                else if (endpoint is null)
                {
                    result = config.UsesOriginalDestination ? NoOriginalLocked(in pick)
                        : config.Dns == DnsDiscovery.Dynamic ? Unresolved(in pick) : NoUpstream(hosts, in pick);
                }
                else if (endpoint.IsRemoved)
                {
                    continue; // it left between the choice and here; the list is a new one now
                }
                else
                {
                    ClientAddresses? client = ClientOf(config, in pick);
                    waiter = _shadowLimits is { } shadow
                        ? RentBesideLocked(shadow, endpoint, isTcp, loop, client, ref deferred, out result) : endpoint.Pool.RentLocked(isTcp, loop, client, ref deferred, out result);
                }
            }

            deferred.Run(this);
            return waiter is not null ? waiter.WaitAsync(cancellationToken)
                : result.Connection is { IsHome: false } ? BringAsync(result)
                : new(result);
        }
    }

    private static async ValueTask<RentResult> BringAsync(RentResult result)
    {
        await result.Connection!.GoHomeAsync();
        return result;
    }

    private RentResult NoUpstream(HostSet hosts, in PickContext pick)
    {
        if (RefuseByBreakers(hosts.All, in pick) is { } refusal)
        {
            return refusal;
        }

        DecisionRecord decision = hosts.All.Length == 0
            ? new(DecisionReason.NoEndpoints) { Detail = DnsProblem }
            : new(DecisionReason.NoHealthyUpstream, _config.OutlierSource, null, hosts.All.Length, hosts.HealthyCount);
        return new(RentStatus.NoHealthyUpstream, null, null, decision, null, TimeSpan.Zero);
    }

    private TlsFiles? FilesOf(ClusterConfig config) => config.Tls is { } tls ? Services.TlsFiles.Get(tls.Files) : null;

    private static DestinationLabels LabelsOf(ClusterConfig config) => new(
        config.ServiceHost, config.ServiceName, config.ServiceNamespace, "unknown", "unknown", "unknown");
}
