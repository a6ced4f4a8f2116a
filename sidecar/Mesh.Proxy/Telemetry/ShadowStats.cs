namespace Mesh.Proxy.Telemetry;

/// <summary>What rules in shadow mode would have done to a cluster; a cluster that never had one has none of these.</summary>
public sealed class ShadowStats
{
    /// <summary>shadow_rq_evaluated: calls that limits in shadow mode were asked about.</summary>
    public ShadowCount Evaluated { get; } = new();

    /// <summary>shadow_rq_skipped: calls that were not judged, because too many wait in the line that limits in shadow mode would have made.</summary>
    public ShadowCount Skipped { get; } = new();

    /// <summary>shadow_rq_pending_overflow: calls that http1MaxPendingRequests would have refused.</summary>
    public ShadowCount PendingOverflow { get; } = new();

    /// <summary>shadow_rq_overflow: calls that http2MaxRequests would have refused.</summary>
    public ShadowCount RequestOverflow { get; } = new();

    /// <summary>shadow_cx_overflow: times that maxConnections would have held a connection back, TCP streams that it would have refused among them.</summary>
    public ShadowCount ConnectionOverflow { get; } = new();

    /// <summary>shadow_cx_rejected: TCP streams that maxConnections would have refused.</summary>
    public ShadowCount StreamOverflow { get; } = new();

    /// <summary>shadow_rq_delayed: calls that would have waited for a connection longer than they did.</summary>
    public ShadowCount Delayed { get; } = new();

    /// <summary>shadow_rq_judged: outcomes that outlier detection in shadow mode was told of.</summary>
    public ShadowCount Judged { get; } = new();

    /// <summary>shadow_ejections: endpoints that would have been ejected.</summary>
    public ShadowCount Ejections { get; } = new();

    /// <summary>shadow_ejections_overflow: ejections that maxEjectionPercent would have held back.</summary>
    public ShadowCount EjectionsOverflow { get; } = new();

    /// <summary>shadow_ejections_active (gauge): endpoints that would be out now.</summary>
    public Gauge EjectionsActive { get; } = new();

    /// <summary>shadow_rq_pending_timeout: calls that pendingTimeout would have ended.</summary>
    public ShadowCount PendingTimeout { get; } = new();

    /// <summary>shadow_rq_write_timeout: calls that writeTimeout would have ended.</summary>
    public ShadowCount WriteTimeout { get; } = new();

    /// <summary>shadow_rq_retry: attempts that would have been followed by another, and were not.</summary>
    public ShadowCount Retry { get; } = new();

    /// <summary>shadow_rq_retry_spared: retries that were made, and would not have been.</summary>
    public ShadowCount RetrySpared { get; } = new();

    /// <summary>shadow_rq_retry_evaluated: retries that were made and that maxRetries or a budget in shadow mode was asked about.</summary>
    public ShadowCount RetryEvaluated { get; } = new();

    /// <summary>shadow_rq_retry_overflow: those that it would have refused.</summary>
    public ShadowCount RetryOverflow { get; } = new();

    /// <summary>shadow_cx_connect_timeout: connects that took longer than connectTimeout in shadow mode allows.</summary>
    public ShadowCount ConnectTimeout { get; } = new();

    /// <summary>shadow_cx_mesh_overflow: connections that a share of meshLimits.maxConnections would have held back.</summary>
    public ShadowCount MeshConnectionOverflow { get; } = new();

    /// <summary>shadow_rq_mesh_overflow: calls that a share of meshLimits.maxRequests would have refused.</summary>
    public ShadowCount MeshRequestOverflow { get; } = new();

    /// <summary>Retries under way that limits in shadow mode would have let in.</summary>
    internal Gauge RetriesActive { get; } = new();

    /// <summary>shadow_rq_retry_max (gauge): most retries at once that there really were.</summary>
    public Gauge MaxRetries { get; } = new();

    /// <summary>shadow_cx_max (gauge): most connections at once that there really were.</summary>
    public Gauge MaxConnections { get; } = new();

    /// <summary>shadow_rq_pending_max (gauge): most calls at once that really waited for a connection.</summary>
    public Gauge MaxPending { get; } = new();

    /// <summary>shadow_rq_max (gauge): most calls at once that really were under way.</summary>
    public Gauge MaxRequests { get; } = new();

    /// <summary>Other rules are in shadow mode: counts begin anew, and what there really was at most does too.</summary>
    internal void Restart()
    {
        foreach (ShadowCount count in (ShadowCount[])[
            Evaluated, Skipped, PendingOverflow, RequestOverflow, ConnectionOverflow, StreamOverflow, Delayed, Judged, Ejections, EjectionsOverflow, PendingTimeout, WriteTimeout, Retry, RetrySpared,
            RetryEvaluated, RetryOverflow, ConnectTimeout, MeshConnectionOverflow, MeshRequestOverflow])
        {
            count.Restart();
        }

        MaxConnections.Set(0);
        MaxPending.Set(0);
        MaxRequests.Set(0);
        MaxRetries.Set(0);
    }

    /// <summary>Remembers the largest numbers, from <paramref name="cluster"/> as it is now. One caller at a time.</summary>
    internal void See(ClusterStats cluster)
    {
        Raise(MaxConnections, cluster.CxActive);
        Raise(MaxPending, cluster.RqPendingActive);
        Raise(MaxRequests, cluster.RqActive);
        Raise(MaxRetries, cluster.RqRetryActive);
    }

    private static void Raise(Gauge most, Gauge now)
    {
        if (now.Value > most.Value)
        {
            most.Set(now.Value);
        }
    }
}
