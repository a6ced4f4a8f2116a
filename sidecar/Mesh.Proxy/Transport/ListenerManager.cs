using System.Globalization;
using System.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Transport;

/// <summary>
/// The TCP listeners that service entries ask for. Identity is the address: one that stays is not touched, one that leaves stops accepting while its connections go
/// on, one that cannot be bound is a text for the rule's status. Updates come one at a time; reading is thread-safe.
/// </summary>
public sealed class ListenerManager : IListenerSet, IAsyncDisposable
{
    private readonly IConnectionListenerFactory _transport;
    private readonly ConnectionDispatcher _dispatcher;
    private readonly BackgroundWork _background;
    private readonly DownstreamStats _stats;
    private volatile Dictionary<string, (ListenerConfig Config, Listener Listener)> _bound = [];

    internal ListenerManager(IConnectionListenerFactory transport, ConnectionDispatcher dispatcher, BackgroundWork background, DownstreamStats stats)
    {
        _transport = transport;
        _dispatcher = dispatcher;
        _background = background;
        _stats = stats;
    }

    /// <summary>Listeners that are bound now.</summary>
    public IReadOnlyList<ListenerConfig> Bound => [.. _bound.Values.Select(static b => b.Config)];

    /// <inheritdoc/>
    public async Task<IReadOnlyList<(ListenerConfig Listener, string Problem)>> UpdateAsync(IReadOnlyList<ListenerConfig> listeners)
    {
        List<(ListenerConfig, string)> problems = [];
        Dictionary<string, (ListenerConfig Config, Listener Listener)> old = new(_bound);
        Dictionary<string, (ListenerConfig Config, Listener Listener)> next = [];
        foreach (ListenerConfig config in listeners)
        {
            string key = string.Create(CultureInfo.InvariantCulture, $"{config.Address}|{config.Port}");
            if (old.TryGetValue(key, out (ListenerConfig Config, Listener Listener) kept) && kept.Config.Cluster == config.Cluster)
            {
                next[key] = (config, kept.Listener);
                old.Remove(key);
            }
            else if (next.ContainsKey(key) || !IPAddress.TryParse(config.Address, out IPAddress? ip))
            {
                problems.Add((config, $"'{config.Address}' port {config.Port} is asked for twice or is no IP address"));
            }
            else
            {
                if (old.Remove(key))
                {
                    await kept.Listener.UnbindAsync(); // the address leads elsewhere from now on
                }

                try
                {
                    ListenerSide side = new(IsInbound: false, config.Cluster, _stats);
                    next[key] = (config, await Listener.BindAsync(_transport, new IPEndPoint(ip, config.Port), side, _dispatcher, _background));
                }
                catch (IOException problem)
                {
                    problems.Add((config, problem.Message));
                }
            }
        }

        _bound = next;
        foreach ((ListenerConfig _, Listener listener) in old.Values)
        {
            await listener.UnbindAsync(); // not disposed: that would take the memory away from connections that go on
        }

        return problems;
    }

    /// <summary>Stops accepting on all of them.</summary>
    public async ValueTask DisposeAsync() => await UpdateAsync([]);
}
