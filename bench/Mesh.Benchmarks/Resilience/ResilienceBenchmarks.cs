using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Concurrency;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Benchmarks.Resilience;

/// <summary>What breaker, rate limit and bulkhead cost a request that they let through: entered and left. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class ResilienceBenchmarks
{
    private const long Frequency = 1_000_000_000;
    private static readonly TimeSpan Latency = TimeSpan.FromMilliseconds(1);

    private readonly CircuitBreaker _breaker = new(new BreakerConfig(), Frequency, 0);
    private readonly RateLimiter _limiter =
        new(new RateLimitConfig { Tokens = RateLimitConfig.MostTokens, Burst = RateLimitConfig.MostTokens }, Frequency, new RateLimitStats(), TimeProvider.System);

    private readonly Bulkhead _bulkhead = new(new ConcurrencyConfig(), Frequency, 0);
    private readonly Bulkhead _adaptive = new(new ConcurrencyConfig { Adaptive = new AdaptiveConcurrencyConfig() }, Frequency, 0);
    private long _now;

    [GlobalSetup]
    public void Setup()
    {
        Good.OrThrow(Breaker());
        Good.OrThrow(Limit());
        Good.OrThrow(EnterAndLeave());
        Good.OrThrow(EnterLearnAndLeave());
        Good.OrThrow(AllThree());
    }

    [Benchmark]
    public bool Breaker()
    {
        _now += 10_000;
        BreakerRefusal refusal = _breaker.TryEnter(_now, null, out BreakerPermit permit, out _);
        _breaker.Leave(permit, BreakerOutcome.Success, Latency, _now);
        return !refusal.IsSet;
    }

    [Benchmark]
    public bool Limit()
    {
        _now += 10_000;
        return _limiter.Take(default, _now, null).Answer == LimitAnswer.Passes;
    }

    [Benchmark(Baseline = true)]
    public bool EnterAndLeave()
    {
        bool hasEntered = _bulkhead.TryEnter();
        _bulkhead.Leave();
        return hasEntered;
    }

    [Benchmark]
    public bool EnterLearnAndLeave()
    {
        _now += 10_000;
        bool hasEntered = _adaptive.TryEnter();
        _adaptive.Learn(_now - 1_000_000, _now);
        _adaptive.Leave();
        return hasEntered;
    }

    [Benchmark]
    public bool AllThree() => Limit() & Breaker() & EnterAndLeave();
}
