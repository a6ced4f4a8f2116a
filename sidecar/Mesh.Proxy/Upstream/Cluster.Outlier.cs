using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Outlier;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Upstream;

// Passive health: what requests tell, what the detector decides, and what follows for the pools.
public sealed partial class Cluster
{
    private static readonly EjectionCause[] InEnvoysOrder =
        [EjectionCause.ConsecutiveGatewayFailure, EjectionCause.Consecutive5xx, EjectionCause.ConsecutiveLocalOriginFailure];

    private readonly TickEntry _sweep;
    private bool _canEject = true; // changed by the applier alone

    /// <summary>Tells the detector of an attempt. Overflow and cancellation are never recorded. Connect failures of a rent are recorded by the cluster itself.</summary>
    /// <param name="endpoint">The endpoint that was tried.</param>
    /// <param name="outcome">What happened.</param>
    /// <param name="statusCode">Status code of a <see cref="UpstreamOutcome.Response"/>; else ignored.</param>
    public void Record(Endpoint endpoint, UpstreamOutcome outcome, int statusCode)
    {
        CountResult(endpoint, outcome, statusCode);
        ClusterConfig config = _config;
        if (config.Shadow is { Outlier: { } shadow })
        {
            RecordInShadow(shadow, endpoint, outcome, statusCode);
        }

        if (config.Outlier is not { } policy)
        {
            return;
        }

        EjectionCause reached = Observe(policy, endpoint.Outlier, outcome, statusCode);
        if (reached != EjectionCause.None)
        {
            OnThresholdReached(endpoint, reached);
        }
    }

    internal void Tell(List<EjectionEvent> events)
    {
        foreach (EjectionEvent happened in events)
        {
            Services.OnEjection(happened);
        }
    }

    private static void CountResult(Endpoint endpoint, UpstreamOutcome outcome, int statusCode)
    {
        switch (outcome)
        {
            case UpstreamOutcome.Response:
                (statusCode < 500 ? endpoint.RqSuccess : endpoint.RqError).Add();
                break;
            case UpstreamOutcome.Timeout:
                endpoint.RqTimeout.Add();
                break;
            case UpstreamOutcome.TcpConnected:
                break;
            default:
                endpoint.RqError.Add();
                break;
        }
    }

    private EjectionCause Observe(OutlierConfig policy, EndpointOutlierState state, UpstreamOutcome outcome, int statusCode)
    {
        bool isAnswer = outcome is UpstreamOutcome.Response or UpstreamOutcome.TcpConnected;
        if (policy.SplitLocalOrigin && !isAnswer)
        {
            return state.AddLocalFailure(policy.ConsecutiveLocalOriginFailure);
        }

        int code = outcome switch
        {
            UpstreamOutcome.Response => OutlierDetector.EffectiveCode(policy, statusCode),
            UpstreamOutcome.TcpConnected => 200,
            UpstreamOutcome.Timeout => 504,
            UpstreamOutcome.ConnectTimeout when _config.Protocol == ClusterProtocol.Tcp => 504,
            _ => 503,
        };
        if (policy.SplitLocalOrigin && code < 500)
        {
            state.AddLocalSuccess();
        }

        return state.AddResult(code, policy.ConsecutiveGatewayFailure, policy.Consecutive5xx);
    }

    private void OnThresholdReached(Endpoint endpoint, EjectionCause reached)
    {
        Deferred deferred = default;
        lock (_gate)
        {
            // As Envoy: the host may be gone, or the policy, by the time the signal is handled.
            if (!endpoint.IsRemoved && _config.Outlier is { } policy)
            {
                foreach (EjectionCause cause in InEnvoysOrder)
                {
                    if (reached.HasFlag(cause))
                    {
                        SignalLocked(policy, endpoint, cause, ref deferred);
                    }
                }
            }
        }

        deferred.Run(this);
    }

    private void SignalLocked(OutlierConfig policy, Endpoint endpoint, EjectionCause cause, ref Deferred deferred)
    {
        Endpoint[] all = _hosts.All;
        long? lastAction = endpoint.Outlier.LastActionAt;
        EjectionVerdict verdict = OutlierDetector.OnSignal(
            policy, endpoint.Outlier, cause, CountEjected(all), all.Length, Now, Stats);
        if (verdict == EjectionVerdict.AlreadyOut)
        {
            return;
        }

        DateTimeOffset? until = null;
        if (verdict == EjectionVerdict.Ejected)
        {
            until = Services.Runtime.Time.GetUtcNow() + OutlierDetector.EjectionTime(policy, endpoint.Outlier);
            endpoint.Pool.DrainLocked(DrainCause.Ejected, ref deferred);
            RebuildHostsLocked(all);
        }

        deferred.Tell(EventOf(endpoint, lastAction, OutlierDetector.Name(cause), until, _config.OutlierSource)
            with
        { IsEject = true, IsEnforced = verdict == EjectionVerdict.Ejected });
    }

    private void Sweep()
    {
        Deferred deferred = default;
        ClusterConfig config;
        lock (_gate)
        {
            config = _config;
            if (_isRetired || config.Outlier is not { } policy)
            {
                return;
            }

            SweepLocked(policy, ref deferred);
        }

        ScheduleSweep(config);
        deferred.Run(this);
    }

    private void SweepLocked(OutlierConfig policy, ref Deferred deferred)
    {
        TimeProvider time = Services.Runtime.Time;
        long now = Now;
        bool changed = false;
        foreach (Endpoint endpoint in _hosts.All)
        {
            long? lastAction = endpoint.Outlier.LastActionAt;
            if (OutlierDetector.TryReturn(policy, endpoint.Outlier, now, time))
            {
                changed = true;
                deferred.Tell(ReturnOf(endpoint, lastAction, "time", _config.OutlierSource));
            }
        }

        foreach (Endpoint endpoint in _hosts.All)
        {
            OutlierDetector.Decay(policy, endpoint.Outlier, now, time);
        }

        if (changed)
        {
            RebuildHostsLocked(_hosts.All);
        }
    }

    private void ReturnAllLocked(string? rule, ref Deferred deferred)
    {
        foreach (Endpoint endpoint in (Endpoint[])[.. _hosts.All, .. _draining.Values])
        {
            if (endpoint.IsEjected)
            {
                long? lastAction = endpoint.Outlier.LastActionAt;
                endpoint.Outlier.MarkReturned(Now);
                deferred.Tell(ReturnOf(endpoint, lastAction, "policy_removed", rule));
            }

            endpoint.Outlier.Forget();
        }
    }

    private void ScheduleSweep(ClusterConfig config)
    {
        if (config.Outlier is { } policy)
        {
            Services.Ticker.ScheduleNoLaterThan(_sweep, After(policy.Interval));
        }
    }

    /// <summary>Says once that the percentage is too small for so few endpoints (sidecar/adr/0010); after each change of either.</summary>
    private void WarnIfNobodyCanBeEjected()
    {
        int total = _hosts.All.Length;
        bool canEject = _config.Outlier is not { } policy || total == 0 || OutlierDetector.MayEject(policy, ejected: 0, total);
        if (_canEject && !canEject)
        {
            LogCannotEject(Services.Logger, _config.OutlierSource ?? Name, _config.Outlier!.MaxEjectionPercent, total, (100 + total - 1) / total, Name);
        }

        _canEject = canEject;
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "{Rule}.maxEjectionPercent: {Percent} % of {Endpoints} endpoints is less than one, so outlier detection never ejects; write at least {Needed} (cluster {Cluster})")]
    private static partial void LogCannotEject(ILogger logger, string rule, int percent, int endpoints, int needed, string cluster);

    private EjectionEvent ReturnOf(Endpoint endpoint, long? lastAction, string reason, string? rule) =>
        EventOf(endpoint, lastAction, reason, null, rule) with { Detector = OutlierDetector.Name(endpoint.Outlier.LastCause) };

    private EjectionEvent EventOf(Endpoint endpoint, long? lastAction, string reason, DateTimeOffset? until, string? rule) => new(
        Services.Runtime.Time.GetUtcNow(),
        Name,
        endpoint.Address,
        IsEject: false,
        reason,
        endpoint.Ejections,
        IsEnforced: true,
        lastAction is { } at ? Since(at) : null,
        until,
        rule);
}
