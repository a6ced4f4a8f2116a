using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Transport;

/// <summary>
/// The TCP listeners that service entries ask for. Identity is the address: one that stays is not touched, one that leaves stops accepting while its connections go
/// on, one that cannot be bound is a text for the rule's status. Updates come one at a time; reading is thread-safe.
/// </summary>
public sealed class ListenerManager : IListenerSet, IAsyncDisposable
{
    private readonly ListenerServices _services;
    private volatile Dictionary<string, Entry> _bound = []; // by address; replaced whole

    internal ListenerManager(ListenerServices services) => _services = services;

    /// <summary>Listeners that are bound now.</summary>
    public IReadOnlyList<ListenerConfig> Bound => [.. _bound.Values.Select(static b => b.Config)];

    /// <summary>Their addresses; the same array as long as no listener comes or goes.</summary>
    internal ImmutableArray<IPEndPoint> EndPoints { get; private set; } = [];

    /// <inheritdoc/>
    public async Task<IReadOnlyList<(ListenerConfig Listener, string Problem)>> UpdateAsync(IReadOnlyList<ListenerConfig> listeners)
    {
        List<(ListenerConfig, string)> problems = [];
        Dictionary<string, Entry> old = new(_bound);
        Dictionary<string, Entry> next = [];
        _services.Dispatcher.Redirection.Destinations = new DestinationTable(listeners);
        foreach (ListenerConfig config in listeners.Where(c => IsBound(c)))
        {
            string address = string.Create(CultureInfo.InvariantCulture, $"{config.Address}:{config.Port}");
            if (next.TryGetValue(address, out Entry? first))
            {
                problems.Add((config, $"{address} is taken by {first.Config.Source}; of two listeners with one address the first has it"));
                continue;
            }

            (Entry? entry, string problem) = await KeepOrBindAsync(config, address, old);
            if (entry is not null)
            {
                next[address] = entry;
            }
            else if (config.Source.Length > 0) // a service's own address is no rule's: it is seldom this machine's, and redirected callers do not need it
            {
                problems.Add((config, problem));
            }
        }

        _bound = next;
        EndPoints = [.. next.Values.Select(static b => b.Listener.EndPoint)];
        foreach (Entry entry in old.Values)
        {
            await entry.Listener.UnbindAsync(); // not disposed: that would take the memory away from connections that go on
        }

        return problems;
    }

    /// <summary>Stops accepting on all of them.</summary>
    public async ValueTask DisposeAsync() => await UpdateAsync([]);

    // A block of addresses is only dialled through a redirect; and where all connections are redirected, so is every other address.
    private bool IsBound(ListenerConfig config) => !_services.IsRedirected && !config.Address.Contains('/');

    private async Task<(Entry? Entry, string Problem)> KeepOrBindAsync(ListenerConfig config, string address, Dictionary<string, Entry> old)
    {
        if (old.Remove(address, out Entry? known))
        {
            known.Target.Change(config); // for new connections; nobody is refused meanwhile
            return (known with { Config = config }, "");
        }

        if (!IPAddress.TryParse(config.Address, out IPAddress? ip))
        {
            return (null, $"'{config.Address}' is no IP address; write for example 127.0.0.1");
        }

        try
        {
            TcpTarget target = new(config);
            ListenerSide side = new(IsInbound: false, config.Cluster, _services.Stats.Outbound) { Target = target };
            return (new Entry(config, await Listener.BindAsync(_services, new IPEndPoint(ip, config.Port), side), target), "");
        }
        catch (IOException problem)
        {
            return (null, problem.Message);
        }
    }

    private sealed record Entry(ListenerConfig Config, Listener Listener, TcpTarget Target);
}
