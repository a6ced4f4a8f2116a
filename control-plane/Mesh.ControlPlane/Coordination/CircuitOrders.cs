using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Puts what is decided for a circuit into words for one caller. Pure.</summary>
internal static class CircuitOrders
{
    /// <summary>How long an order holds that is renewed each second: ten lost reports.</summary>
    public static readonly TimeSpan Hold = TimeSpan.FromSeconds(10);

    /// <summary>The order. An open circuit stays open, whatever becomes of us, until its wait is over, and a lease more.</summary>
    public static CircuitOrder Of(SharedCircuit circuit, CircuitCaller caller, string cluster, DateTimeOffset now)
    {
        TimeSpan wait = circuit.State != CircuitState.Open ? TimeSpan.Zero
            : circuit.Forced is { } forced ? forced.Until - now
            : circuit.Since + circuit.OpenTime - now;
        TimeSpan hold = circuit.Forced is { } byHand ? byHand.Until - now
            : circuit.State == CircuitState.Open ? Longest(wait, TimeSpan.Zero) + EndpointRegistry.Lease
            : Hold;
        TimeSpan retryAfter = circuit.State == CircuitState.HalfOpen ? SharedCircuit.ShortestState : Longest(wait, TimeSpan.Zero);
        PassedLimit passed = circuit.Passed ?? new PassedLimit("", 0, 0);
        return new CircuitOrder(
            circuit.Config.Rule, cluster, circuit.State, caller.NumberOf(circuit.Epoch), Milliseconds(hold), circuit.State == CircuitState.HalfOpen ? caller.Granted : 0, Milliseconds(retryAfter), passed.Field, passed.Limit, passed.Now);
    }

    /// <summary>An order of the replica that decides, passed on by another that has had it for so long: it ends when it would have ended there.</summary>
    public static CircuitOrder Aged(CircuitOrder order, TimeSpan age) => order with
    {
        TtlMilliseconds = Math.Max(0, order.TtlMilliseconds - (int)age.TotalMilliseconds),
        RetryAfterMilliseconds = Math.Max(0, order.RetryAfterMilliseconds - (int)age.TotalMilliseconds),
    };

    private static TimeSpan Longest(TimeSpan left, TimeSpan right) => left > right ? left : right;

    private static int Milliseconds(TimeSpan time) => (int)Math.Clamp(Math.Ceiling(time.TotalMilliseconds), 0, int.MaxValue);
}
