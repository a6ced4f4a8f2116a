using System.Collections.Concurrent;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// The hosts of a cluster for which nobody declares any: requests bring their names (Envoy's dynamic forward proxy). A name is resolved when it is first asked for,
/// kept fresh while it is in use, and forgotten when nobody has asked for it for a while. Thread-safe.
/// </summary>
internal sealed class HostsOnDemand
{
    /// <summary>Most hosts at once: Envoy's <c>max_hosts</c>.</summary>
    public const int MaxHosts = 1024;

    /// <summary>How long a host is kept that nobody asks for: Envoy's <c>host_ttl</c>.</summary>
    public static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(5);

    private readonly Cluster _cluster;
    private readonly DnsMembership _names;
    private readonly TickEntry _sweep;
    private readonly Lock _gate = new(); // one change at a time; below it the locks of names and cluster
    private readonly ConcurrentDictionary<string, Host> _hosts = new(StringComparer.Ordinal);
    private bool _isOpen;

    public HostsOnDemand(Cluster cluster, DnsMembership names)
    {
        (_cluster, _names) = (cluster, names);
        _sweep = new(Sweep);
    }

    /// <summary>Takes hosts from now on, beginning with none.</summary>
    public void Open()
    {
        lock (_gate)
        {
            if (!_isOpen)
            {
                _isOpen = true;
                _names.Declare(DnsDiscovery.Dynamic, []);
            }
        }
    }

    /// <summary>Takes no more hosts and forgets those it has; what becomes of their names is the caller's.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _isOpen = false;
            _hosts.Clear();
        }
    }

    /// <summary>Whether <paramref name="target"/> (<c>name:port</c>) is among the hosts and has been asked for once; it counts as used.</summary>
    public bool IsKnown(string target)
    {
        if (!_hosts.TryGetValue(target, out Host? host))
        {
            return false;
        }

        host.UsedAt = _cluster.Now;
        return host.FirstAnswer.IsCompleted;
    }

    /// <summary>Whether <paramref name="target"/> is among the hosts.</summary>
    public bool Has(string target) => _hosts.ContainsKey(target);

    /// <summary>Adds <paramref name="target"/>, unless there are too many hosts; ends when its name has been asked for once. Takes a while: not on an event loop.</summary>
    public Task AddAsync(string target)
    {
        lock (_gate)
        {
            if (_hosts.TryGetValue(target, out Host? known))
            {
                return known.FirstAnswer;
            }

            if (!_isOpen || !HasRoom())
            {
                return Task.CompletedTask;
            }

            Declare([.. _hosts.Keys, target]);
            Host host = new(_names.FirstAnswerOf(target)) { UsedAt = _cluster.Now };
            _hosts.TryAdd(target, host);
            _cluster.Services.Ticker.ScheduleNoLaterThan(_sweep, _cluster.After(IdleTime));
            return host.FirstAnswer;
        }
    }

    // Names that lead nowhere make room for others, then those that were not used for longest; those in use do not.
    private bool HasRoom()
    {
        if (_hosts.Count >= MaxHosts)
        {
            Remove(target => _hosts[target].FirstAnswer.IsCompleted && _cluster.Find(target) is null);
        }

        if (_hosts.Count >= MaxHosts)
        {
            HashSet<string> idle = [.. _hosts.Where(h => _cluster.Find(h.Key) is { RqActive.Value: 0 }).OrderBy(static h => h.Value.UsedAt).Take(MaxHosts / 16).Select(static h => h.Key)];
            Remove(idle.Contains);
        }

        return _hosts.Count < MaxHosts;
    }

    private void Sweep()
    {
        lock (_gate)
        {
            long now = _cluster.Now;
            foreach ((string target, Host host) in _hosts)
            {
                if (_cluster.Find(target) is { RqActive.Value: > 0 })
                {
                    host.UsedAt = now;
                }
            }

            Remove(target => _cluster.After(IdleTime, _hosts[target].UsedAt) <= now);
            if (!_hosts.IsEmpty)
            {
                _cluster.Services.Ticker.ScheduleNoLaterThan(_sweep, _cluster.After(IdleTime, _hosts.Values.Min(static h => h.UsedAt)));
            }
        }
    }

    private void Remove(Predicate<string> isUnwanted)
    {
        string[] unwanted = [.. _hosts.Keys.Where(k => isUnwanted(k))];
        foreach (string target in unwanted)
        {
            _hosts.TryRemove(target, out _);
        }

        if (unwanted.Length > 0)
        {
            Declare(_hosts.Keys);
        }
    }

    private void Declare(IEnumerable<string> targets) => _names.Declare(DnsDiscovery.Dynamic, [.. targets.Select(static t => new EndpointConfig(t))]);

    private sealed class Host(Task firstAnswer)
    {
        private long _usedAt;

        public Task FirstAnswer => firstAnswer;

        public long UsedAt { get => Volatile.Read(ref _usedAt); set => Volatile.Write(ref _usedAt, value); }
    }
}
