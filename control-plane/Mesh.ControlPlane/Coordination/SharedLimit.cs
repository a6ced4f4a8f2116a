namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// One limit and who has which share of it (control-plane/adr/0040). A share is only given to another once its holder says that the smaller one is in force and that it uses no more; and it is
/// only taken from who has more than is fair when another has too little. Not thread-safe.
/// </summary>
internal sealed class SharedLimit
{
    private readonly List<LimitHolder> _holders = []; // in order of deployment
    private readonly Dictionary<string, LimitHolder> _byId = new(StringComparer.Ordinal); // of the sidecar: it is asked for often, and there is one of an id at a time

    /// <summary>The limit for all together; 0 until it is known.</summary>
    public int Total { get; set; }

    /// <summary>Who has a share.</summary>
    public IReadOnlyList<LimitHolder> Holders => _holders;

    /// <summary>Most that all may be using together.</summary>
    public long Held => _holders.Sum(static h => (long)h.Held);

    /// <summary>The holder of that name; null when it has no share.</summary>
    public LimitHolder? Find(Reporter reporter) => _byId.TryGetValue(reporter.Id, out LimitHolder? holder) && holder.Reporter == reporter ? holder : null;

    /// <summary>Adds one.</summary>
    public void Add(LimitHolder holder)
    {
        int at = _holders.FindIndex(h => Reporter.Compare(holder.Reporter, h.Reporter) < 0);
        _holders.Insert(at < 0 ? _holders.Count : at, holder);
        _byId[holder.Reporter.Id] = holder;
    }

    /// <summary>Takes one away, and its share with it.</summary>
    public void Remove(Reporter reporter)
    {
        if (Find(reporter) is { } holder)
        {
            _holders.Remove(holder);
            _byId.Remove(reporter.Id);
        }
    }

    /// <summary>Lowers and raises shares to what is fair, as far as it is needed and certain.</summary>
    /// <param name="heard">Who has just reported; null for nobody.</param>
    /// <param name="mayRaise">False while there may be holders that nobody has heard of yet.</param>
    /// <param name="nextEpoch">Gives the number of an order.</param>
    /// <returns>The holders whose share changed.</returns>
    public List<LimitHolder> Balance(LimitHolder? heard, bool mayRaise, Func<long> nextEpoch)
    {
        List<LimitHolder> changed = [];
        if (Total == 0)
        {
            return changed;
        }

        int[] fair = FairShares.Divide(Total, [.. _holders.Select(static h => (h.Wanted, h.Share))]);
        int[] shares = [.. _holders.Select(static h => h.Share)];
        Lower(fair, shares, heard);
        if (mayRaise)
        {
            Raise(fair, shares);
        }

        for (int i = 0; i < shares.Length; i++)
        {
            if (shares[i] != _holders[i].Share)
            {
                _holders[i].Order(shares[i], nextEpoch());
                changed.Add(_holders[i]);
            }
        }

        return changed;
    }

    /// <summary>Takes what others lack, and what was given out too much, from those who have most beyond what is fair. Where nobody lacks anything, who uses little gives back bit by bit.</summary>
    private void Lower(int[] fair, int[] shares, LimitHolder? heard)
    {
        long lacking = -Total;
        for (int i = 0; i < fair.Length; i++)
        {
            lacking += Math.Max(shares[i], Math.Min(fair[i], _holders[i].Wanted));
        }

        foreach (int i in Enumerable.Range(0, fair.Length).Where(i => shares[i] > fair[i]).OrderByDescending(i => shares[i] - fair[i]).ToArray())
        {
            int surplus = shares[i] - fair[i];
            bool isIdle = _holders[i] == heard && _holders[i].Wanted <= shares[i] / 2;
            int given = lacking > 0 ? (int)Math.Min(surplus, lacking) : isIdle ? (surplus + 7) / 8 : 0;
            lacking -= given;
            shares[i] -= given;
        }
    }

    /// <summary>Gives away what certainly nobody uses: first to those who want it, then as head-room; evenly, and what some do not take to the others.</summary>
    private void Raise(int[] fair, int[] shares)
    {
        long free = Total - Held;
        int[] order = [.. Enumerable.Range(0, fair.Length).Where(i => shares[i] < fair[i]).OrderByDescending(i => _holders[i].Wanted > shares[i]).ThenBy(i => shares[i])];
        foreach (bool isEven in (bool[])[true, false])
        {
            for (int k = 0; k < order.Length; k++)
            {
                int i = order[k];
                int counted = Math.Max(shares[i], _holders[i].Held); // more costs nothing up to here: it may be using that much anyway
                long part = isEven ? Math.Max(1, free / (order.Length - k)) : free;
                int next = (int)Math.Min(fair[i], counted + Math.Clamp(part, 0, Math.Max(0, free)));
                if (next > shares[i])
                {
                    free -= Math.Max(0, next - counted);
                    shares[i] = next;
                }
            }
        }
    }
}
