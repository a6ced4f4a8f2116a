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

        Assert.Equal(new RateLimitConfig { Tokens = 5, Interval = TimeSpan.FromSeconds(1), Burst = 5, MaxKeys = 10_000, Source = "default/rl#spec" }, snapshot.Clusters[Name()].RateLimit);
        Assert.Null(snapshot.Clusters[Inbound].RateLimit);
    }

    [Fact]
    public void Compile_WaitWithoutNumbers_HasItsDefaults()
    {
        RateLimitConfig limit = Compile(RateLimit("rl", new() { Host = "products", Tokens = 5, WhenExceeded = new RateLimitExcess { Wait = new RateLimitWait() } })).Clusters[Name()].RateLimit!;

        Assert.Equal((TimeSpan.FromSeconds(2), 100), (limit.MaxWait, limit.MaxQueue));
    }

    [Fact]
    public void Compile_LimitsOfBothSides_HoldBesideEachOther()
    {
        RuleDocument caller = RateLimit("caller", new() { Host = "products", Tokens = 5 });
        RuleDocument callee = RateLimit("callee", new() { Host = "products", Tokens = 7, Side = "callee" });
        CompileResult result = new SnapshotCompiler().Compile(Itself, View(caller, callee), "1");

        Assert.Equal((5, 7), (result.Snapshot.Clusters[Name()].RateLimit!.Tokens, result.Snapshot.Clusters[Inbound].RateLimit!.Tokens));
        Assert.Empty(result.Diagnostics);
    }

    [Fact]
    public void Compile_TwoLimitsOfOneSide_TheOlderHolds_AndTheOtherIsSaid()
    {
        CompileResult result = new SnapshotCompiler().Compile(
            Itself, View(RateLimit("older", new() { Host = "products", Tokens = 5, Side = "callee" }, age: 5), RateLimit("newer", new() { Host = "products", Tokens = 7, Side = "callee" })), "1");

        Assert.Equal(5, result.Snapshot.Clusters[Inbound].RateLimit!.Tokens);
        Assert.Equal(("newer", "hidden-policy"), (Assert.Single(result.Diagnostics).Rule.Name, result.Diagnostics[0].Finding.Check));
    }

    [Fact]
    public void Compile_LimitThatChanges_ChangesItsClustersAlone()
    {
        SnapshotCompiler compiler = new();
        ProxySnapshot first = compiler.Compile(Itself, View(RateLimit("rl", new() { Host = "products", Tokens = 5, Side = "callee" })), "1").Snapshot;
        ProxySnapshot second = compiler.Compile(Itself, View(RateLimit("rl", new() { Host = "products", Tokens = 6, Side = "callee" })), "2").Snapshot;

        Assert.Same(first.Clusters[Name()], second.Clusters[Name()]);
        Assert.Equal(6, second.Clusters[Inbound].RateLimit!.Tokens);
    }

    [Fact]
    public void Compile_LimitOfATcpPort_IsNone() => Assert.Null(Compile(RateLimit("rl", new() { Host = "products", Tokens = 5 })).Clusters[Name(3306)].RateLimit);

    private static string Name(int port = 8080) => ClusterCompiler.OutboundName(Products, port);

    private static ProxySnapshot Compile(params RuleDocument[] rules) => new SnapshotCompiler().Compile(Itself, View(rules), "1").Snapshot;

    private static MeshView View(params RuleDocument[] rules) => new()
    {
        Services = ImmutableDictionary<string, MeshService>.Empty.Add(
            Products, new MeshService(Products, "default", [new MeshServicePort(8080, "HTTP"), new MeshServicePort(3306, "TCP")])),
        Rules = rules.ToImmutableDictionary(r => r.Key),
    };
}
