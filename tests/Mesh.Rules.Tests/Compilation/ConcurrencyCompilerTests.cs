using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

public sealed class ConcurrencyCompilerTests
{
    private const string Products = "products.default.svc.cluster.local";
    private const string Inbound = "inbound|8080||";
    private static readonly ProxyIdentity Itself = new("default", "products", 8080, "127.0.0.1:9000", ImmutableSortedDictionary<string, string>.Empty);

    [Fact]
    public void Compile_EmptyBlock_HasEveryDefault() => Assert.Equal(
        new ConcurrencyConfig { MaxCalls = 25, MaxWait = TimeSpan.Zero, MaxQueue = 0, Adaptive = null, Source = "default/rp#spec" }, Compile(new ConcurrencyPolicy()));

    [Fact]
    public void Compile_WaitAndAdaptive_HaveTheirDefaults() => Assert.Equal(
        new ConcurrencyConfig
        {
            MaxCalls = 25,
            MaxWait = TimeSpan.FromSeconds(1),
            MaxQueue = 100,
            Adaptive = new AdaptiveConcurrencyConfig { MinCalls = 3, MaxCalls = 1000, UpdateInterval = TimeSpan.FromSeconds(1), RequestCount = 50, BufferPercent = 10 },
            Source = "default/rp#spec",
        },
        Compile(new ConcurrencyPolicy { MaxWaitDuration = TimeSpan.FromSeconds(1), Adaptive = new AdaptiveConcurrency() }));

    [Fact]
    public void Compile_ShadowMode_HasNothingToAdapt() =>
        Assert.Equal((true, null), Compile(new ConcurrencyPolicy { Adaptive = new AdaptiveConcurrency() }, "shadow") is { } config ? (config.IsShadow, config.Adaptive) : default);

    [Fact]
    public void Compile_PoliciesOfBothSides_HoldBesideEachOther()
    {
        ProxySnapshot snapshot = Compile(
            Policy("caller", new() { Host = "products", Concurrency = new ConcurrencyPolicy { MaxConcurrentCalls = 5 }, PendingTimeout = TimeSpan.FromSeconds(1) }),
            Policy("callee", new() { Host = "products", Side = "callee", Concurrency = new ConcurrencyPolicy { MaxConcurrentCalls = 7 } }));

        Assert.Equal((5, 7), (snapshot.Clusters[Name()].Concurrency!.MaxCalls, snapshot.Clusters[Inbound].Concurrency!.MaxCalls));
        Assert.Equal((TimeSpan.FromSeconds(1), TimeSpan.Zero), (snapshot.Clusters[Name()].PendingTimeout, snapshot.Clusters[Inbound].PendingTimeout));
        Assert.Equal(5, snapshot.Clusters[Name(3306)].Concurrency!.MaxCalls); // of bytes connections are counted
    }

    [Fact]
    public void Compile_PolicyInForceAndOneInShadow_TheFirstHolds()
    {
        ProxySnapshot snapshot = Compile(
            Policy("held", new() { Host = "products", Concurrency = new ConcurrencyPolicy { MaxConcurrentCalls = 5 } }),
            Policy("tried", new() { Host = "products", Mode = "shadow", Concurrency = new ConcurrencyPolicy { MaxConcurrentCalls = 2 } }));

        Assert.Equal((5, false), (snapshot.Clusters[Name()].Concurrency!.MaxCalls, snapshot.Clusters[Name()].Concurrency!.IsShadow));
    }

    [Theory]
    [InlineData("spec.concurrency.adaptive", "no answers whose latency")]
    [InlineData("spec.meshLimits.maxRequests", "no calls to count")]
    public void Compile_WhatHasNoEffectOnATcpPort_IsWarnedAbout(string path, string message)
    {
        ResiliencePolicy policy = path == "spec.concurrency.adaptive" ? new() { Concurrency = new ConcurrencyPolicy { Adaptive = new AdaptiveConcurrency() } } : new() { MeshLimits = new MeshLimits { MaxRequests = 5 } };

        (RuleKey _, Diagnostic finding) = Assert.Single(CompileAll(Policy("rp", policy with { Host = "products" })).Diagnostics);

        Assert.Equal((path, Severity.Warning), (finding.Path, finding.Severity));
        Assert.Contains($"port 3306 of '{Products}' is TCP", finding.Message, StringComparison.Ordinal);
        Assert.Contains(message, finding.Message, StringComparison.Ordinal);
        Assert.Empty(CompileAll(Policy("rp", policy with { Host = "products", Port = 8080 })).Diagnostics);
    }

    [Fact]
    public void Compile_AdaptiveLimitOfATcpPort_StaysWhereItBegins()
    {
        ProxySnapshot snapshot = Compile(Policy("rp", new() { Host = "products", Concurrency = new ConcurrencyPolicy { MaxConcurrentCalls = 7, Adaptive = new AdaptiveConcurrency() } }));

        Assert.Equal((7, null), (snapshot.Clusters[Name(3306)].Concurrency!.MaxCalls, snapshot.Clusters[Name(3306)].Concurrency!.Adaptive));
        Assert.NotNull(snapshot.Clusters[Name()].Concurrency!.Adaptive);
    }

    private static string Name(int port = 8080) => ClusterCompiler.OutboundName(Products, port);

    private static ConcurrencyConfig Compile(ConcurrencyPolicy block, string? mode = null) =>
        Compile(Policy("rp", new() { Host = "products", Mode = mode, Concurrency = block })).Clusters[Name()].Concurrency!;

    private static ProxySnapshot Compile(params RuleDocument[] rules) => CompileAll(rules).Snapshot;

    private static CompileResult CompileAll(params RuleDocument[] rules) => new SnapshotCompiler().Compile(
        Itself,
        new MeshView
        {
            Services = ImmutableDictionary<string, MeshService>.Empty.Add(
                Products, new MeshService(Products, "default", [new MeshServicePort(8080, "HTTP"), new MeshServicePort(3306, "TCP")])),
            Rules = rules.ToImmutableDictionary(r => r.Key),
        },
        "1");
}
