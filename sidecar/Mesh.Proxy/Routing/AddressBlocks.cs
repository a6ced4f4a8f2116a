using System.Net;

namespace Mesh.Proxy.Routing;

/// <summary>Values by CIDR block and port; the longest prefix wins. Filled once, then read by any thread.</summary>
internal sealed class AddressBlocks<T>
    where T : class
{
    private readonly Dictionary<int, List<(IPNetwork Block, T Value)>> _byPort = []; // longest prefix first

    /// <summary>Whether there is no block.</summary>
    public bool IsEmpty => _byPort.Count == 0;

    /// <summary>Adds a block; of equal ones the first counts. False when <paramref name="text"/> is none.</summary>
    public bool TryAdd(string text, int port, T value)
    {
        if (!text.Contains('/') || !IPNetwork.TryParse(text, out IPNetwork block))
        {
            return false;
        }

        if (!_byPort.TryGetValue(port, out List<(IPNetwork Block, T Value)>? blocks))
        {
            _byPort.Add(port, blocks = []);
        }

        int at = blocks.FindIndex(b => b.Block.PrefixLength < block.PrefixLength);
        blocks.Insert(at < 0 ? blocks.Count : at, (block, value));
        return true;
    }

    /// <summary>The value of the smallest block that holds <paramref name="destination"/>, or null.</summary>
    public T? Find(IPEndPoint destination)
    {
        if (_byPort.TryGetValue(destination.Port, out List<(IPNetwork Block, T Value)>? blocks))
        {
            foreach ((IPNetwork block, T value) in blocks)
            {
                if (block.Contains(destination.Address))
                {
                    return value;
                }
            }
        }

        return null;
    }
}
