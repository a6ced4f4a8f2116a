namespace Mesh.Proxy.Breakers;

/// <summary>States in words, as reply headers, pages and events have them.</summary>
public static class BreakerText
{
    /// <summary><c>closed</c>, <c>open</c>, <c>half_open</c>, <c>disabled</c>, <c>forced_open</c>, <c>metrics_only</c>.</summary>
    public static string Of(BreakerState state) => state switch
    {
        BreakerState.Open => "open",
        BreakerState.HalfOpen => "half_open",
        BreakerState.Disabled => "disabled",
        BreakerState.ForcedOpen => "forced_open",
        BreakerState.MetricsOnly => "metrics_only",
        _ => "closed",
    };
}
