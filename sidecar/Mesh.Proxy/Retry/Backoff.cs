using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Retry;

/// <summary>
/// Pauses of one request between its attempts (semantics 4.5), in whole milliseconds as Envoy's. With the defaults the pause is anything in [0, 25), [0, 50),
/// [0, 100), [0, 200), [0, 250), [0, 250) … ms. Each pause draws once from chance, none with <see cref="BackoffJitter.None"/>. Pure but for the draw.
/// </summary>
internal struct Backoff(BackoffConfig config)
{
    private readonly BackoffConfig _config = config;
    private long _next = Milliseconds(config.Base);

    /// <summary>Draws the next pause.</summary>
    public TimeSpan Next(Random random)
    {
        long most = Math.Max(Milliseconds(_config.Max), Milliseconds(_config.Base));
        long now = _next;
        _next = _config.Strategy switch
        {
            BackoffStrategy.Fixed => now,
            BackoffStrategy.Linear => Math.Min(now + Milliseconds(_config.Base), most),
            _ => now < most / 2.0 ? 2 * now : most,
        };
        return TimeSpan.FromMilliseconds(_config.Jitter switch
        {
            BackoffJitter.None => now,
            BackoffJitter.Equal => (now / 2.0) + random.NextInt64((now / 2) + 1),
            BackoffJitter.Ratio => Math.Max(0, now * (1 - _config.JitterRatio + (2 * _config.JitterRatio * random.NextDouble()))),
            _ => random.NextInt64(now),
        });
    }

    /// <summary>The pause that a Retry-After asks for: never shorter, and up to half longer, so that not everybody comes back at once.</summary>
    public static TimeSpan After(TimeSpan asked, Random random)
    {
        long milliseconds = (long)asked.TotalMilliseconds;
        return TimeSpan.FromMilliseconds(milliseconds + random.NextInt64((milliseconds / 2) + 1));
    }

    private static long Milliseconds(TimeSpan time) => Math.Max(1, (long)time.TotalMilliseconds);
}
