using System.Net;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// Clusters whose upstream is wherever the caller was going (Envoy's ORIGINAL_DST, semantics 8): endpoints come with their first caller and go when nobody needs them.
// As in Envoy an ejection is noted and told but keeps no caller away: for each of them there is only the one endpoint.
public sealed partial class Cluster
{
    /// <summary>Most destinations at once; each has at least one connection that lives or lived a moment ago.</summary>
    internal const int MaxOriginals = 4096;

    /// <summary>How often unused ones are looked for; one is kept for this long at least (Envoy's cleanup_interval).</summary>
    internal static readonly TimeSpan OriginalsInterval = TimeSpan.FromSeconds(5);

    private readonly Dictionary<IPEndPoint, Endpoint> _originals = []; // guarded by the lock
    private readonly TickEntry _originalsCheck;

    /// <summary>The endpoint of the caller's destination, made now if need be; null when nobody knows it, when there are too many, or when its circuit breaker is against it.</summary>
    private Endpoint? PickOriginal(in PickContext pick)
    {
        if (pick.Destination is not { } destination || _isRetired)
        {
            Stats.CxNoneHealthy.Add();
            return null;
        }

        Deferred deferred = default;
        Endpoint? endpoint;
        lock (_gate)
        {
            if (!_originals.TryGetValue(destination, out endpoint))
            {
                endpoint = AddOriginalLocked(destination, ref deferred);
            }

            if (endpoint is not null)
            {
                endpoint.WasChosen = true;
            }
        }

        deferred.Run(this);
        return endpoint?.Welcomes(in pick, Services.Runtime.Time) == true ? endpoint : null;
    }

    private Endpoint? AddOriginalLocked(IPEndPoint destination, ref Deferred deferred)
    {
        if (_originals.Count >= MaxOriginals)
        {
            RemoveOriginalsLocked(static e => e.RqActive.Value == 0 && !e.Pool.IsWaitedFor, ref deferred); // idle connections make room
            if (_originals.Count >= MaxOriginals)
            {
                Stats.CxOverflow.Add();
                return null;
            }
        }

        Endpoint endpoint = ReviveOrCreateLocked(new EndpointConfig(destination.ToString()));
        _originals.Add(endpoint.Addresses[0], endpoint);
        Stats.MembershipChange.Add();
        RebuildHostsLocked([.. _hosts.All, endpoint]);
        Services.Ticker.ScheduleNoLaterThan(_originalsCheck, After(OriginalsInterval));
        return endpoint;
    }

    private void RemoveUnusedOriginals()
    {
        Deferred deferred = default;
        lock (_gate)
        {
            RemoveOriginalsLocked(static e => !e.WasChosen && e.Pool.IsEmpty, ref deferred);
            foreach (Endpoint endpoint in _originals.Values)
            {
                endpoint.WasChosen = false;
            }

            if (_originals.Count > 0)
            {
                Services.Ticker.ScheduleNoLaterThan(_originalsCheck, After(OriginalsInterval));
            }
        }

        deferred.Run(this);
    }

    private void RemoveOriginalsLocked(Predicate<Endpoint> isUnused, ref Deferred deferred)
    {
        Endpoint[] unused = [.. _originals.Values.Where(e => isUnused(e))];
        foreach (Endpoint endpoint in unused)
        {
            RemoveLocked(endpoint, ref deferred);
        }

        if (unused.Length > 0)
        {
            Stats.MembershipChange.Add();
            RebuildHostsLocked([.. _originals.Values]);
        }
    }

    /// <summary>For whom alone the connection has to be made: whose addresses its first bytes will name, or in whose name it will be dialled.</summary>
    private static ClientAddresses? ClientOf(ClusterConfig config, in PickContext pick) =>
        pick.Client ?? (config.UsesOriginalDestination && pick.Destination is BorrowedEndPoint borrowed ? borrowed.Client : null);

    private RentResult NoOriginalLocked(in PickContext pick)
    {
        if (pick.Destination is not { } destination || _isRetired)
        {
            return new(RentStatus.NoHealthyUpstream, null, null, new DecisionRecord(DecisionReason.NoOriginalDestination), null, TimeSpan.Zero);
        }

        if (!_originals.TryGetValue(destination, out Endpoint? endpoint))
        {
            return Refuse(DecisionReason.DestinationOverflow, "destinations", MaxOriginals, _originals.Count, null);
        }

        return RefuseByBreakers([endpoint], in pick) ?? new RentResult( // its circuit was against it, and is not any more
            RentStatus.NoHealthyUpstream, null, endpoint, new DecisionRecord(DecisionReason.NoHealthyUpstream, null, null, 1, 0), null, TimeSpan.Zero);
    }
}
