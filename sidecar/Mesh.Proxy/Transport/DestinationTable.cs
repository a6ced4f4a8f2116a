using System.Net;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Transport;

/// <summary>TCP services by the address that redirected connections were going to: the very address, then the smallest CIDR block. Immutable.</summary>
internal sealed class DestinationTable
{
    private readonly Dictionary<IPEndPoint, Entry> _byAddress = [];
    private readonly AddressBlocks<Entry> _byBlock = new();
    private readonly Dictionary<int, Entry> _byPort = [];

    /// <summary>Indexes <paramref name="listeners"/>; of two with one address and port the first counts.</summary>
    public DestinationTable(IEnumerable<ListenerConfig> listeners)
    {
        foreach (ListenerConfig listener in listeners)
        {
            Entry entry = new(listener.Cluster, new TcpTarget(listener));
            if (listener.IsForAnyAddress)
            {
                _byPort.TryAdd(listener.Port, entry);
            }
            else if (!_byBlock.TryAdd(listener.Address, listener.Port, entry) && IPAddress.TryParse(listener.Address, out IPAddress? ip))
            {
                _byAddress.TryAdd(new IPEndPoint(ip, listener.Port), entry);
            }
        }
    }

    /// <summary>A table without services.</summary>
    public static DestinationTable Empty { get; } = new([]);

    /// <summary>The service that has this address, or null.</summary>
    public Entry? Find(IPEndPoint destination) => _byAddress.GetValueOrDefault(destination) ?? _byBlock.Find(destination);

    /// <summary>The service that has no address and is known by its port alone, or null.</summary>
    public Entry? FindByPort(int port) => _byPort.GetValueOrDefault(port);

    /// <summary>A service.</summary>
    /// <param name="Cluster">Its cluster.</param>
    /// <param name="Target">Where its connections go.</param>
    public sealed record Entry(string Cluster, TcpTarget Target);
}
