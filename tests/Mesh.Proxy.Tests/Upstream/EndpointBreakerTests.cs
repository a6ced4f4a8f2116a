using System.Net;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Endpoints with a breaker each, as the load balancer sees them.</summary>
public sealed class EndpointBreakerTests
{
    private static readonly BreakerConfig Rule = new() { IsPerEndpoint = true, WindowSize = 2, MinimumCalls = 2, TrialCalls = 1, Source = "default/cb#spec" };

    [Fact]
    public async Task Panic_PassesOverHealth_NotOverAnOpenCircuit()
    {
        using UpstreamHarness harness = new(
            Config(static c => c with { PanicThresholdPercent = 50, LoadBalancer = LoadBalancerPolicy.RoundRobin }),
            [new EndpointConfig("10.0.0.1:80"), new EndpointConfig("10.0.0.2:80"), new EndpointConfig("10.0.0.3:80") { IsHealthy = false }, new EndpointConfig("10.0.0.4:80")]);
        Open(harness, 0);
        Open(harness, 1);

        Assert.Equal(["10.0.0.3:80", "10.0.0.4:80"], (await AskAsync(harness, 20)).Distinct().Order());
        Assert.Equal(20, harness.Stats.LbHealthyPanic.Value);
    }

    [Fact]
    public async Task Priority_LosesWhatItsOpenEndpointsCarried()
    {
        using UpstreamHarness harness = new(Config(static c => c), [new EndpointConfig("10.0.0.1:80"), new EndpointConfig("10.0.0.2:80") { Priority = 1 }]);
        Assert.Equal(["10.0.0.1:80"], (await AskAsync(harness, 5)).Distinct());
        Open(harness, 0);

        Assert.Equal(["10.0.0.2:80"], (await AskAsync(harness, 5)).Distinct());
        harness.Time.Advance(TimeSpan.FromSeconds(60)); // on trial it is of its priority again
        RentResult trial = await RentAsync(harness);
        Assert.Equal("10.0.0.1:80", trial.Endpoint!.Address);
        harness.Cluster.EnterBreaker(trial.Endpoint.Breaker!, harness.Time.GetTimestamp(), isFirst: true, out _);

        Assert.Equal(["10.0.0.2:80"], (await AskAsync(harness, 5)).Distinct()); // and takes no second call
        trial.Connection!.Release(reusable: true);
    }

    [Fact]
    public async Task Reserve_WhoseTrialsAreFull_LeavesTheCallToTheNextPriority()
    {
        using UpstreamHarness harness = new(
            Config(static c => c), [new EndpointConfig("10.0.0.1:80"), new EndpointConfig("10.0.0.2:80") { Priority = 1 }, new EndpointConfig("10.0.0.3:80") { Priority = 2 }]);
        Open(harness, 0);
        Open(harness, 1);
        harness.Time.Advance(TimeSpan.FromSeconds(60));
        for (int i = 0; i < 2; i++) // both on trial, with all the calls that they take
        {
            harness.Cluster.EnterBreaker(harness.Cluster.Endpoints[i].Breaker!, harness.Time.GetTimestamp(), isFirst: true, out _);
        }

        Assert.Equal(["10.0.0.3:80"], (await AskAsync(harness, 5)).Distinct());
    }

    [Fact]
    public async Task EndpointsThatAreNotReady_AreNoReasonForTheBreakersWord()
    {
        using UpstreamHarness harness = new(Config(static c => c), [new EndpointConfig("10.0.0.1:80") { IsHealthy = false }, new EndpointConfig("10.0.0.2:80")]);
        Open(harness, 0); // it is out of two reasons
        Open(harness, 1);
        RentResult refused = await RentAsync(harness);
        Assert.Equal((RentStatus.CircuitOpen, "10.0.0.2:80"), (refused.Status, refused.Endpoint!.Address));

        harness.Configure(static c => c with { Breaker = null });
        Assert.Equal("10.0.0.2:80", Assert.Single(await AskAsync(harness, 1)));
    }

    [Fact]
    public async Task WhoAsksNoBreaker_IsLedToAnOpenEndpointWhenThereIsNoOther()
    {
        using UpstreamHarness harness = new(Config(static c => c), UpstreamHarness.Addresses(2));
        Open(harness, 0);
        Assert.Equal(["10.0.0.2:80"], (await AskAsync(harness, 5, luck: null)).Distinct());
        Open(harness, 1);

        Assert.Equal(5, (await AskAsync(harness, 5, luck: null)).Length);
    }

    [Fact]
    public async Task OriginalDestination_IsRefusedAlone_AndForgottenWithItsEndpoint()
    {
        using UpstreamHarness harness = new(Config(static c => c with { UsesOriginalDestination = true }), []);
        harness.Connector.ConnectsAtOnce = true;
        PickContext one = new(Destination: IPEndPoint.Parse("10.1.0.1:80"), Luck: 0);
        (await harness.Cluster.RentHttpAsync(default, null, one)).Connection!.Release(reusable: false);
        Open(harness, 0);

        RentResult refused = await harness.Cluster.RentHttpAsync(default, null, one);
        Assert.Equal((RentStatus.CircuitOpen, "10.1.0.1:80"), (refused.Status, refused.Endpoint!.Address));
        RentResult other = await harness.Cluster.RentHttpAsync(default, null, one with { Destination = IPEndPoint.Parse("10.1.0.2:80") });
        Assert.Equal(RentStatus.Ok, other.Status);
        other.Connection!.Release(reusable: false);

        harness.Time.Advance(Cluster.OriginalsInterval * 2); // nobody has called for a while
        RentResult again = await harness.Cluster.RentHttpAsync(default, null, one);
        Assert.Equal((RentStatus.Ok, BreakerState.Closed), (again.Status, again.Endpoint!.Breaker!.State));
        again.Connection!.Release(reusable: false);
    }

    [Fact]
    public async Task OriginalDestination_WhoseCircuitChangesMeanwhile_IsNotOneTooMany()
    {
        using UpstreamHarness harness = new(Config(static c => c with { UsesOriginalDestination = true }), []);
        harness.Connector.ConnectsAtOnce = true;
        PickContext one = new(Destination: IPEndPoint.Parse("10.1.0.1:80"), Luck: 0);
        (await harness.Cluster.RentHttpAsync(default, null, one)).Connection!.Release(reusable: false);
        Open(harness, 0);

        RentResult refused = await harness.Cluster.RentHttpAsync(
            default, null, one with { Destination = new WatchedEndPoint(one.Destination!, looks: 2, () => harness.Configure(static c => c with { Breaker = null })) });

        Assert.Equal((RentStatus.NoHealthyUpstream, "10.1.0.1:80"), (refused.Status, refused.Endpoint!.Address));
        Assert.Equal(RentStatus.Ok, (await harness.Cluster.RentHttpAsync(default, null, one)).Status);
    }

    /// <summary>Does something when it is looked up for the nth time.</summary>
    private sealed class WatchedEndPoint(IPEndPoint at, int looks, Action then) : IPEndPoint(at.Address, at.Port)
    {
        private int _left = looks;

        public override int GetHashCode()
        {
            if (--_left == 0)
            {
                then();
            }

            return base.GetHashCode();
        }

        public override bool Equals(object? comparand) => base.Equals(comparand);
    }

    [Fact]
    public void CallThatEndsAfterItsEndpointHasLeft_ChangesNothing()
    {
        using UpstreamHarness harness = new(Config(static c => c), UpstreamHarness.Addresses(2));
        CircuitBreaker gone = harness.Cluster.Endpoints[1].Breaker!;
        harness.Manager.AddOrUpdate([(harness.Cluster.Config, UpstreamHarness.Addresses(1))]);

        Fail(harness, gone);

        Assert.Equal((BreakerState.Open, 0), (gone.State, harness.Stats.Breaker!.Opened.Value));
    }

    private static ClusterConfig Config(Func<ClusterConfig, ClusterConfig> change) => change(new ClusterConfig { Name = "outbound|80||a.test", ServiceHost = "a.test", Port = 80, Breaker = Rule, PanicThresholdPercent = 0 });

    private static void Open(UpstreamHarness harness, int endpoint) => Fail(harness, harness.Cluster.Endpoints[endpoint].Breaker!);

    private static void Fail(UpstreamHarness harness, CircuitBreaker breaker)
    {
        for (int i = 0; i < 2; i++)
        {
            harness.Cluster.EnterBreaker(breaker, harness.Time.GetTimestamp(), isFirst: true, out BreakerPermit permit);
            harness.Cluster.LeaveBreaker(breaker, permit, BreakerOutcome.Failure, TimeSpan.Zero, harness.Time.GetTimestamp());
        }
    }

    private static async Task<RentResult> RentAsync(UpstreamHarness harness, double? luck = 0)
    {
        harness.Connector.ConnectsAtOnce = true;
        return await UpstreamHarness.Soon(harness.Cluster.RentHttpAsync(default, null, new PickContext(Luck: luck)).AsTask());
    }

    private static async Task<string[]> AskAsync(UpstreamHarness harness, int requests, double? luck = 0)
    {
        string[] addresses = new string[requests];
        for (int i = 0; i < requests; i++)
        {
            RentResult rent = await RentAsync(harness, luck);
            Assert.Equal(RentStatus.Ok, rent.Status);
            addresses[i] = rent.Endpoint!.Address;
            rent.Connection!.Release(reusable: true);
        }

        return addresses;
    }
}
