using Mesh.Proxy.Breakers;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Breakers;

/// <summary>The breaker against a reference that keeps every call in a list and counts anew each time, over random histories.</summary>
public sealed class CircuitBreakerModelTests
{
    private const long Frequency = 1000; // milliseconds

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void RandomHistory_BehavesAsTheReference(int seed)
    {
        Random random = new(seed);
        BreakerConfig config = BreakerReference.RandomConfig(random);
        CircuitBreaker breaker = new(config, Frequency, 0);
        BreakerReference reference = new(config, Frequency);
        List<(BreakerPermit Real, int Reference)> running = [];
        long now = 0;
        for (int step = 0; step < 3000; step++)
        {
            string where = $"seed {seed}, step {step}, {config}";
            now += random.Next(4) == 0 ? random.Next(3000) : random.Next(5);
            if (running.Count == 0 || random.Next(5) < 3)
            {
                bool passes = !breaker.TryEnter(now, random, out BreakerPermit permit, out _).IsSet;
                Assert.True(reference.TryEnter(now, out int ticket) == passes, where);
                if (passes)
                {
                    running.Add((permit, ticket));
                }
            }
            else
            {
                int at = random.Next(running.Count);
                BreakerOutcome outcome = random.Next(8) == 0 ? BreakerOutcome.Ignored : random.NextDouble() < 0.45 ? BreakerOutcome.Failure : BreakerOutcome.Success;
                TimeSpan time = TimeSpan.FromMilliseconds(random.Next(200));
                breaker.Leave(running[at].Real, outcome, time, now);
                reference.Leave(running[at].Reference, outcome, time, now);
                running.RemoveAt(at);
            }

            Assert.True(reference.State == breaker.State, $"{reference.State} and {breaker.State}: {where}");
            if (breaker.State is BreakerState.Closed or BreakerState.HalfOpen)
            {
                Assert.Equal(reference.Figures(now), breaker.Figures(now));
            }
        }
    }
}
