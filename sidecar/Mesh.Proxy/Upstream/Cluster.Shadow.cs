using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Outlier;
using Mesh.Proxy.Shadows;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// Rules in shadow mode, fed with what really happens (sidecar/adr/0043). A cluster without them pays a look at a field.
public sealed partial class Cluster
{
    private readonly TickEntry _shadowSweep;
    private ShadowLimits? _shadowLimits; // guarded by the lock, as is the next
    private ShadowConfig? _shadowConfig;

    /// <summary>Whether limits in shadow mode are evaluated. Guarded by the lock.</summary>
    internal bool HasShadowLimits => _shadowLimits is not null;

    /// <summary>Connections, waiting and active calls that there would be now under limits in shadow mode; zeros without them.</summary>
    public (int Connections, int Waiting, int Active) ShadowFigures
    {
        get
        {
            lock (_gate)
            {
                return _shadowLimits?.Figures(Now) ?? default;
            }
        }
    }

    /// <summary>What limits in shadow mode would have said to the call that has <paramref name="connection"/>; unset when they would have let it pass.</summary>
    internal DecisionRecord ShadowRefusalOf(UpstreamConnection connection)
    {
        if (_config.Shadow is not { PoolSource: { } rule, Limits: { } limits })
        {
            return default;
        }

        return (connection.Shadow?.Refused switch
        {
            DecisionReason.PendingOverflow => new DecisionRecord(DecisionReason.PendingOverflow, rule, "http.http1MaxPendingRequests", limits.MaxPendingRequests),
            DecisionReason.RequestOverflow => new DecisionRecord(DecisionReason.RequestOverflow, rule, "http.http2MaxRequests", limits.MaxRequests),
            DecisionReason.ConnectionOverflow => new DecisionRecord(DecisionReason.ConnectionOverflow, rule, "tcp.maxConnections", limits.MaxConnections),
            _ => default,
        }) with
        { Verdict = DecisionVerdict.Shadow };
    }

    /// <summary>A write of a stream has lasted longer than a policy in shadow mode lets it.</summary>
    internal void CountShadowWriteTimeout() => Stats.NeededShadow.WriteTimeout.Add(Services.Runtime.Time.GetUtcNow());

    /// <summary>
    /// A retry is really made: true when a limit in shadow mode would have let it in, and counts it until <see cref="EndShadowRetry"/>. One that it would have refused takes no
    /// place of its own, so that the next is judged as it would have been.
    /// </summary>
    internal bool EntersShadowRetry()
    {
        if (_config.Shadow is not { } config || (config.RetryBudget is null && config.Limits.MaxRetries == uint.MaxValue))
        {
            return false;
        }

        ShadowStats stats = Stats.NeededShadow;
        DateTimeOffset at = Services.Runtime.Time.GetUtcNow();
        bool isLetIn = _shadowRetries.TryEnter(config.RetryBudget, config.Limits.MaxRetries, Stats, stats.RetriesActive, stats.RetryEvaluated.Value - stats.RetryOverflow.Value);
        stats.RetryEvaluated.Add(at);
        if (!isLetIn)
        {
            stats.RetryOverflow.Add(at);
        }

        return isLetIn;
    }

    /// <summary>A retry that <see cref="EntersShadowRetry"/> counts has ended.</summary>
    internal void EndShadowRetry() => Stats.NeededShadow.RetriesActive.Add(-1);

    private PendingRequest? RentBesideLocked(
        ShadowLimits shadow, Endpoint endpoint, bool isTcp, PipeScheduler? loop, ClientAddresses? client, ref Deferred deferred, out RentResult result)
    {
        UpstreamConnection? newest = endpoint.Pool.Newest;
        PendingRequest? waiter = endpoint.Pool.RentLocked(isTcp, loop, client, ref deferred, out result);
        BeginShadowLocked(shadow, endpoint, isTcp, result.Connection, waiter, endpoint.Pool.Newest is { } made && made != newest ? made : null);
        return waiter;
    }

    // What the rule in force has refused is not judged a second time.
    private void BeginShadowLocked(ShadowLimits shadow, Endpoint endpoint, bool isTcp, UpstreamConnection? connection, PendingRequest? waiter, UpstreamConnection? made)
    {
        Stats.NeededShadow.See(Stats);
        if (connection is null && waiter is null)
        {
            return;
        }

        long now = Now;
        VirtualPool pool = endpoint.Virtual is { } have && have.Owner == shadow ? have : endpoint.Virtual = shadow.NewPool();
        VirtualCall call = shadow.Begin(pool, isTcp, isAttached: connection is not null, now);
        if (connection is not null)
        {
            connection.Shadow = call;
        }
        else
        {
            waiter!.Shadow = call;
        }

        if (call.Opens is { } opens)
        {
            call.Opens = null;
            if (made is not null)
            {
                made.Twin = opens;
            }
            else
            {
                shadow.OpenLater(opens, now);
            }
        }
    }

    // A real connection is there, or will not be: so is, or will not be, the one that was to be made with it.
    private void EndShadowOpeningLocked(UpstreamConnection connection, bool isWanted, bool hasFailed)
    {
        VirtualConnection? twin = connection.Twin;
        connection.Twin = null;
        if (connection.OpeningSince is { } begun && _shadowConfig is { ConnectTimeout: { Ticks: > 0 } longest } && Since(begun) >= longest)
        {
            Stats.NeededShadow.ConnectTimeout.Add(Services.Runtime.Time.GetUtcNow());
        }

        if (isWanted && !hasFailed && connection.OpeningSince is { } since)
        {
            (twin?.Pool.Owner ?? _shadowLimits)?.ConnectTook(Now - since, twin, Now);
        }
        else if (twin is not null && isWanted)
        {
            twin.Pool.Owner.ConnectFailed(twin, Now);
        }
        else if (twin is not null)
        {
            twin.Pool.Owner.OpenLater(twin, Now);
        }
    }

    private void ForgetShadowLocked(Endpoint endpoint)
    {
        if (endpoint.Virtual is { } pool)
        {
            endpoint.Virtual = null;
            pool.Owner.Remove(pool, Now);
        }
    }

    private void UpdateShadow(ShadowConfig? next)
    {
        Deferred deferred = default;
        lock (_gate)
        {
            ShadowStats? stats = next is null ? null : Stats.NeededShadow;
            if (next != _shadowConfig)
            {
                stats?.Restart();
                _shadowConfig = next;
            }

            UpdateShadowSharesLocked(next?.MeshLimits);
            if (next?.PoolSource is null)
            {
                _shadowLimits = null;
            }
            else if (_shadowLimits is { } limits)
            {
                limits.Update(next, Now);
            }
            else
            {
                _shadowLimits = new ShadowLimits(next, Services.Runtime.Time, stats!);
            }

            if (next?.Outlier is null)
            {
                ReturnAllFromShadowLocked(ref deferred);
            }
        }

        ScheduleShadowSweep(next);
        deferred.Run(this);
    }

    // An endpoint that would be out would get no calls, so nothing that happens to it counts meanwhile.
    private void RecordInShadow(OutlierConfig policy, Endpoint endpoint, UpstreamOutcome outcome, int statusCode)
    {
        Stats.NeededShadow.Judged.Add(Services.Runtime.Time.GetUtcNow());
        EndpointOutlierState state = endpoint.ShadowOutlier;
        EjectionCause reached = state.IsEjected ? EjectionCause.None : Observe(policy, state, outcome, statusCode);
        if (reached == EjectionCause.None)
        {
            return;
        }

        Deferred deferred = default;
        lock (_gate)
        {
            if (!endpoint.IsRemoved && _config.Shadow is { Outlier: { } current })
            {
                foreach (EjectionCause cause in InEnvoysOrder)
                {
                    if (reached.HasFlag(cause))
                    {
                        SignalShadowLocked(current, endpoint, cause, ref deferred);
                    }
                }
            }
        }

        deferred.Run(this);
    }

    private void SignalShadowLocked(OutlierConfig policy, Endpoint endpoint, EjectionCause cause, ref Deferred deferred)
    {
        EndpointOutlierState state = endpoint.ShadowOutlier;
        long? lastAction = state.LastActionAt;
        DateTimeOffset at = Services.Runtime.Time.GetUtcNow();
        EjectionVerdict verdict = OutlierDetector.OnSignal(policy, state, cause, CountShadowEjectedLocked(), _hosts.All.Length, Now, stats: null);
        if (verdict == EjectionVerdict.AlreadyOut)
        {
            return;
        }

        bool isOut = verdict == EjectionVerdict.Ejected;
        ShadowStats stats = Stats.NeededShadow;
        (isOut ? stats.Ejections : stats.EjectionsOverflow).Add(at);
        stats.EjectionsActive.Set(CountShadowEjectedLocked());
        DateTimeOffset? until = isOut ? at + OutlierDetector.EjectionTime(policy, state) : null;
        deferred.Tell(ShadowEvent(endpoint, lastAction, OutlierDetector.Name(cause), until) with { IsEject = true });
    }

    private void SweepShadow()
    {
        Deferred deferred = default;
        ShadowConfig? config;
        lock (_gate)
        {
            config = _config.Shadow;
            if (_isRetired || config?.Outlier is not { } policy)
            {
                return;
            }

            long now = Now;
            foreach (Endpoint endpoint in _hosts.All)
            {
                long? lastAction = endpoint.ShadowOutlier.LastActionAt;
                if (OutlierDetector.TryReturn(policy, endpoint.ShadowOutlier, now, Services.Runtime.Time))
                {
                    deferred.Tell(ShadowReturn(endpoint, lastAction, "time"));
                }

                OutlierDetector.Decay(policy, endpoint.ShadowOutlier, now, Services.Runtime.Time);
            }

            Stats.NeededShadow.EjectionsActive.Set(CountShadowEjectedLocked());
        }

        ScheduleShadowSweep(config);
        deferred.Run(this);
    }

    private void ReturnAllFromShadowLocked(ref Deferred deferred)
    {
        foreach (Endpoint endpoint in _hosts.All.Where(static e => e.IsEjectedInShadow))
        {
            long? lastAction = endpoint.ShadowOutlier.LastActionAt;
            endpoint.ShadowOutlier.MarkReturned(Now);
            endpoint.ShadowOutlier.Forget();
            deferred.Tell(ShadowReturn(endpoint, lastAction, "policy_removed"));
        }

        Stats.Shadow?.EjectionsActive.Set(0);
    }

    private void ScheduleShadowSweep(ShadowConfig? config)
    {
        if (config?.Outlier is { } policy)
        {
            Services.Ticker.ScheduleNoLaterThan(_shadowSweep, After(policy.Interval));
        }
    }

    private int CountShadowEjectedLocked() => _hosts.All.Count(static e => e.IsEjectedInShadow);

    private EjectionEvent ShadowReturn(Endpoint endpoint, long? lastAction, string reason) =>
        ShadowEvent(endpoint, lastAction, reason, null) with { Detector = OutlierDetector.Name(endpoint.ShadowOutlier.LastCause) };

    private EjectionEvent ShadowEvent(Endpoint endpoint, long? lastAction, string reason, DateTimeOffset? until) =>
        EventOf(endpoint, lastAction, reason, until, _config.Shadow?.OutlierSource) with { IsEnforced = false, IsShadow = true, NumEjections = endpoint.ShadowOutlier.Ejections };
}
