using System.Collections.Immutable;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.LoadBalancing;
using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Upstream;

/// <summary>Endpoints that one balancer chooses from: those of a priority, or of a locality in it.</summary>
/// <param name="Choices">The endpoints.</param>
/// <param name="Balancer">Gives an index of <paramref name="Choices"/>.</param>
/// <param name="Share">Its part of the traffic, against those of the other groups.</param>
/// <param name="IsPanic">Too few are healthy, so health is ignored (as Envoy).</param>
internal sealed record HostGroup(Endpoint[] Choices, ILoadBalancer Balancer, long Share, bool IsPanic);

/// <summary>The endpoints as a request sees them; immutable, replaced whole when membership, health or policy change.</summary>
internal sealed class HostSet
{
    private const int MaxExtraPicks = 5; // as Istio; after the last one a host that was tried has to do

    private readonly ImmutableArray<HostGroup> _groups;
    private readonly Shares _shares;
    private readonly ProxyRuntime _runtime;
    private readonly Random _random;
    private readonly bool _byHash;
    private readonly int[] _priorities; // in use
    private readonly bool _hasReserve; // other priorities wait

    /// <param name="all">Endpoints in the cluster now.</param>
    /// <param name="groups">What is chosen from.</param>
    /// <param name="byHash">Whether the choice goes by the key of the request.</param>
    /// <param name="isStale">The groups are those of an earlier membership; the right ones are being built.</param>
    /// <param name="runtime">Clock and chance.</param>
    public HostSet(Endpoint[] all, ImmutableArray<HostGroup> groups, bool byHash, bool isStale, ProxyRuntime runtime)
    {
        All = all;
        HealthyCount = all.Count(static e => e.IsHealthy);
        IsStale = isStale;
        _groups = groups;
        _byHash = byHash;
        (_runtime, _random) = (runtime, runtime.Random);
        _priorities = [.. groups.Select(static g => g.Choices[0].Config.Priority).Distinct()];
        _hasReserve = Array.Exists(all, e => !_priorities.Contains(e.Config.Priority));
        _shares = new Shares([.. groups.Select(static g => g.Share)]);
    }

    public Endpoint[] All { get; }

    public int HealthyCount { get; }

    /// <summary>Rings and tables are older than the membership: what they give is looked at before it is taken.</summary>
    public bool IsStale { get; }

    /// <summary>Nobody can be chosen.</summary>
    public bool IsEmpty => _groups.IsEmpty;

    /// <summary>These endpoints, chosen by the groups of <paramref name="older"/> until there are new ones.</summary>
    public static HostSet Between(Endpoint[] all, HostSet older) => new(all, older._groups, older._byHash, isStale: true, older._runtime);

    /// <summary>Chooses an endpoint, one that was not tried if it finds one soon (semantics 4.7); null when there is none to choose.</summary>
    public Endpoint? Pick(ClusterStats stats, in PickContext context)
    {
        if (_groups.IsEmpty)
        {
            return PickAny(stats, in context);
        }

        if (context.LeftPriorities is not null && PickElsewhere(context) is { } elsewhere)
        {
            return elsewhere;
        }

        ulong hash = !_byHash ? 0 : context.Hash ?? (ulong)_random.NextInt64(long.MaxValue); // without the key: as good as RANDOM
        HostGroup group = _groups.Length == 1 ? _groups[0] : ChooseGroup(hash);
        Endpoint choice = group.Choices[group.Balancer.Pick(hash)];
        for (int i = 1; i <= MaxExtraPicks && (context.Tried?.Contains(choice) == true || !Suits(choice, group.IsPanic, in context)); i++)
        {
            group = _groups.Length == 1 || _byHash ? group : ChooseGroup(hash); // one key stays in one group, as in Envoy
            choice = group.Choices[group.Balancer.Pick(hash, i)];
        }

        if (!Suits(choice, group.IsPanic, in context))
        {
            return PickAny(stats, in context);
        }

        if (group.IsPanic)
        {
            stats.LbHealthyPanic.Add();
        }

        return choice;
    }

    // Priority and locality go by the same key, so that it always finds the same endpoint.
    private HostGroup ChooseGroup(ulong hash) => _groups[_shares.At(_byHash ? (long)(hash % (ulong)_shares.Total) : _random.NextInt64(_shares.Total))];

    /// <summary>
    /// Chooses for a retry that leaves priorities (semantics 4.6), from the others by their health; null when nobody healthy is there. Made on the spot, since few
    /// retries come here: by the weights of the endpoints alone.
    /// </summary>
    private Endpoint? PickElsewhere(PickContext context)
    {
        Endpoint[][] levels = [.. All.Where(e => !context.LeftPriorities!.Contains(e.Config.Priority))
            .GroupBy(static e => e.Config.Priority).OrderBy(static g => g.Key).Select(static g => g.ToArray())];
        int[] percent = PriorityLoads.Of(Array.ConvertAll(levels, static l => (l.Count(static e => IsUsable(e, isPanic: false)), l.Length)), panicThreshold: 0).Percent;
        long drawn = percent.Sum() == 0 ? 0 : _random.NextInt64(100);
        int level = 0;
        while (level < percent.Length && (drawn -= percent[level]) >= 0)
        {
            level++;
        }

        if (level == percent.Length || percent[level] == 0)
        {
            return null;
        }

        Endpoint[] healthy = [];
        for (int i = 0; i < levels.Length && healthy.Length == 0; i++) // where all circuits on trial are full, on to the next level
        {
            healthy = Array.FindAll(levels[(level + i) % levels.Length], e => IsUsable(e, isPanic: false) && e.Welcomes(in context, _runtime.Time));
        }

        if (healthy.Length == 0)
        {
            return null;
        }

        Endpoint[] fresh = Array.FindAll(healthy, e => context.Tried?.Contains(e) != true);
        Endpoint[] choices = fresh.Length > 0 ? fresh : healthy;
        Shares shares = new([.. choices.Select(static e => (long)((ILoadTarget)e).Weight)]);
        return choices[shares.At(_random.NextInt64(shares.Total))];
    }

    // The old table is of no use any more, or circuits on trial take no more calls: whoever is there and does. Who asks no breaker gets an open one rather than none.
    private Endpoint? PickAny(ClusterStats stats, in PickContext context)
    {
        Endpoint? choice = IsStale || (context.Luck is null && Array.Exists(All, static e => e.IsOpen)) ? PickFit(All, in context) : null;
        for (int i = 0; choice is null && !IsStale && i < _groups.Length; i++)
        {
            choice = PickFit(_groups[i].Choices, in context, _groups[i].IsPanic);
        }

        if (choice is null && _hasReserve && !_groups.IsEmpty)
        {
            choice = PickElsewhere(context with { LeftPriorities = _priorities });
        }

        if (choice is null)
        {
            stats.CxNoneHealthy.Add();
        }

        return choice;
    }

    private Endpoint? PickFit(Endpoint[] choices, in PickContext context, bool isPanic = false)
    {
        int start = choices.Length == 0 ? 0 : _random.Next(choices.Length);
        for (int i = 0; i < choices.Length; i++)
        {
            Endpoint endpoint = choices[(start + i) % choices.Length];
            if ((isPanic || endpoint.IsFit) && !endpoint.IsRemoved && endpoint.Welcomes(in context, _runtime.Time))
            {
                return endpoint;
            }
        }

        return null;
    }

    private bool Suits(Endpoint endpoint, bool isPanic, in PickContext context) =>
        (!IsStale || IsUsable(endpoint, isPanic)) && (endpoint.Breaker is null || endpoint.Welcomes(in context, _runtime.Time));

    // Panic passes over health, not over an open circuit.
    private static bool IsUsable(Endpoint endpoint, bool isPanic) => (isPanic ? !endpoint.IsOpen : endpoint.IsHealthy) && !endpoint.IsRemoved;
}
