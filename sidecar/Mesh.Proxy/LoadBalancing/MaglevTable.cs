using System.Text;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.LoadBalancing;

/// <summary>
/// MAGLEV, as Envoy builds it: a table of prime size that targets fill in turns, each in an order of its own, in proportion to their weights; a key looks up one entry.
/// Immutable. When a target leaves, its keys move, and some few others.
/// </summary>
internal sealed class MaglevTable : ILoadBalancer
{
    private readonly int[] _table; // target of each entry

    /// <param name="addresses">Addresses of the targets.</param>
    /// <param name="weights">Their shares, greater than 0.</param>
    /// <param name="size">Number of entries, a prime.</param>
    public MaglevTable(string[] addresses, double[] weights, int size)
    {
        _table = addresses.Length == 0 ? [] : new int[size];
        Array.Fill(_table, -1);
        Filler[] fillers = [.. addresses.Select((address, i) => new Filler(address, i, weights[i], size))];
        Array.Sort(fillers, static (a, b) => string.CompareOrdinal(a.Address, b.Address)); // the same table whatever order they came in
        double heaviest = weights.Length == 0 ? 0 : weights.Max();
        int filled = 0;
        for (int round = 1; filled < _table.Length; round++)
        {
            for (int i = 0; i < fillers.Length && filled < _table.Length; i++)
            {
                filled += fillers[i].TakeTurn(round, heaviest, _table) ? 1 : 0;
            }
        }
    }

    public int Pick(ulong hash = 0, int attempt = 0)
    {
        ulong key = attempt == 0 ? hash : hash ^ (~0UL - (uint)attempt + 1); // as Envoy: another key for each further attempt
        return _table.Length == 0 ? -1 : _table[key % (ulong)_table.Length];
    }

    /// <summary>A target while the table is filled: the entries it wants, one after the other.</summary>
    private sealed class Filler
    {
        private readonly int _target;
        private readonly double _weight;
        private readonly long _skip;
        private readonly int _size;
        private long _next;
        private double _due;

        public Filler(string address, int target, double weight, int size)
        {
            byte[] key = Encoding.ASCII.GetBytes(address);
            (Address, _target, _weight, _size) = (address, target, weight, size);
            _next = (long)(XxHash64.Of(key) % (ulong)size);
            _skip = size == 1 ? 0 : (long)(XxHash64.Of(key, seed: 1) % (ulong)(size - 1)) + 1;
        }

        public string Address { get; }

        /// <summary>Takes the first free entry of its order, unless it is too light for this round.</summary>
        public bool TakeTurn(int round, double heaviest, int[] table)
        {
            if (round * _weight < _due)
            {
                return false;
            }

            _due += heaviest;
            while (table[_next] >= 0)
            {
                _next = (_next + _skip) % _size;
            }

            table[_next] = _target;
            return true;
        }
    }
}
