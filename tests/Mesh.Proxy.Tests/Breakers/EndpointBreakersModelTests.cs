using Mesh.Proxy.Breakers;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Breakers;

/// <summary>Breakers of several endpoints in a real cluster, its load balancer and its ticker, against one reference for each, over random histories.</summary>
public sealed class EndpointBreakersModelTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 25)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task RandomHistory_BehavesAsOneReferenceForEach(int seed)
    {
        Random random = new(seed);
        BreakerConfig config = BreakerReference.RandomConfig(random) with { IsPerEndpoint = true };
        using UpstreamHarness harness = new(c => c with { Breaker = config, PanicThresholdPercent = 0 }, endpoints: random.Next(1, 5), random: new Random(seed));
        harness.Connector.ConnectsAtOnce = true;
        Cluster cluster = harness.Cluster;
        BreakerReference[] references = [.. cluster.Endpoints.Select(_ => new BreakerReference(config, harness.Time.TimestampFrequency))];
        List<(UpstreamConnection Connection, BreakerPermit Permit, BreakerReference Reference, int Ticket)> running = [];
        for (int step = 0; step < 1000; step++)
        {
            string where = $"seed {seed}, step {step}, {config}";
            Advance(harness, references, random.Next(4) == 0 ? random.Next(3000) : random.Next(5));
            long now = harness.Time.GetTimestamp();
            if (running.Count == 0 || random.Next(5) < 3)
            {
                RentResult rent = await UpstreamHarness.Soon(cluster.RentHttpAsync(default, null, new PickContext(Luck: 0)).AsTask());
                Assert.True(rent.Status == (Array.Exists(references, static r => r.Passes) ? RentStatus.Ok : RentStatus.CircuitOpen), $"{rent.Status}: {where}");
                if (rent.Connection is { } connection)
                {
                    BreakerReference reference = references[cluster.Endpoints.ToList().IndexOf(rent.Endpoint!)];
                    Assert.False(cluster.EnterBreaker(rent.Endpoint!.Breaker!, now, isFirst: true, out BreakerPermit permit).IsSet, where);
                    Assert.True(reference.TryEnter(now, out int ticket), where);
                    running.Add((connection, permit, reference, ticket));
                }
            }
            else
            {
                (UpstreamConnection connection, BreakerPermit permit, BreakerReference reference, int ticket) = running[random.Next(running.Count)];
                running.RemoveAll(r => r.Connection == connection);
                BreakerOutcome outcome = random.Next(8) == 0 ? BreakerOutcome.Ignored : random.NextDouble() < 0.45 ? BreakerOutcome.Failure : BreakerOutcome.Success;
                TimeSpan time = TimeSpan.FromMilliseconds(random.Next(200));
                cluster.LeaveBreaker(connection.Endpoint.Breaker!, permit, outcome, time, now);
                reference.Leave(ticket, outcome, time, now);
                connection.Release(reusable: true);
            }

            Agree(cluster, references, where);
        }

        running.ForEach(static r => r.Connection.Release(reusable: true));
    }

    // The reference learns of time at the very moments at which it changes something.
    private static void Advance(UpstreamHarness harness, BreakerReference[] references, int milliseconds)
    {
        long target = harness.Time.GetTimestamp() + (milliseconds * TimeSpan.TicksPerMillisecond);
        for (long now = harness.Time.GetTimestamp(); now < target;)
        {
            long next = Math.Min(target, references.Min(static r => r.DueAt));
            harness.Time.Advance(TimeSpan.FromTicks(next - now));
            now = next;
            Array.ForEach(references, r => r.Age(now));
        }
    }

    private static void Agree(Cluster cluster, BreakerReference[] references, string where)
    {
        BreakerState[] expected = Array.ConvertAll(references, static r => r.State);
        Assert.True(expected.SequenceEqual(cluster.Endpoints.Select(static e => e.Breaker!.State)), $"{string.Join(' ', expected)}: {where}");
        Assert.Equal(expected.Select(static s => s != BreakerState.Open), cluster.Endpoints.Select(static e => e.IsHealthy));
        Assert.Equal((expected.Count(static s => s == BreakerState.Open), expected.Count(static s => s == BreakerState.HalfOpen)), cluster.BrokenEndpoints);
        Assert.Equal(expected.Count(static s => s != BreakerState.Open), cluster.Stats.MembershipHealthy.Value);
    }
}
