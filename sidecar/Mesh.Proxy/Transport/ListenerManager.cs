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
    private volatile Dictionary<string, (ListenerConfig Config, Listener Listener)> _bound = []; // by address; replaced whole

    internal ListenerManager(ListenerServices services) => _services = services;

    /// <summary>Listeners that are bound now.</summary>
    public IReadOnlyList<ListenerConfig> Bound => [.. _bound.Values.Select(static b => b.Config)];

    /// <summary>Their addresses.</summary>
    internal IEnumerable<IPEndPoint> EndPoints => _bound.Values.Select(static b => b.Listener.EndPoint);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<(ListenerConfig Listener, string Problem)>> UpdateAsync(IReadOnlyList<ListenerConfig> listeners)
    {
        List<(ListenerConfig, string)> problems = [];
        Dictionary<string, (ListenerConfig Config, Listener Listener)> old = new(_bound);
        Dictionary<string, (ListenerConfig Config, Listener Listener)> next = [];
        foreach (ListenerConfig config in listeners)
        {
            string address = string.Create(CultureInfo.InvariantCulture, $"{config.Address}:{config.Port}");
            if (next.TryGetValue(address, out (ListenerConfig Config, Listener Listener) first))
            {
                problems.Add((config, $"{address} is taken by {first.Config.Source}; of two listeners with one address the first has it"));
                continue;
            }

            (Listener? listener, string problem) = await KeepOrBindAsync(config, address, old);
            if (listener is null)
            {
                problems.Add((config, problem));
            }
            else
            {
                next[address] = (config, listener);
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

    private async Task<(Listener? Listener, string Problem)> KeepOrBindAsync(
        ListenerConfig config, string address, Dictionary<string, (ListenerConfig Config, Listener Listener)> old)
    {
        if (old.Remove(address, out (ListenerConfig Config, Listener Listener) known))
        {
            if (known.Config.Cluster == config.Cluster)
            {
                return (known.Listener, "");
            }

            await known.Listener.UnbindAsync(); // the address must be free before it can lead elsewhere
        }

        if (!IPAddress.TryParse(config.Address, out IPAddress? ip))
        {
            return (null, $"'{config.Address}' is no IP address; write for example 127.0.0.1");
        }

        try
        {
            ListenerSide side = new(IsInbound: false, config.Cluster, _services.Stats.Outbound);
            return (await Listener.BindAsync(_services, new IPEndPoint(ip, config.Port), side), "");
        }
        catch (IOException problem)
        {
            return (null, problem.Message);
        }
    }
}
