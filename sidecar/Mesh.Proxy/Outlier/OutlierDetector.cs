using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Outlier;

/// <summary>What became of a signal.</summary>
internal enum EjectionVerdict
{
    /// <summary>The endpoint is out already.</summary>
    AlreadyOut,

    /// <summary>It is out now.</summary>
    Ejected,

    /// <summary><c>maxEjectionPercent</c> keeps it in.</summary>
    Overflow,
}

/// <summary>
/// Decides ejections and returns of one cluster, exactly as Envoy does. Pure: time is an argument, the caller holds the cluster's lock and
/// carries the decision out.
/// </summary>
internal static class OutlierDetector
{
    /// <summary>What a response code counts as. With a list of error codes only those are errors, and one below 500 counts as 500.</summary>
    public static int EffectiveCode(OutlierConfig policy, int code)
    {
        if (policy.ErrorCodes.Length != 0)
        {
            code = !Contains(policy.ErrorCodes, code) ? 200 : Math.Max(code, 500);
        }

        // As Envoy: in split mode an answer is only good or bad, and bad is a 503, a gateway failure too.
        return !policy.SplitLocalOrigin ? code : code >= 500 ? 503 : 200;
    }

    /// <summary>A detector has reached its threshold: decides, keeps the endpoint's state and the counters.</summary>
    /// <param name="policy">Policy in force.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="cause">Exactly one detector.</param>
    /// <param name="ejected">Endpoints out now.</param>
    /// <param name="total">Endpoints of the cluster.</param>
    /// <param name="now">Timestamp.</param>
    /// <param name="stats">Counters; null counts nothing.</param>
    public static EjectionVerdict OnSignal(
        OutlierConfig policy, EndpointOutlierState endpoint, EjectionCause cause, int ejected, int total, long now, ClusterStats? stats)
    {
        if (endpoint.IsEjected)
        {
            return EjectionVerdict.AlreadyOut; // and the count goes on (as Envoy)
        }

        Detected(stats, cause)?.Add();
        endpoint.ClearCount(cause);

        if (!MayEject(policy, ejected, total))
        {
            stats?.EjectionsOverflow.Add();
            return EjectionVerdict.Overflow;
        }

        Enforced(stats, cause)?.Add();
        stats?.EjectionsEnforcedTotal.Add();
        endpoint.MarkEjected(cause, now);
        if (policy.BaseEjectionTime * endpoint.Multiplier < policy.MaxEjectionTime + policy.BaseEjectionTime)
        {
            endpoint.Multiplier++;
        }

        return EjectionVerdict.Ejected;
    }

    /// <summary>
    /// Whether one more may be out. As today's Envoy: the share after this ejection, and no "at least one", so the default of 10 % never
    /// ejects below 10 endpoints (sidecar/adr/0010).
    /// </summary>
    public static bool MayEject(OutlierConfig policy, int ejected, int total) =>
        100L * (ejected + 1) <= Math.Min(100L, policy.MaxEjectionPercent) * total;

    /// <summary>How long the endpoint stays out: base × multiplier, capped.</summary>
    public static TimeSpan EjectionTime(OutlierConfig policy, EndpointOutlierState endpoint)
    {
        TimeSpan time = policy.BaseEjectionTime * endpoint.Multiplier;
        return time < policy.MaxEjectionTime ? time : policy.MaxEjectionTime;
    }

    /// <summary>First half of a sweep: puts the endpoint back if its time is over; true if it did.</summary>
    public static bool TryReturn(OutlierConfig policy, EndpointOutlierState endpoint, long now, TimeProvider time)
    {
        if (!endpoint.IsEjected || time.GetElapsedTime(endpoint.EjectedAt, now) < EjectionTime(policy, endpoint))
        {
            return false;
        }

        endpoint.MarkReturned(now);
        return true;
    }

    /// <summary>Second half of a sweep: one whole interval in rotation takes one from the multiplier, without proof of health (as Envoy).</summary>
    public static void Decay(OutlierConfig policy, EndpointOutlierState endpoint, long now, TimeProvider time)
    {
        if (!endpoint.IsEjected && endpoint.Multiplier > 0 &&
            endpoint.ReturnedAt is { } returned && time.GetElapsedTime(returned, now) >= policy.Interval)
        {
            endpoint.Multiplier--;
        }
    }

    /// <summary>The name of a cause in the event log.</summary>
    public static string Name(EjectionCause cause) => cause switch
    {
        EjectionCause.Consecutive5xx => "consecutive_5xx",
        EjectionCause.ConsecutiveGatewayFailure => "consecutive_gateway_failure",
        _ => "consecutive_local_origin_failure",
    };

    private static StripedCounter? Detected(ClusterStats? stats, EjectionCause cause) => cause switch
    {
        EjectionCause.Consecutive5xx => stats?.EjectionsDetectedConsecutive5xx,
        EjectionCause.ConsecutiveGatewayFailure => stats?.EjectionsDetectedConsecutiveGatewayFailure,
        _ => stats?.EjectionsDetectedConsecutiveLocalOriginFailure,
    };

    private static StripedCounter? Enforced(ClusterStats? stats, EjectionCause cause) => cause switch
    {
        EjectionCause.Consecutive5xx => stats?.EjectionsEnforcedConsecutive5xx,
        EjectionCause.ConsecutiveGatewayFailure => stats?.EjectionsEnforcedConsecutiveGatewayFailure,
        _ => stats?.EjectionsEnforcedConsecutiveLocalOriginFailure,
    };

    private static bool Contains(ReadOnlySpan<char> codes, int code)
    {
        foreach (Range part in codes.Split(','))
        {
            if (int.TryParse(codes[part], out int listed) && listed == code)
            {
                return true;
            }
        }

        return false;
    }
}
