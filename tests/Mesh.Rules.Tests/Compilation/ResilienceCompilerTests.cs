using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

public sealed class ResilienceCompilerTests
{
    private const string Products = "products.shop.svc.cluster.local";
    private static readonly ProxyIdentity Orders = new("default", "orders", 8080, "127.0.0.1:9000", ImmutableSortedDictionary<string, string>.Empty);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Compile_NoPolicy_IsIstio()
    {
        ProxySnapshot snapshot = Compile();

        ClusterConfig cluster = snapshot.Clusters[Name()];
        Assert.Equal((TimeSpan.Zero, TimeSpan.Zero, null), (cluster.PendingTimeout, cluster.WriteTimeout, cluster.RetryBudget));
        Assert.False(cluster.HonoursCallerDeadline);
        Assert.Equal(RetryConfig.OutboundDefault, Default(snapshot));
    }

    [Fact]
    public void Compile_ProfileSafe_TurnsOnBudgetMethodsRetryAfterAndSingleLayer()
    {
        ProxySnapshot snapshot = Compile(Policy("p", new() { Host = Products, Profile = "safe" }));

        Assert.Equal(new RetryBudgetConfig(20, 3, TimeSpan.Zero, "default/p#spec.profile"), snapshot.Clusters[Name()].RetryBudget);
        Assert.True(snapshot.Clusters[Name()].HonoursCallerDeadline);
        RetryConfig retry = Default(snapshot)!;
        Assert.Equal("GET,HEAD,OPTIONS,PUT,DELETE,TRACE", string.Join(',', retry.Methods));
        Assert.Equal((2, TimeSpan.FromSeconds(30), true, "default/p#spec"), (retry.Attempts, retry.MaxRetryAfter, retry.LeavesToCaller, retry.Source));
        Assert.Equal(RetryConfig.OutboundDefault.Conditions, retry.Conditions);
    }

    [Fact]
    public void Compile_FieldsBesidesTheProfile_ComeBeforeIt()
    {
        ResilienceRetries retries = new()
        {
            Attempts = 1,
            Methods = ["*"],
            MaxRetryAfter = TimeSpan.Zero,
            SingleLayer = false,
            Budget = new RetryBudget { Percent = 5 },
            Backoff = new ResilienceBackoff { Strategy = "fixed", Base = Second, Jitter = "ratio", JitterRatio = 0.3 },
        };
        ProxySnapshot snapshot = Compile(Policy("p", new() { Host = Products, Profile = "safe", PendingTimeout = Second, WriteTimeout = 2 * Second, Retries = retries }));

        ClusterConfig cluster = snapshot.Clusters[Name()];
        Assert.Equal((Second, 2 * Second, "default/p#spec"), (cluster.PendingTimeout, cluster.WriteTimeout, cluster.ResilienceSource));
        Assert.Equal(new RetryBudgetConfig(5, 3, TimeSpan.Zero, "default/p#spec.retries.budget"), cluster.RetryBudget);
        RetryConfig retry = Default(snapshot)!;
        Assert.Empty(retry.Methods);
        Assert.Equal((1, TimeSpan.Zero, false), (retry.Attempts, retry.MaxRetryAfter, retry.LeavesToCaller));
        Assert.Equal(
            new BackoffConfig { Strategy = BackoffStrategy.Fixed, Base = Second, Max = 10 * Second, Jitter = BackoffJitter.Ratio, JitterRatio = 0.3 }, retry.Backoff);
    }

    [Fact]
    public void Compile_AttemptsZero_SwitchesRetriesOff() =>
        Assert.Null(Default(Compile(Policy("p", new() { Host = Products, Retries = new ResilienceRetries { Attempts = 0 } }))));

    [Fact]
    public void Compile_BudgetOfDestinationRule_StaysUnderProfileSafe()
    {
        TrafficPolicy budget = new() { RetryBudget = new RetryBudget { Percent = 7 } };
        ProxySnapshot snapshot = Compile(
            Rule("dr", new DestinationRule { Host = Products, TrafficPolicy = budget }),
            Policy("p", new() { Host = Products, Profile = "safe" }));

        Assert.Equal(new RetryBudgetConfig(7, 3, TimeSpan.Zero, "default/dr#spec.trafficPolicy.retryBudget"), snapshot.Clusters[Name()].RetryBudget);
    }

    [Theory]
    [InlineData("default shop istio-system", "default")]
    [InlineData("shop istio-system", "shop")]
    [InlineData("istio-system", "istio-system")]
    [InlineData("other", null)]
    public void Compile_PoliciesInSeveralNamespaces_NearestToTheClientHolds(string namespaces, string? winner)
    {
        string[] all = namespaces.Split(' ');
        ProxySnapshot snapshot = Compile([.. all.Select(ns => Policy("p", new() { Host = Products, PendingTimeout = Time(ns) }, ns))]);

        Assert.Equal(winner is null ? TimeSpan.Zero : Time(winner), snapshot.Clusters[Name()].PendingTimeout);

        static TimeSpan Time(string ns) => TimeSpan.FromSeconds(ns.Length);
    }

    [Fact]
    public void Compile_NarrowerPolicies_HoldForWhatTheySelect()
    {
        Subset subset = new() { Name = "v1" };
        ProxySnapshot snapshot = Compile(
            Rule("dr", new DestinationRule { Host = Products, Subsets = [subset] }),
            Policy("all", new() { Host = "*.shop.svc.cluster.local", PendingTimeout = Second }, age: 9),
            Policy("host", new() { Host = Products, PendingTimeout = 2 * Second }, age: 8),
            Policy("port", new() { Host = Products, Port = 8081, PendingTimeout = 3 * Second }),
            Policy("subset", new() { Host = Products, Subset = "v1", PendingTimeout = 4 * Second }));

        Assert.Equal(2 * Second, snapshot.Clusters[Name()].PendingTimeout);
        Assert.Equal(3 * Second, snapshot.Clusters[Name(8081)].PendingTimeout);
        Assert.Equal(4 * Second, snapshot.Clusters[Name(8080, "v1")].PendingTimeout);
    }

    [Fact]
    public void Compile_PolicyOfARoute_HoldsForThatRouteOnly()
    {
        ProxySnapshot snapshot = Compile(
            Routes("vs", new VirtualService
            {
                Hosts = [Products],
                Http = [Route("careful", "/a"), Route("other", "/b"), Route("off", "/c") with { Retries = new RetrySettings { Attempts = 0 } }],
            }),
            Policy("p", new() { Host = Products, Route = "careful", Retries = new ResilienceRetries { Attempts = 1, Methods = ["GET"] } }),
            Policy("q", new() { Host = Products, Retries = new ResilienceRetries { SingleLayer = true } }, age: 5));

        ImmutableArray<HttpRouteConfig> routes = snapshot.Routes.VirtualHosts.Single(v => v.Port == 8080).Routes;
        Assert.Equal((1, false), (routes[0].Retry!.Attempts, routes[0].Retry!.LeavesToCaller));
        Assert.Equal((2, true), (routes[1].Retry!.Attempts, routes[1].Retry!.LeavesToCaller));
        Assert.Null(routes[2].Retry);
    }

    [Fact]
    public void Compile_PolicyInShadowMode_StandsBesideTheOneInForce()
    {
        ProxySnapshot snapshot = Compile(
            Policy("p", new() { Host = Products, Mode = "shadow", PendingTimeout = Second }, age: 5),
            Policy("q", new() { Host = Products, PendingTimeout = 2 * Second }));

        ClusterConfig cluster = snapshot.Clusters[Name()];
        Assert.Equal(2 * Second, cluster.PendingTimeout);
        Assert.Equal((Second, "default/p#spec"), (cluster.Shadow!.PendingTimeout, cluster.Shadow.ResilienceSource));
    }

    /// <summary>Retries that are switched off stand beside those that a policy in shadow mode wants, and are in force for nobody.</summary>
    [Theory]
    [InlineData(3, 3)]
    [InlineData(0, null)]
    [InlineData(null, null)] // says nothing of retries
    public void Compile_RetriesInShadow_WhereTheyAreSwitchedOff(int? tried, int? played)
    {
        ProxySnapshot snapshot = Compile(
            Policy("p", new() { Host = Products, Mode = "shadow", PendingTimeout = Second, Retries = tried is null ? null : new ResilienceRetries { Attempts = tried } }, age: 5),
            Policy("q", new() { Host = Products, Retries = new ResilienceRetries { Attempts = 0 } }));

        RetryConfig? retry = Default(snapshot);
        Assert.Equal((played is not null, played), (retry is { IsOff: true, Attempts: 0, Source: "default/q#spec" }, retry?.Shadow?.Attempts));
    }

    [Fact]
    public void Compile_MeshLimits_NameTheirRule()
    {
        ProxySnapshot snapshot = Compile(Policy("p", new() { Host = Products, Port = 8081, MeshLimits = new MeshLimits { MaxConnections = 80 } }));

        Assert.Equal(new MeshLimitsConfig("ResiliencePolicy/default/p", "default/p#spec", 80), snapshot.Clusters[Name(8081)].MeshLimits);
        Assert.Null(snapshot.Clusters[Name()].MeshLimits);
    }

    [Fact]
    public void Compile_PolicyThatChanges_ChangesItsClusterAlone()
    {
        SnapshotCompiler compiler = new();
        ProxySnapshot first = compiler.Compile(Orders, View(Policy("p", new() { Host = Products, Port = 8081, PendingTimeout = Second })), "1").Snapshot;
        ProxySnapshot second = compiler.Compile(Orders, View(Policy("p", new() { Host = Products, Port = 8081, PendingTimeout = 2 * Second })), "2").Snapshot;

        Assert.Same(first.Clusters[Name()], second.Clusters[Name()]);
        Assert.Equal(2 * Second, second.Clusters[Name(8081)].PendingTimeout);
    }

    [Fact]
    public void Compile_HiddenAndLonelyPolicies_AreSaid()
    {
        RuleDocument older = Policy("older", new() { Host = Products, Profile = "safe" }, age: 5);
        RuleDocument newer = Policy("newer", new() { Host = Products, Profile = "istio" });
        RuleDocument lonely = Policy("lonely", new() { Host = "nobody", Profile = "safe" });
        ImmutableArray<(RuleKey Rule, Validation.Diagnostic Finding)> findings = new SnapshotCompiler().Compile(Orders, View(older, newer, lonely), "1").Diagnostics;

        Assert.Equal(["lonely", "newer"], findings.Select(f => f.Rule.Name));
        Assert.Contains("waits for one", findings[0].Finding.Message, StringComparison.Ordinal);
        Assert.Contains("never counts: the older policy 'older'", findings[1].Finding.Message, StringComparison.Ordinal);
        Assert.Empty(RuleSetCheck.Check(older, [older, newer, lonely]));
    }

    private static HttpRoute Route(string name, string prefix) => new()
    {
        Name = name,
        Match = [new HttpMatch { Uri = new TextMatch { Prefix = prefix } }],
        Route = [new HttpRouteDestination { Destination = new Destination { Host = Products } }],
    };

    private static RetryConfig? Default(ProxySnapshot snapshot) => snapshot.Routes.VirtualHosts.Single(v => v.Port == 8080).Retry;

    private static string Name(int port = 8080, string subset = "") => ClusterCompiler.OutboundName(Products, port, subset);

    private static ProxySnapshot Compile(params RuleDocument[] rules) => new SnapshotCompiler().Compile(Orders, View(rules), "1").Snapshot;

    private static MeshView View(params RuleDocument[] rules) => new()
    {
        Services = ImmutableDictionary<string, MeshService>.Empty.Add(
            Products, new MeshService(Products, "shop", [new MeshServicePort(8080, "HTTP"), new MeshServicePort(8081, "HTTP")])),
        Rules = rules.ToImmutableDictionary(r => r.Key),
    };
}
