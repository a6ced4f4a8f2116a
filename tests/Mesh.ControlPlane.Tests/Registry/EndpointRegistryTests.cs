using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Registry;

public sealed class EndpointRegistryTests : IDisposable
{
    private const string Host = "products.default.svc.cluster.local";
    private static readonly TimeSpan Instant = TimeSpan.FromMilliseconds(1);
    private readonly FakeTimeProvider _time = new();
    private readonly EndpointRegistry _registry;
    private int _changes;

    public EndpointRegistryTests()
    {
        _registry = new EndpointRegistry(_time, new Random(1));
        _registry.Changed += () => _changes++;
    }

    public void Dispose() => _registry.Dispose();

    [Fact]
    public void Register_TwoInstances_AreOneServiceWithTwoEndpoints()
    {
        Register(PushBench.Instance("b", address: "127.0.0.1:1002"));
        Register(PushBench.Instance("a", address: "127.0.0.1:1001") with { Zone = "z", Version = "v2" });

        MeshService service = Assert.Single(_registry.Current.Services).Value;
        Assert.Equal((Host, "default", 8080, "HTTP"), (service.Host, service.Namespace, service.Ports[0].Number, service.Ports[0].Protocol));
        Assert.Equal(["127.0.0.1:1001", "127.0.0.1:1002"], Addresses());
        MeshEndpoint first = _registry.Current.Endpoints[Host][0];
        Assert.Equal((8080, "z", "products", "v2"), (first.ServicePort, first.Zone, first.Workload, first.Version));
    }

    [Fact]
    public void Register_TwoPorts_AreBothOfTheService()
    {
        Register(PushBench.Instance("a", port: 9000) with { Protocol = "TCP" });
        Register(PushBench.Instance("b", port: 8080));

        Assert.Equal([(8080, "HTTP"), (9000, "TCP")], _registry.Current.Services[Host].Ports.Select(p => (p.Number, p.Protocol)));
    }

    [Fact]
    public void Register_InAPod_IsASidecarAndNoEndpoint()
    {
        SidecarRegistration pod = new() { Node = "orders-x2x4q.shop", Service = "", Namespace = "shop", Port = 0, Address = "10.0.0.7:15006" };
        Register(pod);

        Assert.Equal(("orders-x2x4q.shop", "shop"), (Assert.Single(_registry.Sidecars).Id, _registry.Find("orders-x2x4q.shop")!.Session.Namespace));
        Assert.Empty(_registry.Current.Services);
        Assert.StartsWith("node: missing", _registry.Register(pod with { Node = null }).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Register_SameNodeAgain_ReplacesTheFormer()
    {
        Register(PushBench.Instance("a", address: "127.0.0.1:1001"));
        Register(PushBench.Instance("a", address: "127.0.0.1:2002"));

        Assert.Equal(["127.0.0.1:2002"], Addresses());
        Assert.Single(_registry.Sidecars);
    }

    [Fact]
    public void Register_SameProcessAgain_KeepsItsSession_ARestartDoesNot()
    {
        Register(PushBench.Instance("a"));
        object first = _registry.Find("a")!.Session;
        Register(PushBench.Instance("a"));
        object again = _registry.Find("a")!.Session;
        Register(PushBench.Instance("a") with { StartedAt = "2030-01-01T00:00:09Z" });

        Assert.Same(first, again);
        Assert.NotSame(first, _registry.Find("a")!.Session);
    }

    [Theory]
    [InlineData("another")]
    [InlineData("a")]
    public void Register_SameNodeByAnotherCaller_NeverTakesOverTheSession(string pod)
    {
        SidecarRegistration same = PushBench.Instance("a.default");
        Assert.NotNull(_registry.Register(same, new Caller("default", "account", null)).Registered);
        PushSession first = _registry.Find("a.default")!.Session;
        Caller other = new("default", "account", pod);

        bool isTaken = _registry.Register(same, other).Registered is not null;

        Assert.Equal(pod == "a", isTaken); // a pod always gets its own id, and begins anew
        Assert.Equal(!isTaken, ReferenceEquals(first, _registry.Find("a.default")!.Session));
        Assert.Equal(isTaken ? other.Owner : "service account default/account", _registry.Find("a.default")!.Owner);
    }

    [Fact]
    public void Deregister_BeforeAnybodyLooked_LeavesNothingBehind()
    {
        Register(PushBench.Instance("a"));
        Assert.True(_registry.Deregister("a"));

        Assert.Empty(_registry.Current.Services);
        Assert.Empty(_registry.Current.Endpoints);
    }

    [Fact]
    public void Register_WithoutNode_GetsAnIdOfItsOwn()
    {
        string first = Register(PushBench.Instance("x") with { Node = null });
        string second = Register(PushBench.Instance("x", address: "127.0.0.1:1002") with { Node = null });

        Assert.StartsWith("products-", first, StringComparison.Ordinal);
        Assert.NotEqual(first, second);
        Assert.Equal(2, Addresses().Count());
    }

    [Fact]
    public void Silence_ForThreeReports_TakesTheEndpointOut()
    {
        Register(PushBench.Instance("a"));
        _changes = 0;

        _time.Advance(EndpointRegistry.Lease - Instant);
        Assert.Single(Addresses());
        Assert.Equal(0, _changes);
        _time.Advance(Instant);

        Assert.Empty(Addresses());
        Assert.Empty(_registry.Sidecars);
        Assert.Equal(1, _changes);
        Assert.Contains(Host, _registry.Current.Services.Keys); // callers see "no healthy upstream", not "unknown service"
    }

    [Fact]
    public void Report_EachSecond_KeepsTheEndpoint()
    {
        Register(PushBench.Instance("a"));
        Register(PushBench.Instance("b", address: "127.0.0.1:1002"));
        _changes = 0;

        for (int second = 0; second < 10; second++)
        {
            _time.Advance(EndpointRegistry.ReportInterval);
            Assert.True(_registry.TryReport("a", new SidecarReport()));
        }

        Assert.Equal(["127.0.0.1:1001"], Addresses());
        Assert.Equal(1, _changes); // b left; reports that say nothing new change nothing
        Assert.False(_registry.TryReport("b", new SidecarReport()));
    }

    [Fact]
    public void Report_NotReady_TakesTheEndpointOutAndReadyBringsItBack()
    {
        Register(PushBench.Instance("a"));

        _registry.TryReport("a", new SidecarReport { Ready = false });
        Assert.Empty(Addresses());
        Assert.NotNull(_registry.Find("a"));
        _registry.TryReport("a", new SidecarReport { Ready = true });

        Assert.Single(Addresses());
    }

    [Fact]
    public void Report_AnotherVersion_IsNoChangeForOthers()
    {
        Register(PushBench.Instance("a"));
        RegistryState before = _registry.Current;
        _changes = 0;

        _registry.TryReport("a", new SidecarReport { Version = "x-1-y" });

        Assert.Equal(0, _changes); // a thousand sidecars report one after each push
        Assert.Same(before, _registry.Current);
        Assert.Equal("x-1-y", _registry.Find("a")!.ReportedVersion);
    }

    [Fact]
    public void Register_OneOfManyServices_TouchesNoOther()
    {
        Register(PushBench.Instance("a"));
        Register(PushBench.Instance("o", "orders", address: "127.0.0.1:2001"));
        RegistryState before = _registry.Current;

        Register(PushBench.Instance("b", address: "127.0.0.1:1002"));
        RegistryState after = _registry.Current;
        Register(PushBench.Instance("b", address: "127.0.0.1:1002")); // it comes again, the same

        Assert.Equal(2, after.Endpoints[Host].Length);
        Assert.True(before.Endpoints["orders.default.svc.cluster.local"] == after.Endpoints["orders.default.svc.cluster.local"]); // the very same list
        Assert.Same(after, _registry.Current);
    }

    [Fact]
    public void Register_OtherServiceUnderTheSameId_LeavesTheFormer()
    {
        Register(PushBench.Instance("a"));
        Register(PushBench.Instance("a", "orders"));

        Assert.Empty(Addresses());
        Assert.Single(_registry.Current.Endpoints["orders.default.svc.cluster.local"]);
    }

    [Fact]
    public void Deregister_Known_IsGoneAtOnce()
    {
        Register(PushBench.Instance("a"));

        Assert.True(_registry.Deregister("a"));

        Assert.Empty(Addresses());
        Assert.False(_registry.Deregister("a"));
        Assert.Equal(0, _time.ArmedTimers);
    }

    [Fact]
    public void Sweep_FarTooLate_IsOurOwnSilenceAndTakesNobodyOut()
    {
        StoppedClock clock = new();
        using EndpointRegistry registry = new(clock, new Random(1));
        registry.Register(PushBench.Instance("a"));

        clock.Now += 3600 * StoppedClock.Second; // the machine slept: the timer fires an hour late
        registry.Sweep();
        Assert.NotNull(registry.Find("a"));
        clock.Now += 3 * StoppedClock.Second;
        registry.Sweep();

        Assert.Null(registry.Find("a")); // still silent though we listen
    }

    [Theory]
    [InlineData("service", "Products")]
    [InlineData("service", "")]
    [InlineData("namespace", "a.b")]
    [InlineData("protocol", "UDP")]
    [InlineData("address", "products:8080")]
    [InlineData("address", "0.0.0.0:8080")]
    [InlineData("address", "127.0.0.1:0")]
    [InlineData("node", "a/b")]
    [InlineData("node", "")]
    public void Register_Wrong_SaysWhichFieldAndChangesNothing(string field, string value)
    {
        SidecarRegistration good = PushBench.Instance("a");
        SidecarRegistration bad = field switch
        {
            "service" => good with { Service = value },
            "namespace" => good with { Namespace = value },
            "protocol" => good with { Protocol = value },
            "address" => good with { Address = value },
            _ => good with { Node = value },
        };

        (SidecarRegistered? registered, string? problem) = _registry.Register(bad);

        Assert.Null(registered);
        Assert.StartsWith(field + ": ", problem, StringComparison.Ordinal);
        Assert.Empty(_registry.Sidecars);
    }

    private IEnumerable<string> Addresses() => _registry.Current.Endpoints.GetValueOrDefault(Host, []).Select(e => e.Address);

    private string Register(SidecarRegistration registration)
    {
        (SidecarRegistered? registered, string? problem) = _registry.Register(registration);
        Assert.Null(problem);
        Assert.Equal((1000, 3000), (registered!.ReportIntervalMilliseconds, registered.LeaseMilliseconds));
        return registered.Id;
    }

    /// <summary>A clock whose timers never fire by themselves.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public const long Second = TimeSpan.TicksPerSecond;

        public long Now { get; set; }

        public override long TimestampFrequency => Second;

        public override long GetTimestamp() => Now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new NoTimer();

        private sealed class NoTimer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
