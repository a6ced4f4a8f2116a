using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

public sealed class RateLimitCompilerTests
{
    private const string Products = "products.default.svc.cluster.local";
    private const string Inbound = "inbound|8080||";
    private static readonly ProxyIdentity Itself = new("default", "products", 8080, "127.0.0.1:9000", ImmutableSortedDictionary<string, string>.Empty);

    [Fact]
    public void Compile_LimitOfOneNumber_HasEveryDefault()
    {
        ProxySnapshot snapshot = Compile(RateLimit("rl", new() { Host = "products", Tokens = 5 }));

        Assert.Equal(new RateLimitConfig { Tokens = 5, Interval = TimeSpan.FromSeconds(1), Burst = 5, MaxKeys = 10_000, Source = "default/rl#spec" }, Only(snapshot.Clusters[Name()]));
        Assert.Null(snapshot.Clusters[Inbound].RateLimits);
    }

    [Fact]
    public void Compile_WaitWithoutNumbers_HasItsDefaults()
    {
        RateLimitConfig limit = Only(Compile(RateLimit("rl", new() { Host = "products", Tokens = 5, WhenExceeded = new RateLimitExcess { Wait = new RateLimitWait() } })).Clusters[Name()]);

        Assert.Equal((TimeSpan.FromSeconds(2), 100), (limit.MaxWait, limit.MaxQueue));
    }

    [Fact]
    public void Compile_Plan_IsEven_OrAsFastAsTokensSay_OverTheAllowedHours()
    {
        RateLimitPlan plan = new() { Total = 600, Window = TimeSpan.FromHours(1) };
        RateLimitConfig even = Only(Compile(RateLimit("rl", new() { Host = "products", Plan = plan })).Clusters[Name()]);
        RateLimitConfig fast = Only(Compile(RateLimit("rl", new()
        {
            Host = "products",
            Plan = plan with { Window = null },
            Tokens = 5,
            AllowedHours = new AllowedHours { From = "22:00", To = "04:00" },
        })).Clusters[Name()]);

        Assert.Equal((600, TimeSpan.FromHours(1), 1, new PlanConfig(600, TimeSpan.FromHours(1))), (even.Tokens, even.Interval, even.Burst, even.Plan!));
        Assert.Equal((5, TimeSpan.FromSeconds(1), 1, new PlanConfig(600, TimeSpan.FromHours(6))), (fast.Tokens, fast.Interval, fast.Burst, fast.Plan!));
    }

    [Fact]
    public void Compile_LimitsOfBothSides_HoldBesideEachOther()
    {
        RuleDocument caller = RateLimit("caller", new() { Host = "products", Tokens = 5 });
        RuleDocument callee = RateLimit("callee", new() { Host = "products", Tokens = 7, Side = "callee" });
        CompileResult result = new SnapshotCompiler().Compile(Itself, View(caller, callee), "1");

        Assert.Equal((5, 7), (Only(result.Snapshot.Clusters[Name()]).Tokens, Only(result.Snapshot.Clusters[Inbound]).Tokens));
        Assert.Empty(result.Diagnostics);
    }

    [Fact]
    public void Compile_SeveralLimitsOfOneSide_AllHold_ThoseForFewerRequestsFirst()
    {
        RuleDocument all = RateLimit("all", new() { Host = "products", Tokens = 100 }, age: 9);
        RuleDocument batch = RateLimit("batch", new() { Host = "products", Tokens = 7, Match = new RateLimitMatch { Headers = Batch } }, age: 5);
        RuleDocument user = RateLimit("user", new() { Host = "products", Tokens = 3, Match = new RateLimitMatch { Headers = Batch }, Key = new RateLimitKey { Header = "x-user" } });
        RuleDocument minute = RateLimit("minute", new() { Host = "products", Tokens = 900, Interval = TimeSpan.FromMinutes(1) });
        CompileResult result = new SnapshotCompiler().Compile(Itself, View(all, batch, user, minute), "1");

        Assert.Equal([3, 7, 100, 900], result.Snapshot.Clusters[Name()].RateLimits!.All.Select(static l => l.Tokens));
        Assert.Empty(result.Diagnostics);
    }

    [Fact]
    public void Compile_LimitForOnePort_StandsInPlaceOfThoseForTheHost()
    {
        ProxySnapshot snapshot = Compile(RateLimit("host", new() { Host = "products", Tokens = 5 }, age: 5), RateLimit("port", new() { Host = "products", Port = 8080, Tokens = 7 }));

        Assert.Equal(7, Only(snapshot.Clusters[Name()]).Tokens);
    }

    [Fact]
    public void Compile_MoreThanHoldTogether_TheOldestHold_AndTheOtherIsSaid()
    {
        RuleDocument[] limits = [.. Enumerable.Range(1, RateLimitConfigs.Most + 1).Select(static i => RateLimit($"l{i}", new() { Host = "products", Tokens = i, Side = "callee" }, age: 100 - i))];
        CompileResult result = new SnapshotCompiler().Compile(Itself, View(limits), "1");

        Assert.Equal(Enumerable.Range(1, RateLimitConfigs.Most), result.Snapshot.Clusters[Inbound].RateLimits!.All.Select(static l => l.Tokens));
        Assert.Equal(("l9", "hidden-policy"), (Assert.Single(result.Diagnostics).Rule.Name, result.Diagnostics[0].Finding.Check));
        Assert.Contains("8 older ones select the same", result.Diagnostics[0].Finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_LimitThatChanges_ChangesItsClustersAlone()
    {
        SnapshotCompiler compiler = new();
        ProxySnapshot first = compiler.Compile(Itself, View(RateLimit("rl", new() { Host = "products", Tokens = 5, Side = "callee" })), "1").Snapshot;
        ProxySnapshot second = compiler.Compile(Itself, View(RateLimit("rl", new() { Host = "products", Tokens = 6, Side = "callee" })), "2").Snapshot;

        Assert.Same(first.Clusters[Name()], second.Clusters[Name()]);
        Assert.Equal(6, Only(second.Clusters[Inbound]).Tokens);
    }

    [Fact]
    public void Compile_LimitOfATcpPort_IsNone() => Assert.Null(Compile(RateLimit("rl", new() { Host = "products", Tokens = 5 })).Clusters[Name(3306)].RateLimits);

    private static ImmutableSortedDictionary<string, TextMatch> Batch => ImmutableSortedDictionary<string, TextMatch>.Empty.Add("x-class", new TextMatch { Exact = "batch" });

    private static RateLimitConfig Only(ClusterConfig cluster) => Assert.Single(cluster.RateLimits!.All);

    private static string Name(int port = 8080) => ClusterCompiler.OutboundName(Products, port);

    private static ProxySnapshot Compile(params RuleDocument[] rules) => new SnapshotCompiler().Compile(Itself, View(rules), "1").Snapshot;

    private static MeshView View(params RuleDocument[] rules) => new()
    {
        Services = ImmutableDictionary<string, MeshService>.Empty.Add(
            Products, new MeshService(Products, "default", [new MeshServicePort(8080, "HTTP"), new MeshServicePort(3306, "TCP")])),
        Rules = rules.ToImmutableDictionary(r => r.Key),
    };
}
