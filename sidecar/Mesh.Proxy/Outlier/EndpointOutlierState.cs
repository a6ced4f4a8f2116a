namespace Mesh.Proxy.Outlier;

/// <summary>
/// What the detector remembers of one endpoint; survives configuration pushes. The counts in a row are written by requests with interlocked
/// operations, everything else under the cluster's lock.
/// </summary>
internal sealed class EndpointOutlierState
{
    private int _consecutive5xx;
    private int _consecutiveGateway;
    private int _consecutiveLocal;
    private volatile bool _isEjected;

    /// <summary>Whether it is out of the rotation.</summary>
    public bool IsEjected => _isEjected;

    /// <summary>How often it was ejected.</summary>
    public long Ejections { get; private set; }

    /// <summary>Multiplies the base ejection time.</summary>
    public int Multiplier { get; set; }

    /// <summary>Which detector spoke at the last ejection; none before the first.</summary>
    public EjectionCause LastCause { get; private set; }

    /// <summary>Timestamp of the last ejection.</summary>
    public long EjectedAt { get; private set; }

    /// <summary>Timestamp of the last return; null before the first.</summary>
    public long? ReturnedAt { get; private set; }

    /// <summary>Timestamp of the last ejection or return; null before the first.</summary>
    public long? LastActionAt { get; private set; }

    /// <summary>Counts an answer as <paramref name="code"/>; says which detectors have just reached their thresholds.</summary>
    public EjectionCause AddResult(int code, int gatewayThreshold, int threshold5xx)
    {
        if (code < 500)
        {
            Clear(ref _consecutive5xx);
            Clear(ref _consecutiveGateway);
            return EjectionCause.None;
        }

        // Equality, not "at least" (as Envoy): of many concurrent failures exactly one crosses the threshold.
        EjectionCause reached = EjectionCause.None;
        if (code is 502 or 503 or 504)
        {
            if (Interlocked.Increment(ref _consecutiveGateway) == gatewayThreshold)
            {
                reached |= EjectionCause.ConsecutiveGatewayFailure;
            }
        }
        else
        {
            Clear(ref _consecutiveGateway);
        }

        return Interlocked.Increment(ref _consecutive5xx) == threshold5xx ? reached | EjectionCause.Consecutive5xx : reached;
    }

    /// <summary>Counts a failure that never reached the upstream's application (split mode).</summary>
    public EjectionCause AddLocalFailure(int threshold) =>
        Interlocked.Increment(ref _consecutiveLocal) == threshold ? EjectionCause.ConsecutiveLocalOriginFailure : EjectionCause.None;

    /// <summary>Counts a local-origin success (split mode).</summary>
    public void AddLocalSuccess() => Clear(ref _consecutiveLocal);

    /// <summary>Starts the count behind <paramref name="cause"/> again.</summary>
    public void ClearCount(EjectionCause cause)
    {
        switch (cause)
        {
            case EjectionCause.Consecutive5xx: Clear(ref _consecutive5xx); break;
            case EjectionCause.ConsecutiveGatewayFailure: Clear(ref _consecutiveGateway); break;
            default: Clear(ref _consecutiveLocal); break;
        }
    }

    /// <summary>Starts every count again.</summary>
    public void ClearCounts()
    {
        Clear(ref _consecutive5xx);
        Clear(ref _consecutiveGateway);
        Clear(ref _consecutiveLocal);
    }

    /// <summary>Takes it out.</summary>
    public void MarkEjected(EjectionCause cause, long now)
    {
        _isEjected = true;
        LastCause = cause;
        Ejections++;
        EjectedAt = now;
        LastActionAt = now;
    }

    /// <summary>Puts it back.</summary>
    public void MarkReturned(long now)
    {
        _isEjected = false;
        ReturnedAt = now;
        LastActionAt = now;
        ClearCounts();
    }

    /// <summary>Forgets everything but the number of ejections: the policy is gone.</summary>
    public void Forget()
    {
        Multiplier = 0;
        ReturnedAt = null;
        ClearCounts();
    }

    private static void Clear(ref int count)
    {
        if (Volatile.Read(ref count) != 0) // healthy endpoints do not fight for the cache line
        {
            Volatile.Write(ref count, 0);
        }
    }
}
