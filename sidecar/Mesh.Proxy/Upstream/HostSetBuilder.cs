using System.Collections.Immutable;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.LoadBalancing;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>Makes the host sets of one cluster, and keeps what outlives them: where its rotations stand. One caller at a time.</summary>
internal sealed class HostSetBuilder(ProxyRuntime runtime)
{
    private const long Whole = 1_000_000; // of one percent: finer than any weight

    private readonly List<Rotation> _rotations = [new(runtime.Random)];

    /// <summary>A set without endpoints.</summary>
    public HostSet Empty { get; } = new([], [], byHash: false, isStale: false, runtime);

    /// <summary>Divides <paramref name="all"/> into priorities and localities, with a balancer for each that gets traffic. Rings and tables take long.</summary>
    public HostSet Build(ClusterConfig config, Endpoint[] all)
    {
        if (config.UsesOriginalDestination)
        {
            return new HostSet(all, [], byHash: false, isStale: false, runtime); // there is nothing to choose: each is meant for its own callers
        }

        Endpoint[][] levels = [.. all.GroupBy(static e => e.Config.Priority).OrderBy(static g => g.Key).Select(static g => g.ToArray())];
        PriorityLoads loads = PriorityLoads.Of(
            Array.ConvertAll(levels, static l => (l.Count(static e => e.IsHealthy), l.Length)), config.PanicThresholdPercent);
        ImmutableArray<HostGroup>.Builder groups = ImmutableArray.CreateBuilder<HostGroup>();
        for (int i = 0; i < levels.Length; i++)
        {
            if (loads.Percent[i] > 0)
            {
                AddLevel(config, levels[i], loads.Percent[i] * Whole, loads.IsPanic[i], groups);
            }
        }

        return new HostSet(all, groups.ToImmutable(), config.Hash is not null, isStale: false, runtime);
    }

    /// <summary>When the next warm-up is over, so that the set must be built again; null when nobody warms up.</summary>
    public TimeSpan? RestOfWarmup(ClusterConfig config, Endpoint[] all)
    {
        TimeSpan? rest = null;
        if (SlowStartOf(config) is { } slowStart)
        {
            foreach (Endpoint endpoint in all)
            {
                TimeSpan own = slowStart.RestOf(endpoint);
                rest = own > TimeSpan.Zero && !(rest < own) ? own : rest;
            }
        }

        return rest;
    }

    private void AddLevel(ClusterConfig config, Endpoint[] level, long share, bool isPanic, ImmutableArray<HostGroup>.Builder groups)
    {
        Endpoint[] choices = Array.FindAll(level, e => isPanic ? !e.IsOpen : e.IsHealthy);
        bool byLocality = !isPanic && Array.Exists(level, static e => e.Config.LocalityWeight > 0);
        if (byLocality)
        {
            choices = Array.FindAll(choices, static e => e.Config.LocalityWeight > 0);
        }

        if (choices.Length == 0)
        {
            return;
        }

        if (config.Hash is { } hash)
        {
            double[] weights = byLocality ? FoldedWeights(level, choices) : Array.ConvertAll(choices, static e => (double)((ILoadTarget)e).Weight);
            groups.Add(new HostGroup(choices, LoadBalancerFactory.CreateHash(hash, choices, weights), share, isPanic));
        }
        else if (byLocality)
        {
            AddLocalities(config, level, share, groups);
        }
        else
        {
            groups.Add(new HostGroup(choices, Balancer(config, choices, groups.Count), share, isPanic));
        }
    }

    private void AddLocalities(ClusterConfig config, Endpoint[] level, long share, ImmutableArray<HostGroup>.Builder groups)
    {
        Endpoint[][] zones = [.. level.GroupBy(static e => e.Config.Zone).Select(static g => g.ToArray())];
        (Endpoint[] Healthy, double Weight)[] localities = Array.ConvertAll(zones, Locality);
        double sum = localities.Sum(static l => l.Weight);
        foreach ((Endpoint[] healthy, double weight) in localities)
        {
            if (weight > 0)
            {
                groups.Add(new HostGroup(healthy, Balancer(config, healthy, groups.Count), (long)Math.Ceiling(share * weight / sum), false));
            }
        }
    }

    // Locality-weighted (semantics 8.4): the weight shrinks only when fewer than 71.4 % of the locality are healthy.
    private static (Endpoint[] Healthy, double Weight) Locality(Endpoint[] all)
    {
        Endpoint[] healthy = Array.FindAll(all, static e => e.IsHealthy);
        return (healthy, all[0].Config.LocalityWeight * Math.Min(1, PriorityLoads.Overprovisioning * healthy.Length / all.Length));
    }

    // One ring for all localities: each endpoint with its share of the weight of its locality.
    private static double[] FoldedWeights(Endpoint[] level, Endpoint[] choices)
    {
        Dictionary<string, double> perWeight = level.GroupBy(static e => e.Config.Zone).ToDictionary(
            static g => g.Key, static g => Locality([.. g]).Weight / Math.Max(1, g.Where(static e => e.IsHealthy).Sum(static e => ((ILoadTarget)e).Weight)));
        return Array.ConvertAll(choices, e => perWeight[e.Config.Zone] * ((ILoadTarget)e).Weight);
    }

    private ILoadBalancer Balancer(ClusterConfig config, Endpoint[] choices, int group)
    {
        if (group == _rotations.Count)
        {
            _rotations.Add(new Rotation(runtime.Random));
        }

        return LoadBalancerFactory.Create(config.LoadBalancer, choices, _rotations[group], runtime.Random, SlowStartOf(config));
    }

    private SlowStart? SlowStartOf(ClusterConfig config) => config.Warmup is { } warmup ? new SlowStart(warmup, runtime.Time) : null;
}
