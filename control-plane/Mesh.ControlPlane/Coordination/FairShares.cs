namespace Mesh.ControlPlane.Coordination;

/// <summary>Divides a number among callers, max-min fair: nobody can get more without one who has no more than that getting less. Pure.</summary>
internal static class FairShares
{
    /// <summary>
    /// The shares. Each has one at least, even if that makes more than <paramref name="total"/>; nobody has less than it wants while another has more than both want; what nobody wants
    /// is spread evenly, as head-room. What cannot be divided stays with who has more now, so that equals do not take it from each other.
    /// </summary>
    /// <param name="total">What there is, 1 or more.</param>
    /// <param name="callers">What each wants, and what it has now.</param>
    public static int[] Divide(int total, ReadOnlySpan<(int Wanted, int Has)> callers)
    {
        int[] shares = new int[callers.Length];
        int level = Level(total, callers);
        int rest = total;
        for (int i = 0; i < shares.Length; i++)
        {
            shares[i] = Math.Min(Demand(callers[i].Wanted), level);
            rest -= shares[i];
        }

        if (rest <= 0)
        {
            return shares;
        }

        bool[] takes = new bool[shares.Length];
        int takers = 0;
        for (int i = 0; i < shares.Length; i++)
        {
            takes[i] = callers[i].Wanted > level;
            takers += takes[i] ? 1 : 0;
        }

        if (takers == 0) // all have what they want
        {
            Array.Fill(takes, true);
            takers = shares.Length;
        }

        Spread(rest, takers, takes, shares, callers);
        return shares;
    }

    private static int Demand(int wanted) => Math.Max(1, wanted);

    /// <summary>The highest level at which all who want more can be cut without the sum passing the total; 1 at least.</summary>
    private static int Level(int total, ReadOnlySpan<(int Wanted, int Has)> callers)
    {
        int low = 1;
        for (int high = total; low < high;)
        {
            int middle = low + ((high - low + 1) / 2);
            long sum = 0;
            foreach ((int wanted, _) in callers)
            {
                sum += Math.Min(Demand(wanted), middle);
            }

            (low, high) = sum <= total ? (middle, high) : (low, middle - 1);
        }

        return low;
    }

    private static void Spread(int rest, int takers, bool[] takes, int[] shares, ReadOnlySpan<(int Wanted, int Has)> callers)
    {
        int[] order = new int[shares.Length];
        int[] has = new int[shares.Length];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = i;
            has[i] = -callers[i].Has;
        }

        Array.Sort(order, (a, b) => has[a] != has[b] ? has[a].CompareTo(has[b]) : a.CompareTo(b));
        int odd = rest % takers;
        foreach (int i in order.Where(i => takes[i]))
        {
            shares[i] += (rest / takers) + (odd-- > 0 ? 1 : 0);
        }
    }
}
