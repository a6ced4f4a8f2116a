using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.Breakers;

// A breaker of scope mesh: while an order holds, it moves the state and nothing else does; what is counted here goes out in reports. Without one the machine beside this file rules.
internal sealed partial class CircuitBreaker
{
    private volatile bool _hasNews;
    private bool _isAlarmed; // by its own evidence it would have opened
    private OrderedCircuit? _mesh; // null unless the rule is for all callers together

    /// <summary>What the control plane decided, as long as it holds; null when this sidecar decides.</summary>
    public OrderInForce? Order(long now)
    {
        lock (_gate)
        {
            return _mesh?.Show(now);
        }
    }

    /// <summary>What the control plane is to hear; null unless the rule is for all callers together.</summary>
    /// <param name="cluster">Name of the upstream.</param>
    /// <param name="now">Timestamp.</param>
    public CircuitReport? Report(string cluster, long now)
    {
        lock (_gate)
        {
            return _mesh?.Report(_config.Rule, cluster, now);
        }
    }

    /// <summary>Follows an order, unless it is for another rule, or the rule forces a state.</summary>
    /// <param name="order">What the control plane says.</param>
    /// <param name="now">Timestamp of its arrival.</param>
    /// <param name="isStale">It is older than one before, and is not taken.</param>
    /// <param name="change">What changed with it: the state, or who decides about one that is not closed.</param>
    /// <returns>Timestamp at which to <see cref="Age"/>; <see cref="long.MaxValue"/> when the order is not taken.</returns>
    public long Take(CircuitOrder order, long now, out bool isStale, out BreakerChange? change)
    {
        (isStale, change) = (false, null);
        lock (_gate)
        {
            if (_mesh is not { } mesh || _config.Mode != BreakerMode.Auto || order.Rule != _config.Rule)
            {
                return long.MaxValue;
            }

            (long former, bool wasInForce) = (mesh.Epoch, mesh.IsInForce);
            if (!mesh.TryTake(order, now))
            {
                isStale = true;
                return long.MaxValue;
            }

            BreakerState next = Of(order.State);
            bool isSame = next == State && (next == BreakerState.Closed || (wasInForce && order.Epoch == former)); // what runs while it stays closed counts on
            change = isSame ? null : ChangeLocked(next, "mesh", now, isReturn: true) with { Order = order };
            return mesh.ExpiresAt;
        }
    }

    /// <summary>Ends an order whose time is over, without waiting for a call to notice. Returns the change of who decides.</summary>
    /// <param name="now">Timestamp.</param>
    /// <param name="next">Timestamp at which to look again; <see cref="long.MaxValue"/> for never.</param>
    public BreakerChange? Age(long now, out long next)
    {
        lock (_gate)
        {
            BreakerChange? change = ExpireLocked(now);
            next = _mesh is { IsInForce: true } mesh ? mesh.ExpiresAt : long.MaxValue;
            return change;
        }
    }

    /// <summary>Whether something was counted that the control plane should not hear only at its time: the end of a trial's call, what would have opened a breaker of our own, or a call where only others try. Says so once.</summary>
    public bool TakeNews()
    {
        bool hasNews = _hasNews;
        if (hasNews)
        {
            _hasNews = false;
        }

        return hasNews;
    }

    private bool IsOrderedLocked => _mesh is { IsInForce: true };

    private static BreakerState Of(CircuitState state) => state switch
    {
        CircuitState.Open => BreakerState.Open,
        CircuitState.HalfOpen => BreakerState.HalfOpen,
        _ => BreakerState.Closed,
    };

    private void CountForMeshLocked(bool isFailure, bool isSlow)
    {
        if (_mesh is not { } mesh)
        {
            return;
        }

        bool isTrial = State == BreakerState.HalfOpen && mesh.IsInForce; // a trial of its own is none of the epoch's
        bool wasAlarmed = _isAlarmed;
        mesh.Count(isTrial, isFailure, isSlow);
        _isAlarmed = !isTrial && IsBad(_window.Figures, MinimumOf(_config));
        _hasNews |= isTrial || (_isAlarmed && !wasAlarmed);
    }

    // The control plane is silent for longer than its word holds: this sidecar knows nothing, so it lets pass and counts anew.
    private BreakerChange? ExpireLocked(long now) => _mesh?.TryExpire(now) == true ? ChangeLocked(BreakerState.Closed, "order_expired", now) : null;

    /// <summary>The rule's part in who decides; true when an order was in force that no longer is.</summary>
    private bool UpdateMeshLocked(BreakerConfig former, BreakerConfig next)
    {
        bool wasOrdered = IsOrderedLocked;
        if (!next.IsMesh)
        {
            _mesh = null;
        }
        else if (_mesh is null || next.Rule != former.Rule)
        {
            _mesh = new OrderedCircuit(_frequency); // epochs and counts belong to a rule
        }
        else if (next.Mode != BreakerMode.Auto)
        {
            _mesh.Drop();
        }

        return wasOrdered && !IsOrderedLocked;
    }
}
