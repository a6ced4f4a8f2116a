using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// What requests choose from: made anew when membership, health or policy change; rings and tables behind the requests' backs.
public sealed partial class Cluster
{
    private readonly HostSetBuilder _builder;
    private readonly TickEntry _warmupEnd;
    private bool _isBuilding; // guarded by the lock

    /// <summary>Rings and tables of an earlier membership serve while the new ones are built.</summary>
    internal bool IsHostSetStale => _hosts.IsStale;

    /// <summary>Publishes what requests choose from; after any change of membership, health, ejections or policy.</summary>
    private void RebuildHostsLocked(Endpoint[] all)
    {
        HostSet previous = _hosts;
        bool takesLong = _config.Hash is not null && all.Length > 0;
        _hosts = takesLong && !previous.IsEmpty ? HostSet.Between(all, previous) : _builder.Build(_config, all);
        Stats.MembershipTotal.Set(all.Length);
        Stats.MembershipHealthy.Set(_hosts.HealthyCount);
        Stats.EjectionsActive.Set(CountEjected(all));
        if (_builder.RestOfWarmup(_config, all) is { } rest)
        {
            Services.Ticker.ScheduleNoLaterThan(_warmupEnd, After(rest));
        }

        if (_hosts.IsStale && !_isBuilding)
        {
            _isBuilding = true;
            Services.Background.Start("build hash tables", static cluster => Task.Run(cluster.BuildTables), this);
        }
    }

    private void RebuildHosts()
    {
        lock (_gate)
        {
            RebuildHostsLocked(_hosts.All);
        }
    }

    /// <summary>Builds rings and tables until they are those of the latest membership. On a thread of the pool, without the lock: a million entries take a while.</summary>
    private void BuildTables()
    {
        bool hasFinished = false;
        try
        {
            HostSet? built = null;
            HostSet? builtFor = null;
            while (TryTakeWork(built, builtFor, out ClusterConfig config, out builtFor))
            {
                built = _builder.Build(config, builtFor.All);
            }

            hasFinished = true;
        }
        finally
        {
            if (!hasFinished)
            {
                StopBuilding(); // a bug: the next change tries again
            }
        }
    }

    /// <summary>Publishes what was built and says what to build next; false when nothing is left, and then the building has ended.</summary>
    private bool TryTakeWork(HostSet? built, HostSet? builtFor, out ClusterConfig config, out HostSet next)
    {
        lock (_gate)
        {
            if (built is not null)
            {
                PublishLocked(built, builtFor);
            }

            (config, next) = (_config, _hosts);
            _isBuilding = _hosts.IsStale;
            return _isBuilding;
        }
    }

    private void StopBuilding()
    {
        lock (_gate)
        {
            _isBuilding = false;
        }
    }

    // Something may have changed meanwhile: then these tables serve until the next are built, being the newer ones.
    private void PublishLocked(HostSet built, HostSet? builtFor)
    {
        if (ReferenceEquals(_hosts, builtFor))
        {
            _hosts = built;
        }
        else if (_hosts.IsStale && !built.IsEmpty)
        {
            _hosts = HostSet.Between(_hosts.All, built);
        }
    }
}
