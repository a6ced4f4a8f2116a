using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Dns;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>Makes the endpoints of a cluster from the names that were declared: watches them and passes every change on. Thread-safe.</summary>
internal sealed class DnsMembership(Cluster cluster, DnsResolver resolver)
{
    private readonly Lock _gate = new();
    private Dictionary<string, DnsName> _names = [];
    private ImmutableArray<EndpointConfig> _declared = [];
    private DnsDiscovery _mode;
    private bool _isPublishing;
    private bool _hasChanged;

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

    /// <summary>Takes what was declared. One caller at a time, the applier.</summary>
    public void Declare(DnsDiscovery mode, ImmutableArray<EndpointConfig> declared)
    {
        Dictionary<string, DnsName> before = _names; // changed by this method alone
        Dictionary<string, DnsName> next = [];
        foreach (EndpointConfig endpoint in mode == DnsDiscovery.None ? [] : declared)
        {
            string host = HostOf(endpoint);
            if (!IPEndPoint.TryParse(endpoint.Address, out _) && !next.ContainsKey(host))
            {
                next.Add(host, before.GetValueOrDefault(host) ?? resolver.Watch(host, Publish));
            }
        }

        lock (_gate)
        {
            (_mode, _declared, _names) = (mode, declared, next);
        }

        foreach ((string host, DnsName name) in before)
        {
            if (!next.ContainsKey(host))
            {
                resolver.Unwatch(name, Publish);
            }
        }

        Publish();
    }

    // Several names may change at once: one publishes at a time, and whoever comes meanwhile makes it publish once more. The cluster is called without the lock.
    private void Publish()
    {
        lock (_gate)
        {
            _hasChanged = true;
            if (_isPublishing)
            {
                return;
            }

            _isPublishing = true;
        }

        while (true)
        {
            ImmutableArray<EndpointConfig> endpoints;
            lock (_gate)
            {
                if (!_hasChanged)
                {
                    _isPublishing = false;
                    return;
                }

                _hasChanged = false;
                endpoints = _mode == DnsDiscovery.None ? _declared : [.. _declared.SelectMany(Resolve)];
            }

            cluster.UpdateEndpoints(endpoints);
        }
    }

    private IEnumerable<EndpointConfig> Resolve(EndpointConfig declared)
    {
        if (!_names.TryGetValue(HostOf(declared), out DnsName? name))
        {
            return [declared]; // an address already
        }

        ImmutableArray<IPAddress> addresses = resolver.AddressesOf(name);
        int port = int.Parse(declared.Address.AsSpan(declared.Address.LastIndexOf(':') + 1), System.Globalization.CultureInfo.InvariantCulture);
        return _mode == DnsDiscovery.Strict
            ? addresses.Select(a => new IPEndPoint(a, port).ToString()).Order(StringComparer.Ordinal).Select(a => declared with { Address = a })
            : addresses.Take(1).Select(a => declared with { DialAddress = new IPEndPoint(a, port).ToString() });
    }

    private static string HostOf(EndpointConfig endpoint) => endpoint.Address[..endpoint.Address.LastIndexOf(':')];
}
