using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.LoadBalancing;

/// <summary>How much of its weight a new target has (semantics 8.5). Thread-safe.</summary>
internal sealed class SlowStart(WarmupConfig config, TimeProvider time)
{
    /// <summary>The share of the weight now: the minimum at the start, 1 after the window.</summary>
    public double FactorOf(ILoadTarget target)
    {
        TimeSpan age = AgeOf(target);
        if (age >= config.Window)
        {
            return 1;
        }

        double elapsed = Math.Max(1, age.TotalMilliseconds) / config.Window.TotalMilliseconds;
        return Math.Clamp(Math.Pow(elapsed, 1 / config.Aggression), config.MinimumPercent / 100, 1);
    }

    /// <summary>Time until the target has its whole weight; zero when it has.</summary>
    public TimeSpan RestOf(ILoadTarget target) => config.Window > AgeOf(target) ? config.Window - AgeOf(target) : TimeSpan.Zero;

    private TimeSpan AgeOf(ILoadTarget target) => time.GetElapsedTime(target.JoinedAt);
}
