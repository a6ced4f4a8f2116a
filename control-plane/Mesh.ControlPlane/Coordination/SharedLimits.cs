using System.Text.Json.Nodes;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Which limit of which upstream; the names of <see cref="LimitReport"/>.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Cluster">The upstream.</param>
/// <param name="Limit">Field of the rule.</param>
/// <param name="Key">Hash of the key, of a limit that has one for each; else empty.</param>
internal readonly record struct LimitName(string Rule, string Cluster, string Limit, string Key = "");

/// <summary>All limits that callers share: each gets the part that it wants, as far as that is fair, and never do all together get more than there is.</summary>
/// <param name="totalOf">The limit that a rule's field says now; null when there is none.</param>
/// <param name="time">Clock.</param>
/// <param name="settling">Time from the start, or from when this replica began to decide, after which all callers have said what they have; null for a lease, which is enough where all report to this process.</param>
internal sealed class SharedLimits(Func<LimitName, int?> totalOf, TimeProvider time, TimeSpan? settling = null) : ICoordinated
{
    /// <summary>Most limits, keys apart: a sidecar that makes up names must not fill the memory.</summary>
    public const int Most = 10_000;

    /// <summary>Most keys of one limit that have shares; others get along with what each key has anyway.</summary>
    public const int MostKeys = 1_000;

    /// <summary>Most keys of all limits: they take no limit's place.</summary>
    public const int MostKeysOfAll = 10_000;

    private const int FewHolders = 32;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100); // a thousand callers need not be weighed against each other a thousand times a second

    private readonly Dictionary<LimitName, SharedLimit> _limits = [];
    private readonly Dictionary<LimitName, long> _balancedAt = [];
    private readonly Dictionary<LimitName, int> _keys = []; // how many each limit has
    private readonly Dictionary<Reporter, HashSet<LimitName>> _names = [];
    private readonly TimeSpan _settling = settling ?? EndpointRegistry.Lease;
    private int _allKeys;
    private long _decidesSince = time.GetTimestamp();
    private long _begin;
    private long _epoch;

    /// <summary>What is not shared, since there is too much of it.</summary>
    public LimitRefusals Refusals { get; } = new(time);

    /// <inheritdoc/>
    public bool Report(Reporter reporter, SidecarReport report, long now)
    {
        if (_names.Count == 0)
        {
            _begin = now;
        }

        if (!_names.TryGetValue(reporter, out HashSet<LimitName>? names))
        {
            _names.Add(reporter, names = []);
        }

        bool isChanged = false;
        HashSet<LimitName> former = [.. names];
        foreach (LimitReport limit in report.Limits)
        {
            LimitName name = new(limit.Rule, limit.Cluster, limit.Limit, limit.Key);
            if (Take(reporter, name, limit, now))
            {
                former.Remove(name);
                names.Add(name);
                isChanged |= Balance(name, reporter, now);
            }
        }

        foreach (LimitName gone in former)
        {
            names.Remove(gone);
            isChanged |= Remove(gone, reporter, now);
        }

        return isChanged;
    }

    /// <inheritdoc/>
    public bool Forget(Reporter reporter, long now)
    {
        bool isChanged = false;
        if (_names.Remove(reporter, out HashSet<LimitName>? names))
        {
            foreach (LimitName name in names)
            {
                isChanged |= Remove(name, reporter, now);
            }
        }

        return isChanged;
    }

    /// <inheritdoc/>
    public bool Advance(long now)
    {
        Refusals.Advance(now);
        return false; // shares move by reports alone
    }

    /// <inheritdoc/>
    public void Restart(long now) => _decidesSince = now;

    /// <inheritdoc/>
    public void AddOrders(Reporter reporter, SidecarOrders orders, long now)
    {
        if (_names.TryGetValue(reporter, out HashSet<LimitName>? names))
        {
            orders.Limits = orders.Limits.AddRange(
                from name in names
                let limit = _limits[name]
                where limit.Total > 0
                let holder = limit.Find(reporter)
                orderby name.Rule, name.Cluster, name.Limit, name.Key
                select new LimitOrder(name.Rule, name.Cluster, name.Limit, holder.Share, limit.Total, holder.Epoch, name.Key));
        }
    }

    /// <summary>Every limit, its total and who has what, for a person.</summary>
    public JsonArray Page() => new([.. _limits.OrderBy(static l => l.Key.Rule, StringComparer.Ordinal).ThenBy(static l => l.Key.Cluster, StringComparer.Ordinal).ThenBy(static l => l.Key.Limit, StringComparer.Ordinal)
        .ThenBy(static l => l.Key.Key, StringComparer.Ordinal)
        .Select(static l => new JsonObject
        {
            ["rule"] = l.Key.Rule,
            ["cluster"] = l.Key.Cluster,
            ["limit"] = l.Key.Limit,
            ["key"] = l.Key.Key,
            ["total"] = l.Value.Total,
            ["shares"] = l.Value.Holders.Sum(static h => (long)h.Share),
            ["held"] = l.Value.Held,
            ["sidecars"] = new JsonArray([.. l.Value.Holders.Select(static h => new JsonObject
            {
                ["id"] = h.Reporter.Id, ["share"] = h.Share, ["held"] = h.Held, ["inUse"] = h.InUse, ["wanted"] = h.Wanted,
            })]),
        })]);

    /// <summary>Takes what is said of one limit; false for a limit that no rule knows, or for which there is no room. One that was known stays: the sidecars still have their shares when the rule comes back.</summary>
    private bool Take(Reporter reporter, LimitName name, LimitReport said, long now)
    {
        if (!_limits.TryGetValue(name, out SharedLimit? limit))
        {
            if (totalOf(name) is not { } total)
            {
                return false;
            }

            if (!HasRoom(name))
            {
                Refusals.Note(name, now);
                return false;
            }

            CountKey(name, 1);
            _limits.Add(name, limit = new SharedLimit { Total = total });
        }

        LimitReport report = Sane(said, limit.Total);
        LimitHolder? holder = limit.Find(reporter);
        if (holder is null)
        {
            limit.Add(holder = new LimitHolder(reporter, report));
        }

        holder.Take(report);
        return true;
    }

    private bool HasRoom(LimitName name) => name.Key.Length == 0
        ? _limits.Count - _allKeys < Most
        : _allKeys < MostKeysOfAll && _keys.GetValueOrDefault(name with { Key = "" }) < MostKeys;

    private void CountKey(LimitName name, int more)
    {
        if (name.Key.Length == 0)
        {
            return;
        }

        LimitName whole = name with { Key = "" };
        int keys = _keys[whole] = _keys.GetValueOrDefault(whole) + more;
        _allKeys += more;
        if (keys == 0)
        {
            _keys.Remove(whole);
        }
    }

    // Nobody is trusted: an epoch that was never given by anybody would leave no number for its own next order, and more than there is cannot be in use.
    private static LimitReport Sane(LimitReport said, int total)
    {
        int most = total > 0 ? total : int.MaxValue;
        return said with
        {
            Epoch = SharedCircuit.IsPossible(said.Epoch) ? said.Epoch : 0,
            Share = Math.Clamp(said.Share, 0, most),
            InUse = Math.Clamp(said.InUse, 0, most),
            Wanted = Math.Max(0, said.Wanted),
        };
    }

    private bool Remove(LimitName name, Reporter reporter, long now)
    {
        SharedLimit limit = _limits[name];
        limit.Remove(reporter);
        if (limit.Holders.Count > 0)
        {
            return Balance(name, reporter, now);
        }

        _limits.Remove(name);
        CountKey(name, -1);
        _balancedAt.Remove(name);
        return false;
    }

    /// <summary>Puts the shares right; true when another than <paramref name="reporter"/> has another one now.</summary>
    private bool Balance(LimitName name, Reporter reporter, long now)
    {
        SharedLimit limit = _limits[name];
        bool isOften = _balancedAt.TryGetValue(name, out long last) && time.GetElapsedTime(last, now) < Pace;
        if (isOften && limit.Holders.Count > FewHolders)
        {
            return false;
        }

        _balancedAt[name] = now;
        limit.Total = totalOf(name) ?? 0;
        // Until then some may have shares of an earlier control plane and have not said so.
        bool isSettled = time.GetElapsedTime(_begin, now) >= EndpointRegistry.Lease && time.GetElapsedTime(_decidesSince, now) >= _settling;
        return limit.Balance(limit.Find(reporter), isSettled, NextEpoch).Exists(h => h.Reporter != reporter);
    }

    // Grows over restarts too, as far as the clock does. Who has a higher number is told a still higher one, and only it: see LimitHolder.
    private long NextEpoch() => _epoch = Math.Max(_epoch + 1, time.GetUtcNow().ToUnixTimeMilliseconds());
}
