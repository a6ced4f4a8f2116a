using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

public sealed class SnapshotCompilerTests
{
    private const string Products = "products.default.svc.cluster.local";
    private const string Cluster = "outbound|8080||" + Products;
    private static readonly ProxyIdentity Orders = new("default", "orders", 8080, "127.0.0.1:9000", ImmutableSortedDictionary<string, string>.Empty);
    private readonly SnapshotCompiler _compiler = new();

    [Fact]
    public void Compile_NoRule_HasIstiosDefaults()
    {
        ClusterConfig cluster = Compile(View()).Clusters[Cluster];

        Assert.Equal(new CircuitBreakerConfig(), cluster.Limits);
        Assert.Equal(uint.MaxValue, cluster.Limits.MaxConnections);
        Assert.Equal(TimeSpan.FromSeconds(10), cluster.Connection.ConnectTimeout);
        Assert.Equal(TimeSpan.FromHours(1), cluster.Connection.HttpIdleTimeout);
        Assert.Null(cluster.Outlier);
        Assert.Equal(50, cluster.PanicThresholdPercent);
        Assert.Equal(LoadBalancerPolicy.LeastRequest, cluster.LoadBalancer);
        Assert.Null(cluster.ConnectionPoolSource);
    }

    [Fact]
    public void Compile_LabsRule_IsWhatItSays()
    {
        ClusterConfig cluster = Compile(View(Rule("products", new DestinationRule
        {
            Host = "products",
            TrafficPolicy = new TrafficPolicy
            {
                ConnectionPool = new ConnectionPoolSettings
                {
                    Tcp = new TcpSettings { MaxConnections = 1 },
                    Http = new HttpSettings { Http1MaxPendingRequests = 1, MaxRequestsPerConnection = 1, MaxRetries = 3 },
                },
                OutlierDetection = new OutlierDetection
                {
                    ConsecutiveErrors = 5,
                    Interval = TimeSpan.FromSeconds(1),
                    BaseEjectionTime = TimeSpan.FromSeconds(30),
                    MaxEjectionPercent = 100,
                },
            },
        }))).Clusters[Cluster];

        Assert.Equal(new CircuitBreakerConfig(1, 1, uint.MaxValue, 3), cluster.Limits);
        Assert.Equal(1u, cluster.Connection.MaxRequestsPerConnection);
        Assert.Equal(new OutlierConfig { Consecutive5xx = 5, Interval = TimeSpan.FromSeconds(1), MaxEjectionPercent = 100 }, cluster.Outlier);
        Assert.Equal(0, cluster.PanicThresholdPercent);
        Assert.Equal("default/products#spec.trafficPolicy.connectionPool", cluster.ConnectionPoolSource);
        Assert.Equal("default/products#spec.trafficPolicy.outlierDetection", cluster.OutlierSource);
    }

    [Theory]
    [InlineData(null, null, null, 20, 3, 0)]
    [InlineData(0.5, 0, 10, 0.5, 0, 10)]
    public void RetryBudget_HasItsDefaults(double? percent, int? min, int? seconds, double expectedPercent, int expectedMin, int expectedSeconds)
    {
        TimeSpan? interval = seconds is { } value ? TimeSpan.FromSeconds(value) : null;
        RetryBudget budget = new() { Percent = percent, MinRetryConcurrency = min, BudgetInterval = interval };
        DestinationRule rule = new() { Host = "products", TrafficPolicy = new TrafficPolicy { RetryBudget = budget } };

        ClusterConfig cluster = Compile(View(Rule("r", rule))).Clusters[Cluster];

        Assert.Equal(
            new RetryBudgetConfig(expectedPercent, (uint)expectedMin, TimeSpan.FromSeconds(expectedSeconds), "default/r#spec.trafficPolicy.retryBudget"),
            cluster.RetryBudget);
    }

    [Fact]
    public void Outlier_UnsetAndZero_AreNotTheSame()
    {
        Assert.Equal(5, Outlier(new OutlierDetection()).Consecutive5xx);
        Assert.Equal(0, Outlier(new OutlierDetection { Consecutive5xxErrors = 0 }).Consecutive5xx);
        Assert.Equal(0, Outlier(new OutlierDetection()).ConsecutiveGatewayFailure);
        Assert.Equal(10, Outlier(new OutlierDetection { MaxEjectionPercent = 0 }).MaxEjectionPercent);
        Assert.Equal(7, Outlier(new OutlierDetection { ConsecutiveErrors = 7 }).Consecutive5xx);
        Assert.Equal(5, Outlier(new OutlierDetection { ConsecutiveErrors = 7, ConsecutiveGatewayErrors = 3 }).Consecutive5xx);
        Assert.Equal(TimeSpan.FromMinutes(10), Outlier(new OutlierDetection { BaseEjectionTime = TimeSpan.FromMinutes(10) }).MaxEjectionTime);
        Assert.Equal("429,503", Outlier(new OutlierDetection { OutlierDetectionHttpErrorCodes = [503, 429] }).ErrorCodes);
    }

    [Fact]
    public void Vector14_PortLevelWithoutPool_IsUnlimitedAlthoughTheParentSetsLimits()
    {
        TrafficPolicy policy = Limit(1) with
        {
            PortLevelSettings = [new PortTrafficPolicy { Port = new PortSelector { Number = 8080 }, OutlierDetection = new OutlierDetection() }],
        };

        ClusterConfig cluster = Compile(View(Rule("r", new DestinationRule { Host = "products", TrafficPolicy = policy }))).Clusters[Cluster];

        Assert.Equal(uint.MaxValue, cluster.Limits.MaxConnections);
        Assert.NotNull(cluster.Outlier);
    }

    [Fact]
    public void Compile_Subsets_AreClustersWithTheirEndpointsAndPolicy()
    {
        ProxySnapshot snapshot = Compile(View(Rule("r", new DestinationRule
        {
            Host = "products",
            TrafficPolicy = Limit(1),
            Subsets = [new Subset { Name = "v2", Labels = Labels("version=v2"), TrafficPolicy = Limit(2) }],
        })));

        Assert.Equal(2u, snapshot.Clusters["outbound|8080|v2|" + Products].Limits.MaxConnections);
        Assert.Equal(["127.0.0.1:2"], snapshot.Endpoints["outbound|8080|v2|" + Products].Select(e => e.Address));
        Assert.Equal(["127.0.0.1:1", "127.0.0.1:2"], snapshot.Endpoints[Cluster].Select(e => e.Address));
    }

    [Fact]
    public void Compile_InboundCluster_TakesThePoolOnly()
    {
        ProxyIdentity self = Orders with { Service = "products", AppAddress = "127.0.0.1:7" };
        MeshView view = View(Rule("r", new DestinationRule { Host = "products", TrafficPolicy = Limit(3) with { OutlierDetection = new OutlierDetection() } }));

        ProxySnapshot snapshot = _compiler.Compile(self, view, "1").Snapshot;

        ClusterConfig inbound = snapshot.Clusters["inbound|8080||"];
        Assert.Equal(3u, inbound.Limits.MaxConnections);
        Assert.Null(inbound.Outlier);
        Assert.True(inbound.IsInbound);
        Assert.Equal("127.0.0.1:7", Assert.Single(snapshot.Endpoints[inbound.Name]).Address);
    }

    [Theory]
    [InlineData(8080, ClusterProtocol.Http1)]
    [InlineData(25, ClusterProtocol.Tcp)]
    [InlineData(53, ClusterProtocol.Tcp)]
    [InlineData(3306, ClusterProtocol.Tcp)]
    [InlineData(27017, ClusterProtocol.Tcp)]
    public void Compile_InboundClusterThatNobodyDeclared_IsTcpWhereServersSpeakFirst(int port, ClusterProtocol protocol)
    {
        ProxyIdentity self = Orders with { Service = "own", ServicePort = port, AppAddress = "127.0.0.1:7" };
        Assert.Equal(protocol, _compiler.Compile(self, View(), "1").Snapshot.Clusters[$"inbound|{port}||"].Protocol);
    }

    [Fact]
    public void Compile_Routes_HaveTheShortNameInTheOwnNamespaceOnly()
    {
        Assert.Contains("products", Compile(View()).Routes.VirtualHosts.Single().Domains);
        ImmutableArray<string> foreign = _compiler.Compile(Orders with { Namespace = "web" }, View(), "1").Snapshot.Routes.VirtualHosts.Single().Domains;
        Assert.Equal((string[])[Products, "products.default", "products.default.svc"], foreign.ToArray());
    }

    [Fact]
    public void Compile_ServiceEntry_HttpIsRoutedAndTcpListens()
    {
        ProxySnapshot snapshot = Compile(View(Entry("partner", new ServiceEntry
        {
            Hosts = ["Partner.example"],
            Addresses = ["127.0.0.9"],
            Resolution = "STATIC",
            Ports = [new ServicePort { Number = 80, Name = "web", Protocol = "HTTP" }, new ServicePort { Number = 5432, Name = "db", Protocol = "TCP", TargetPort = 15432 }],
            Endpoints = [new WorkloadEntry { Address = "10.0.0.1", Ports = ImmutableSortedDictionary<string, int>.Empty.Add("web", 8000) }, new WorkloadEntry { Address = "fd00::1", Weight = 3 }],
        })));

        Assert.Equal(["10.0.0.1:8000", "[fd00::1]:80"], snapshot.Endpoints["outbound|80||partner.example"].Select(e => e.Address));
        Assert.Equal(["10.0.0.1:15432", "[fd00::1]:15432"], snapshot.Endpoints["outbound|5432||partner.example"].Select(e => e.Address));
        Assert.Equal((string[])["partner.example", "127.0.0.9"], snapshot.Routes.VirtualHosts.Single(h => h.Port == 80).Domains.ToArray());
        ListenerConfig listener = Assert.Single(snapshot.Listeners);
        Assert.Equal(("127.0.0.9", 5432, "outbound|5432||partner.example", "ServiceEntry/default/partner"), (listener.Address, listener.Port, listener.Cluster, listener.Source));
    }

    [Fact]
    public void Compile_ServiceEntryNotExported_IsNotSeen()
    {
        RuleDocument entry = Entry("se", new ServiceEntry { Hosts = ["a.example"], ExportTo = ["."], Ports = [new ServicePort { Number = 80, Protocol = "HTTP", Name = "h" }] }, "other");

        Assert.DoesNotContain("outbound|80||a.example", Compile(View(entry)).Clusters.Keys);
    }

    [Fact]
    public void Compile_SameInputs_GivesTheSameObjects()
    {
        RuleDocument rule = Rule("r", new DestinationRule { Host = "products", TrafficPolicy = Limit(1) });
        MeshView view = View(rule);
        ProxySnapshot first = Compile(view);
        MeshView moved = view with { Endpoints = view.Endpoints.SetItem(Products, [Endpoint("127.0.0.1:3", "v1")]) };

        ProxySnapshot second = Compile(moved);

        Assert.Same(first.Clusters[Cluster], second.Clusters[Cluster]);
        Assert.Equal(["127.0.0.1:3"], second.Endpoints[Cluster].Select(e => e.Address));
        Assert.True(second.Endpoints[Cluster] == Compile(moved).Endpoints[Cluster]); // the same array
    }

    [Fact]
    public void Compile_OutlierThatCanNeverEject_Warns()
    {
        CompileResult result = _compiler.Compile(Orders, View(Rule("r", new DestinationRule { Host = "products", TrafficPolicy = new TrafficPolicy { OutlierDetection = new OutlierDetection() } })), "1");

        Assert.Contains(result.Diagnostics, d => d.Finding.Message.StartsWith("outlier detection can never eject: 10 % of 2 endpoint(s)", StringComparison.Ordinal)
            && d.Finding.Message.EndsWith("write 50 or more", StringComparison.Ordinal));
    }

    [Fact]
    public void Compile_RuleForNobody_Warns() => Assert.Contains(
        _compiler.Compile(Orders, View(Rule("r", new DestinationRule { Host = "produkts" })), "1").Diagnostics,
        d => d.Finding.Message.Contains("no service or ServiceEntry named 'produkts.default.svc.cluster.local'", StringComparison.Ordinal));

    [Fact]
    public void Compile_AThousandServicesWithARuleEach_HasAllOfThem()
    {
        MeshView view = new()
        {
            Services = Enumerable.Range(0, 1000).Select(i => new MeshService($"s{i}.default.svc.cluster.local", "default", [new MeshServicePort(80, "HTTP")])).ToImmutableDictionary(s => s.Host),
            Rules = Enumerable.Range(0, 1000).Select(i => Rule($"s{i}", new DestinationRule { Host = $"s{i}", TrafficPolicy = Limit(i + 1) })).ToImmutableDictionary(r => r.Key),
        };

        ProxySnapshot snapshot = Compile(view);

        Assert.All(Enumerable.Range(0, 1000), i => Assert.Equal((uint)i + 1, snapshot.Clusters[$"outbound|80||s{i}.default.svc.cluster.local"].Limits.MaxConnections));
    }

    [Fact]
    public void Compile_ServiceWithAddressesOfItsOwn_IsFoundByThem()
    {
        MeshService service = new(Products, "default", [new MeshServicePort(8080, "HTTP"), new MeshServicePort(3306, "TCP")]) { Addresses = ["10.0.0.7", "fd00::7"] };

        ProxySnapshot snapshot = Compile(View() with { Services = ImmutableDictionary<string, MeshService>.Empty.Add(Products, service) });

        Assert.Equal([("10.0.0.7", 3306), ("fd00::7", 3306)], snapshot.Listeners.Select(static l => (l.Address, l.Port)));
        Assert.Contains("[fd00::7]", snapshot.Routes.VirtualHosts.Single(static h => h.Name == Products + ":8080").Domains);
    }

    private ProxySnapshot Compile(MeshView view) => _compiler.Compile(Orders, view, "1").Snapshot;

    private OutlierConfig Outlier(OutlierDetection rule) =>
        Compile(View(Rule("r", new DestinationRule { Host = "products", TrafficPolicy = new TrafficPolicy { OutlierDetection = rule } }))).Clusters[Cluster].Outlier!;

    private static MeshEndpoint Endpoint(string address, string version) => new(address, 8080, Labels("version=" + version), "", "products", version);

    private static MeshView View(params RuleDocument[] rules) => new()
    {
        Services = ImmutableDictionary<string, MeshService>.Empty.Add(Products, new MeshService(Products, "default", [new MeshServicePort(8080, "HTTP")])),
        Endpoints = ImmutableDictionary<string, ImmutableArray<MeshEndpoint>>.Empty.Add(Products, [Endpoint("127.0.0.1:2", "v2"), Endpoint("127.0.0.1:1", "v1")]),
        Rules = rules.ToImmutableDictionary(r => r.Key),
    };
}
