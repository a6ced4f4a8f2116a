namespace Mesh.Proxy.Breakers;

// A breaker of one endpoint among others (adr/0047): whoever chooses looks at it first, and what time changes happens on time, since nobody calls an endpoint that is left out.
internal sealed partial class CircuitBreaker
{
    private string? _place;
    private string? _passedOver;

    /// <summary>Address of the endpoint it is for; null for a whole upstream or a route.</summary>
    public string? Endpoint { get; init; }

    /// <summary>What a refusal in shadow mode would have meant, in words.</summary>
    public string PassedOver => _passedOver ??= $"{Endpoint} would have been passed over";

    /// <summary>Whether it keeps every call away from its endpoint.</summary>
    public bool KeepsOut => State is BreakerState.Open or BreakerState.ForcedOpen && !Config.IsShadow;

    /// <summary>Whether a call may be led here now. Takes nothing: who is led here still asks for a permit. Costs two reads while the circuit is closed.</summary>
    /// <param name="luck">Of the call, for a recovery.</param>
    /// <param name="time">Clock.</param>
    /// <param name="waiting">Calls that wait for a connection there: in a trial no more than it has places, or all of them would wait for one that may be dead.</param>
    public bool Welcomes(double luck, TimeProvider time, int waiting) =>
        State is BreakerState.Closed or BreakerState.MetricsOnly or BreakerState.Disabled && Volatile.Read(ref _recoveredAt) == 0
        || Config.IsShadow || !Look(time.GetTimestamp(), luck, waiting).IsSet;

    /// <summary>What a call would be told here now; unset when it would pass. Takes nothing and changes nothing.</summary>
    public BreakerRefusal Look(long now, double luck, int waiting = 0)
    {
        lock (_gate)
        {
            return RefusalLocked(now, luck, waiting) with { Place = _place ??= $"no endpoint takes calls, {Endpoint} is tried first" };
        }
    }

    /// <summary>Changes that time alone brings, without waiting for a call.</summary>
    /// <param name="now">Timestamp.</param>
    public BreakerChange? Wake(long now)
    {
        lock (_gate)
        {
            return AgeLocked(now);
        }
    }

    /// <summary>Timestamp at which to <see cref="Wake"/> it, later than <paramref name="now"/>; <see cref="long.MaxValue"/> for never.</summary>
    public long WakesAt(long now)
    {
        lock (_gate)
        {
            TimeSpan? length = State switch
            {
                BreakerState.Open => _openTime,
                BreakerState.HalfOpen when _config.LongestTrial > TimeSpan.Zero => _config.LongestTrial,
                _ => null,
            };
            return length is { } time ? Math.Max(now + 1, EndOf(time)) : long.MaxValue;
        }
    }
}
