using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Dns;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>Makes the endpoints of a cluster from the names that were declared: watches them and passes every change on. Thread-safe.</summary>
internal sealed class DnsMembership(Cluster cluster, DnsResolver resolver) : IDnsWatcher
{
    /// <summary>Most addresses of one name that a connection tries; nobody waits for more.</summary>
    private const int MostTried = 16;

    private readonly Lock _gate = new();
    private Dictionary<string, DnsName> _names = [];
    private ImmutableArray<EndpointConfig> _declared = [];
    private DnsDiscovery _mode;
    private readonly Lock _turn = new(); // of publishing; taken before the gate
    private bool _hasChanged;
    private volatile string? _problem;

    /// <summary>What is wrong with one of the declared names, the first of them; null when nothing is.</summary>
    public string? Problem => _problem;

    /// <summary>Ends when every name has been asked for once.</summary>
    public Task FirstAnswers
    {
        get
        {
            lock (_gate)
            {
                return Task.WhenAll(_names.Values.Select(static n => n.FirstAnswer));
            }
        }
    }

    /// <summary>Ends when the name of this endpoint has been asked for once; at once for an address.</summary>
    public Task FirstAnswerOf(string address) => NameOf(address)?.FirstAnswer ?? Task.CompletedTask;

    /// <summary>What is wrong with the name of this endpoint; null when nothing is.</summary>
    public string? ProblemOf(string address) => NameOf(address)?.Problem;

    /// <summary>Whether this endpoint is the proxy itself: its name leads to our own listeners alone.</summary>
    public bool LeadsBack(string address)
    {
        IReadOnlyCollection<IPEndPoint> own = cluster.Services.OwnAddresses();
        if (IPEndPoint.TryParse(address, out IPEndPoint? literal))
        {
            return OwnAddress.IsAmong(own, literal.Address, literal.Port);
        }

        int port = int.Parse(address.AsSpan(address.LastIndexOf(':') + 1), System.Globalization.CultureInfo.InvariantCulture);
        return NameOf(address) is { } name && resolver.AddressesOf(name) is { IsEmpty: false } found && found.All(a => OwnAddress.IsAmong(own, a, port));
    }

    /// <summary>Takes what was declared. One caller at a time.</summary>
    public void Declare(DnsDiscovery mode, ImmutableArray<EndpointConfig> declared)
    {
        Dictionary<string, DnsName> before = _names; // changed by this method alone
        Dictionary<string, DnsName> next = [];
        foreach (EndpointConfig endpoint in mode == DnsDiscovery.None ? [] : declared)
        {
            string host = HostOf(endpoint);
            if (!IPEndPoint.TryParse(endpoint.Address, out _) && !next.ContainsKey(host))
            {
                next.Add(host, before.GetValueOrDefault(host) ?? resolver.Watch(host, this));
            }
        }

        lock (_gate)
        {
            (_mode, _declared, _names) = (mode, declared, next);
            _problem = FindProblem();
        }

        foreach ((string host, DnsName name) in before)
        {
            if (!next.ContainsKey(host))
            {
                resolver.Unwatch(name, this);
            }
        }

        Publish();
    }

    bool IDnsWatcher.WantsLog => cluster.Config.Dns != DnsDiscovery.Dynamic;

    void IDnsWatcher.OnAsking() => cluster.Stats.UpdateAttempt.Add();

    void IDnsWatcher.OnAnswer(DnsRefresh refresh)
    {
        (refresh.IsAnswered ? cluster.Stats.UpdateSuccess : cluster.Stats.UpdateFailure).Add();
        if (refresh is { IsAnswered: true, IsEmpty: true })
        {
            cluster.Stats.UpdateEmpty.Add();
        }

        bool hasChanged;
        lock (_gate)
        {
            _problem = FindProblem();
            hasChanged = refresh.HasChanged || _hasChanged; // left over from a publishing that failed
        }

        if (hasChanged)
        {
            Publish();
        }
        else if (refresh.IsAnswered)
        {
            cluster.Stats.UpdateNoRebuild.Add();
        }
    }

    // Several names may change at once: one publishes at a time, and nobody goes on before its own change is in force. The cluster is called without the gate.
    private void Publish()
    {
        lock (_gate)
        {
            _hasChanged = true;
        }

        lock (_turn)
        {
            while (TryTakeChange(out ImmutableArray<EndpointConfig> endpoints))
            {
                bool isPublished = false;
                try
                {
                    cluster.UpdateEndpoints(endpoints);
                    isPublished = true;
                }
                finally
                {
                    if (!isPublished)
                    {
                        Stop(); // a bug: the next answer tries again
                    }
                }
            }
        }
    }

    /// <summary>The endpoints as they are now, if they have changed.</summary>
    private bool TryTakeChange(out ImmutableArray<EndpointConfig> endpoints)
    {
        lock (_gate)
        {
            bool hasChanged = _hasChanged;
            endpoints = !hasChanged ? [] : _mode == DnsDiscovery.None ? _declared : [.. _declared.SelectMany(Resolve)];
            _hasChanged = false;
            return hasChanged;
        }
    }

    private void Stop()
    {
        lock (_gate)
        {
            _hasChanged = true;
        }
    }

    private IEnumerable<EndpointConfig> Resolve(EndpointConfig declared)
    {
        if (!_names.TryGetValue(HostOf(declared), out DnsName? name))
        {
            // An address already. Whoever names the host may lead the proxy to itself by it.
            return _mode == DnsDiscovery.Dynamic && IPEndPoint.TryParse(declared.Address, out IPEndPoint? literal)
                && OwnAddress.IsAmong(cluster.Services.OwnAddresses(), literal.Address, literal.Port) ? [] : [declared];
        }

        ImmutableArray<IPAddress> addresses = resolver.AddressesOf(name);
        int port = int.Parse(declared.Address.AsSpan(declared.Address.LastIndexOf(':') + 1), System.Globalization.CultureInfo.InvariantCulture);
        if (_mode == DnsDiscovery.Dynamic)
        {
            IReadOnlyCollection<IPEndPoint> own = cluster.Services.OwnAddresses();
            addresses = addresses.RemoveAll(a => OwnAddress.IsAmong(own, a, port));
        }

        if (addresses.IsEmpty)
        {
            return [];
        }

        IEnumerable<string> all = addresses.Select(a => new IPEndPoint(a, port).ToString());
        return _mode == DnsDiscovery.Strict
            ? all.Order(StringComparer.Ordinal).Select(a => declared with { Address = a })
            : [declared with { DialAddress = string.Join(',', all.Take(MostTried)) }];
    }

    private DnsName? NameOf(string address)
    {
        lock (_gate)
        {
            return _names.GetValueOrDefault(address[..address.LastIndexOf(':')]);
        }
    }

    private string? FindProblem() => _names.Values.Select(static n => n.Problem).FirstOrDefault(static p => p is not null);

    private static string HostOf(EndpointConfig endpoint) => endpoint.Address[..endpoint.Address.LastIndexOf(':')];
}
