using System.Collections.Immutable;
using Mesh.Proxy.Upstream.Wire;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// Configuration and endpoints come and go; what runs stays (sidecar/adr/0003).
public sealed partial class Cluster
{
    private readonly Dictionary<string, Endpoint> _draining = [];
    private readonly DnsMembership _dns;
    private volatile bool _isRetired;

    /// <summary>Ends when every name among the endpoints has been asked for once; at once when there is none.</summary>
    internal Task FirstAnswers => _dns.FirstAnswers;

    /// <summary>Endpoints as the snapshot in force declares them; the applier's alone.</summary>
    internal ImmutableArray<EndpointConfig> Declared { get; private set; } = [];

    /// <summary>Takes the endpoints that a snapshot declares: addresses, or names where the configuration says so. From the applier alone.</summary>
    internal void Declare(ImmutableArray<EndpointConfig> endpoints)
    {
        Declared = endpoints;
        if (_config.Dns == DnsDiscovery.Dynamic && !_isRetired)
        {
            _onDemand.Open();
            return;
        }

        _onDemand.Close();
        _dns.Declare(_config.Dns, endpoints);
    }

    /// <summary>Puts a new configuration in force. Pools, counts, ejections and statistics stay.</summary>
    internal void Update(ClusterConfig next)
    {
        Deferred deferred = default;
        ClusterConfig previous;
        TlsFiles? files = FilesOf(next);
        UpdateAsyncReply(_config.AsyncReply, next.AsyncReply);
        lock (_gate)
        {
            previous = _config;
            _config = next;
            TlsFiles = files;
            if (LabelsOf(next) is { } labels && labels != _labels)
            {
                Volatile.Write(ref _labels, labels);
            }

            if (next.Outlier is null && previous.Outlier is not null)
            {
                ReturnAllLocked(previous.OutlierSource, ref deferred);
            }

            UpdateMeshLimits(next.MeshLimits);
            bool transportChanged = next.Protocol != previous.Protocol || next.Connection.TcpKeepalive != previous.Connection.TcpKeepalive ||
                !UpstreamWire.IsSame(next, previous);
            foreach (Endpoint endpoint in _hosts.All)
            {
                endpoint.Update(next, endpoint.Config);
                if (transportChanged)
                {
                    endpoint.Pool.DrainLocked(DrainCause.TransportChanged, ref deferred);
                }

                endpoint.Pool.OpenLocked(ref deferred); // a raised limit helps those who wait already
            }

            foreach (Endpoint endpoint in _draining.Values)
            {
                endpoint.Pool.OpenLocked(ref deferred); // those who wait at one that has left have nobody else to wake them
            }

            TrimLocked(ref deferred);

            if (next.LoadBalancer != previous.LoadBalancer || next.Hash != previous.Hash || next.Warmup != previous.Warmup ||
                next.PanicThresholdPercent != previous.PanicThresholdPercent || (next.Outlier is null) != (previous.Outlier is null))
            {
                RebuildHostsLocked(_hosts.All);
            }
        }

        UpdateRateLimits(next.RateLimits);
        UpdateBreaker(next);
        UpdateConcurrency(next.Concurrency);
        UpdateFallback(next.Fallback);
        UpdateTransactionIds(next.TransactionId);
        UpdateShadow(next.Shadow);
        WarnIfNobodyCanBeEjected();

        if (next.Outlier != previous.Outlier)
        {
            ScheduleSweep(next);
        }

        deferred.Run(this);
    }

    /// <summary>
    /// Takes a new list of endpoints. An address that stays keeps everything it has, one that leaves drains, and one that comes back while
    /// it drains is the same object again.
    /// </summary>
    internal void UpdateEndpoints(ImmutableArray<EndpointConfig> desired)
    {
        Deferred deferred = default;
        lock (_gate)
        {
            Dictionary<string, Endpoint> gone = [];
            foreach (Endpoint endpoint in _hosts.All)
            {
                gone.Add(endpoint.Address, endpoint);
            }

            Dictionary<string, Endpoint> kept = new(desired.Length);
            bool changed = false;
            foreach (EndpointConfig config in desired)
            {
                if (kept.ContainsKey(config.Address))
                {
                    continue;
                }

                if (gone.Remove(config.Address, out Endpoint? endpoint))
                {
                    endpoint.Update(_config, config);
                }
                else
                {
                    changed = true;
                    endpoint = ReviveOrCreateLocked(config);
                }

                kept.Add(config.Address, endpoint);
            }

            foreach (Endpoint endpoint in gone.Values)
            {
                RemoveLocked(endpoint, ref deferred);
            }

            if (changed || gone.Count > 0)
            {
                Stats.MembershipChange.Add();
            }

            _byAddress = kept;
            RebuildHostsLocked([.. kept.Values]);
        }

        WarnIfNobodyCanBeEjected();
        deferred.Run(this);
    }

    /// <summary>The cluster is no longer in force: its endpoints drain, its sweeps end.</summary>
    internal void Retire()
    {
        if (!_isRetired)
        {
            UpdateAsyncReply(_config.AsyncReply, null);
        }

        _isRetired = true;
        Declare([]);
    }

    private Endpoint ReviveOrCreateLocked(EndpointConfig config)
    {
        if (!_draining.Remove(config.Address, out Endpoint? endpoint))
        {
            Endpoint created = new(this, config);
            created.Breaker = NewEndpointBreaker(created);
            return created;
        }

        endpoint.IsRemoved = false;
        endpoint.Breaker = NewEndpointBreaker(endpoint);
        endpoint.JoinedAt = Now;
        endpoint.Update(_config, config);
        return endpoint;
    }

    private void RemoveLocked(Endpoint endpoint, ref Deferred deferred)
    {
        endpoint.IsRemoved = true;
        endpoint.Breaker = null;
        _originals.Remove(endpoint.Addresses[0]);
        ForgetShadowLocked(endpoint);
        endpoint.Pool.DrainLocked(DrainCause.Removed, ref deferred);
        if (!endpoint.Pool.IsEmpty)
        {
            _draining[endpoint.Address] = endpoint;
        }
    }

    private void ForgetIfDrainedLocked(Endpoint endpoint)
    {
        if (endpoint.IsRemoved && endpoint.Pool.IsEmpty)
        {
            _draining.Remove(endpoint.Address);
        }
    }

    private static int CountEjected(Endpoint[] all)
    {
        int count = 0;
        foreach (Endpoint endpoint in all)
        {
            count += endpoint.IsEjected ? 1 : 0;
        }

        return count;
    }
}
