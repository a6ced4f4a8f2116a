using System.Globalization;
using System.Text;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.LoadBalancing;

/// <summary>
/// RING_HASH (ketama): each target stands at many places of a ring of hashes, in proportion to its weight; a key belongs to the first place at or after its own hash.
/// Immutable. When a target leaves, only its keys move, each to the place that follows. For that, a target keeps the number of its places: Envoy keeps the size of the
/// ring instead, gives those that stay more places, and moves twice as many keys.
/// </summary>
internal sealed class RingTable : ILoadBalancer
{
    private const long MaximumSize = 8_388_608;
    private const double RoomySize = 131_072; // a megabyte and a half
    private readonly ulong[] _places; // ascending
    private readonly int[] _targets; // whose place it is

    /// <param name="addresses">Addresses of the targets.</param>
    /// <param name="weights">Their shares, greater than 0, sum 1.</param>
    /// <param name="minimumSize">Fewest places.</param>
    public RingTable(string[] addresses, double[] weights, long minimumSize)
    {
        double scale = weights.Length == 0 ? 0 : SizeFor(1 / weights.Min(), minimumSize);
        List<ulong> places = new((int)scale + 1);
        List<int> targets = new(places.Capacity);
        double wanted = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            // Running sums, not each share rounded: so the whole ring gets the size it should.
            wanted += scale * weights[i];
            AddPlaces(addresses[i], i, wanted, places, targets);
        }

        (_places, _targets) = ([.. places], [.. targets]);
        Array.Sort(_places, _targets);
    }

    /// <summary>Number of places.</summary>
    public int Size => _places.Length;

    public int Pick(ulong hash = 0, int attempt = 0)
    {
        if (_places.Length == 0)
        {
            return -1;
        }

        (int low, int high) = (0, _places.Length);
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            (low, high) = _places[middle] < hash ? (middle + 1, high) : (low, middle);
        }

        return _targets[(low + attempt) % _targets.Length];
    }

    /// <param name="units">Sum of the weights, the smallest being 1.</param>
    /// <param name="minimumSize">Fewest places.</param>
    private static double SizeFor(double units, long minimumSize)
    {
        double asEnvoy = Math.Ceiling(minimumSize / units);
        double steady = Math.Min(minimumSize / 2, Math.Floor(RoomySize / units)); // the same for 2 targets and for 200
        return Math.Min(Math.Max(asEnvoy, steady) * units, MaximumSize);
    }

    private static void AddPlaces(string address, int target, double upTo, List<ulong> places, List<int> targets)
    {
        Span<byte> key = stackalloc byte[128]; // the longest address has 63 characters, a number ten more
        int prefix = Encoding.ASCII.GetBytes(address, key);
        key[prefix++] = (byte)'_';
        for (int i = 0; places.Count < upTo; i++)
        {
            i.TryFormat(key[prefix..], out int digits, provider: CultureInfo.InvariantCulture);
            places.Add(XxHash64.Of(key[..(prefix + digits)]));
            targets.Add(target);
        }
    }
}
