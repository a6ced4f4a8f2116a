namespace Mesh.Proxy.LoadBalancing;

/// <summary>
/// How much each priority gets (semantics 8.3). Overprovisioned by 1.4: a priority keeps all of its traffic until fewer than 71.4 % of its endpoints are healthy, then
/// the rest goes on to the next. Immutable.
/// </summary>
internal sealed class PriorityLoads
{
    /// <summary>How much more than its part a group is trusted to carry (Envoy's factor).</summary>
    public const double Overprovisioning = 1.4;

    private PriorityLoads(int count) => (Percent, IsPanic) = (new int[count], new bool[count]);

    /// <summary>Percent of the traffic by priority; sum 100, or all 0 when nobody can be chosen.</summary>
    public int[] Percent { get; }

    /// <summary>By priority: so few are healthy that health is ignored.</summary>
    public bool[] IsPanic { get; }

    /// <summary>The loads of priorities with so many healthy endpoints out of all.</summary>
    /// <param name="levels">Healthy and all endpoints of each priority, most wanted first.</param>
    /// <param name="panicThreshold">Healthy endpoints in percent below which a priority panics; 0: never.</param>
    public static PriorityLoads Of(ReadOnlySpan<(int Healthy, int All)> levels, int panicThreshold)
    {
        PriorityLoads loads = new(levels.Length);
        Span<int> health = stackalloc int[levels.Length];
        int total = 0;
        for (int i = 0; i < levels.Length; i++)
        {
            health[i] = HealthOf(levels[i].Healthy, levels[i].All);
            total = Math.Min(100, total + health[i]);
        }

        bool allPanic = levels.Length > 0;
        for (int i = 0; i < levels.Length; i++)
        {
            // As Envoy: as long as the healthy ones can carry everything together, nobody panics.
            loads.IsPanic[i] = total < 100 && 100L * levels[i].Healthy < (long)panicThreshold * levels[i].All;
            allPanic &= loads.IsPanic[i] || levels[i].All == 0;
        }

        if (allPanic && total < 100)
        {
            loads.ShareByCount(levels);
        }
        else if (total > 0)
        {
            loads.Share(health, total);
        }
        else if (FirstHealthy(levels) is >= 0 and int first)
        {
            loads.Percent[first] = 100; // less than a percent is healthy, and rounds to nothing
        }

        return loads;
    }

    private static int FirstHealthy(ReadOnlySpan<(int Healthy, int All)> levels)
    {
        for (int i = 0; i < levels.Length; i++)
        {
            if (levels[i].Healthy > 0)
            {
                return i;
            }
        }

        return -1;
    }

    // In whole percent, as Envoy.
    private static int HealthOf(int healthy, int all) => all == 0 ? 0 : (int)Math.Min(100, Overprovisioning * 100 * healthy / all);

    private void Share(ReadOnlySpan<int> health, int total)
    {
        int rest = 100;
        for (int i = 0; i < health.Length; i++)
        {
            rest -= Percent[i] = Math.Min(rest, health[i] * 100 / total);
        }

        GiveToFirst(rest);
    }

    private void ShareByCount(ReadOnlySpan<(int Healthy, int All)> levels)
    {
        int all = 0;
        foreach ((int _, int count) in levels)
        {
            all += count;
        }

        int rest = all == 0 ? 0 : 100;
        for (int i = 0; i < levels.Length && all > 0; i++)
        {
            rest -= Percent[i] = (int)(100L * levels[i].All / all);
        }

        GiveToFirst(rest);
    }

    // What rounding left over.
    private void GiveToFirst(int rest)
    {
        int first = Array.FindIndex(Percent, static p => p > 0);
        if (first >= 0)
        {
            Percent[first] += rest;
        }
    }
}
