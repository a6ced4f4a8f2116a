using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Compilation;

/// <summary>Destination rules in shadow mode: beside which rule they stand, and what of them reaches a cluster.</summary>
public sealed class ShadowCompilerTests
{
    private const string InShadow = "annotations: {mesh.dev/mode: shadow}";
    private static readonly string Service = MeshText.Service("a.test");

    [Fact]
    public void Compile_RuleInShadow_LeavesTheOneInForce_AndStandsBesideIt()
    {
        ClusterConfig cluster = Cluster(Dr("held", Pool(5)), Dr("try", Pool(2), $"creationTimestamp: 2020-01-01T00:00:00Z, {InShadow}"));

        Assert.Equal((5u, "default/held#spec.trafficPolicy.connectionPool"), (cluster.Limits.MaxConnections, cluster.ConnectionPoolSource));
        Assert.Equal((2u, "default/try#spec.trafficPolicy.connectionPool"), (cluster.Shadow!.Limits.MaxConnections, cluster.Shadow.PoolSource));
    }

    [Fact]
    public void Compile_RuleInShadowAlone_LeavesTheDefaults()
    {
        ClusterConfig cluster = Cluster(Dr("try", "{host: a.test, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}", InShadow));

        Assert.Equal((uint.MaxValue, null, 50), (cluster.Limits.MaxConnections, cluster.Outlier, cluster.PanicThresholdPercent));
        Assert.Equal((3, null, "default/try#spec.trafficPolicy.outlierDetection"), (cluster.Shadow!.Outlier!.Consecutive5xx, cluster.Shadow.PoolSource, cluster.Shadow.OutlierSource));
    }

    [Fact]
    public void Compile_SeveralInShadow_TheOldestCounts()
    {
        ClusterConfig cluster = Cluster(
            Dr("b", Pool(2), $"creationTimestamp: 2020-01-02T00:00:00Z, {InShadow}"), Dr("a", Pool(3), $"creationTimestamp: 2020-01-01T00:00:00Z, {InShadow}"));

        Assert.Equal(3u, cluster.Shadow!.Limits.MaxConnections);
    }

    [Fact]
    public void Compile_ModeEnforce_IsARuleInForce()
    {
        ClusterConfig cluster = Cluster(Dr("a", Pool(3), "annotations: {mesh.dev/mode: enforce}"));

        Assert.Equal((3u, null), (cluster.Limits.MaxConnections, cluster.Shadow));
    }

    [Fact]
    public void Compile_SubsetsOfARuleInShadow_AreNotMade_ButSpeakOfThoseInForce()
    {
        ProxySnapshot snapshot = MeshText.Compile(
            Service + Dr("held", "{host: a.test, subsets: [{name: v1}]}") +
            Dr("try", "{host: a.test, trafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}, subsets: [{name: v1, trafficPolicy: {connectionPool: {tcp: {maxConnections: 4}}}}, {name: v2}]}", InShadow)).Snapshot;

        Assert.Equal(["inbound|8080||", "outbound|80|v1|a.test", "outbound|80||a.test"], snapshot.Clusters.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(4u, snapshot.Clusters["outbound|80|v1|a.test"].Shadow!.Limits.MaxConnections);
        Assert.Equal(9u, snapshot.Clusters["outbound|80||a.test"].Shadow!.Limits.MaxConnections);
    }

    [Fact]
    public void Compile_DetectorInShadowThatCanNeverEject_IsToldSo() => Assert.Equal(
        ["try spec.trafficPolicy.outlierDetection.maxEjectionPercent"],
        MeshText.Compile(Service + Dr("try", "{host: a.test, trafficPolicy: {outlierDetection: {maxEjectionPercent: 20}}}", InShadow)).Diagnostics.Of("never-ejects").Distinct());

    [Fact]
    public void Compile_RuleOfTheOwnService_IsEvaluatedInFrontOfItToo()
    {
        ProxySnapshot snapshot = MeshText.Compile(Dr("try", "{host: me, trafficPolicy: {connectionPool: {http: {http2MaxRequests: 7}}, outlierDetection: {}}}", InShadow)).Snapshot;

        ShadowConfig shadow = snapshot.Clusters["inbound|8080||"].Shadow!;
        Assert.Equal((7u, null), (shadow.Limits.MaxRequests, shadow.Outlier)); // of a rule only the connection pool counts there
    }

    [Fact]
    public void Compile_RuleInShadow_IsNotInConflictWithTheOneInForce() => Assert.DoesNotContain(
        MeshText.Compile(Service + Dr("held", Pool(5)) + Dr("try", Pool(2), InShadow)).Diagnostics, static d => d.Finding.Path == "spec.host");

    [Theory]
    [InlineData("DestinationRule", "networking.istio.io/v1", "observe", "write enforce or shadow")]
    [InlineData("VirtualService", "networking.istio.io/v1", "shadow", "has no shadow mode")]
    [InlineData("CircuitBreaker", "resilience.mesh.dev/v1alpha1", "shadow", "write spec.mode: shadow")]
    public void Read_WrongMode_IsRefusedAtItsPlace(string kind, string apiVersion, string mode, string message)
    {
        RuleReadResult read = Assert.Single(RuleReader.ReadYaml(
            $"apiVersion: {apiVersion}\nkind: {kind}\nmetadata:\n  name: x\n  annotations:\n    mesh.dev/mode: {mode}\nspec: {{host: a, hosts: [a], http: [{{route: [{{destination: {{host: a}}}}]}}]}}", "t.yaml"));

        Diagnostic error = Assert.Single(read.Diagnostics, static d => d.Path == "metadata.annotations.mesh.dev/mode");
        Assert.Equal((Severity.Error, 6), (error.Severity, error.Line));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Null(read.Document);
    }

    [Theory]
    [InlineData("trafficPolicy: {loadBalancer: {simple: RANDOM}}", "spec.trafficPolicy.loadBalancer", "only connectionPool, outlierDetection and retryBudget")]
    [InlineData("trafficPolicy: {tls: {mode: SIMPLE}}", "spec.trafficPolicy.tls", "only connectionPool, outlierDetection and retryBudget")]
    [InlineData("trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 1s}}}", "spec.trafficPolicy.connectionPool.tcp.maxConnectionDuration", "as the rule in force says")]
    [InlineData("trafficPolicy: {outlierDetection: {maxEjectionPercent: 50, minHealthPercent: 50}}", "spec.trafficPolicy.outlierDetection.minHealthPercent", "nobody is taken out")]
    [InlineData("trafficPolicy: {portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}", "spec.trafficPolicy.portLevelSettings[0].loadBalancer", "only connectionPool, outlierDetection")]
    [InlineData("subsets: [{name: v1, labels: {a: b}, trafficPolicy: {tls: {mode: SIMPLE}}}]", "spec.subsets[0].trafficPolicy.tls", "only connectionPool, outlierDetection")]
    [InlineData("subsets: [{name: v1, labels: {a: b}}]", "spec.subsets", "where the rule in force has a subset of that name")]
    public void Read_WhatIsNotEvaluated_IsNamed(string spec, string path, string message)
    {
        string text = $"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: x, annotations: {{mesh.dev/mode: shadow}}}}\nspec:\n  host: a\n  {spec}";
        RuleReadResult shadow = Assert.Single(RuleReader.ReadYaml(text, "t.yaml"));
        RuleReadResult enforced = Assert.Single(RuleReader.ReadYaml(text.Replace("shadow", "enforce", StringComparison.Ordinal), "t.yaml"));

        Assert.Contains(shadow.Diagnostics, d => d.Path == path && d.Severity == Severity.Warning && d.Message.Contains(message, StringComparison.Ordinal));
        Assert.DoesNotContain(enforced.Diagnostics, d => d.Message.Contains(message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("trafficPolicy: {retryBudget: {percent: 10}}")]
    [InlineData("trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1s}}}")]
    [InlineData("trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}")]
    public void Read_WhatIsEvaluated_IsNotNamed(string spec) => Assert.Empty(Assert.Single(RuleReader.ReadYaml(
        $"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: x, annotations: {{mesh.dev/mode: shadow}}}}\nspec:\n  host: a\n  {spec}", "t.yaml")).Diagnostics);

    [Fact]
    public void Compile_RetriesAndConnectTimeoutInShadow_StandBesideThoseInForce()
    {
        ClusterConfig cluster = Cluster(Dr("try", "{host: a.test, trafficPolicy: {retryBudget: {percent: 5}, connectionPool: {tcp: {connectTimeout: 2s}, http: {maxRetries: 4}}}}", InShadow));

        Assert.Equal((null, uint.MaxValue, TimeSpan.FromSeconds(10)), (cluster.RetryBudget, cluster.Limits.MaxRetries, cluster.Connection.ConnectTimeout));
        Assert.Equal(new RetryBudgetConfig(5, 3, TimeSpan.Zero, "default/try#spec.trafficPolicy.retryBudget"), cluster.Shadow!.RetryBudget);
        Assert.Equal((4u, TimeSpan.FromSeconds(2)), (cluster.Shadow.Limits.MaxRetries, cluster.Shadow.ConnectTimeout));
    }

    [Theory]
    [InlineData("{host: a.test, mode: shadow, profile: safe}", "default/p#spec.profile")]
    [InlineData("{host: a.test, mode: shadow, profile: safe, retries: {budget: {percent: 1}}}", "default/p#spec.retries.budget")]
    [InlineData("{host: a.test, mode: shadow, pendingTimeout: 1s}", null)]
    public void Compile_BudgetOfAPolicyInShadow_HasItsSource(string spec, string? source) =>
        Assert.Equal(source, Cluster(Ours("ResiliencePolicy", "p", spec)).Shadow!.RetryBudget?.Source);

    [Fact]
    public void Compile_MeshLimitsInShadow_NameTheirRule()
    {
        ClusterConfig cluster = Cluster(Ours("ResiliencePolicy", "p", "{host: a.test, mode: shadow, meshLimits: {maxConnections: 80}}"));

        Assert.Equal((null, new MeshLimitsConfig("ResiliencePolicy/default/p", "default/p#spec", 80)), (cluster.MeshLimits, cluster.Shadow!.MeshLimits));
    }

    /// <summary>Whatever is tried, and however narrowly or early: what is in force stays in force.</summary>
    [Theory]
    [InlineData("CircuitBreaker", "")]
    [InlineData("Fallback", ", static: {}")]
    public void Compile_PolicyInShadow_NeverTakesThePlaceOfOneInForce(string kind, string fields)
    {
        CompileResult result = MeshText.Compile(
            Service + Ours(kind, "held", $"{{host: a.test{fields}}}") + Ours(kind, "try", $"{{host: a.test, port: 80, mode: shadow{fields}}}", "creationTimestamp: 2020-01-01T00:00:00Z"));

        ClusterConfig cluster = result.Snapshot.Clusters["outbound|80||a.test"];
        Assert.Equal("default/held#spec", cluster.Breaker?.Source ?? cluster.Fallback?.Source);
        Assert.Equal(["try spec.mode"], result.Diagnostics.Of("hidden-policy"));
    }

    /// <summary>What kubectl apply says, which sees rules and no upstreams.</summary>
    [Theory]
    [InlineData("host: a.test", "host: a.test, mode: shadow", true)]
    [InlineData("host: a.test", "host: a.test, mode: shadow, port: 80, route: r", true)]
    [InlineData("host: a.test, port: 80", "host: a.test, mode: shadow", false)] // it is evaluated on other ports
    [InlineData("host: a.test, port: 80", "host: a.test, mode: shadow, port: 8080", false)]
    [InlineData("host: a.test, mode: shadow, port: 80", "host: a.test, mode: shadow", false)]
    [InlineData("host: b.test", "host: a.test, mode: shadow", false)]
    public void Check_PolicyInShadowWhereOneIsInForce_IsToldSo(string held, string tried, bool isTold)
    {
        RuleDocument[] rules = [.. MeshText.Read(Ours("CircuitBreaker", "held", $"{{{held}}}") + Ours("CircuitBreaker", "try", $"{{{tried}}}")).Values];

        ImmutableArray<Diagnostic> findings = RuleSetCheck.Check(rules.Single(static r => r.Key.Name == "try"), rules);

        Assert.Equal(isTold, findings.Any(static d => d.Path == "spec.mode" && d.Message.Contains("'held' is in force", StringComparison.Ordinal)));
        Assert.DoesNotContain(RuleSetCheck.Check(rules.Single(static r => r.Key.Name == "held"), rules), static d => d.Path == "spec.mode");
    }

    /// <summary>Limits hold together anyway: what is tried is evaluated beside what is in force, and the narrower one takes no other's place.</summary>
    [Fact]
    public void Compile_RateLimitInShadow_IsEvaluatedBesideThoseInForce()
    {
        CompileResult result = MeshText.Compile(
            Service + Ours("RateLimit", "held", "{host: a.test, tokens: 5}") + Ours("RateLimit", "try", "{host: a.test, port: 80, mode: shadow, tokens: 2}"));

        Assert.Equal(
            [("default/held#spec", false), ("default/try#spec", true)],
            result.Snapshot.Clusters["outbound|80||a.test"].RateLimits!.All.Select(static l => (l.Source, l.IsShadow)));
        Assert.Empty(result.Diagnostics.Of("hidden-policy"));
        RuleDocument[] rules = [.. MeshText.Read(Ours("RateLimit", "held", "{host: a.test, tokens: 5}") + Ours("RateLimit", "try", "{host: a.test, mode: shadow, tokens: 2}")).Values];
        Assert.All(rules, r => Assert.DoesNotContain(RuleSetCheck.Check(r, rules), static d => d.Path == "spec.mode"));
    }

    [Theory]
    [InlineData("CircuitBreaker", "")]
    [InlineData("RateLimit", ", tokens: 5")]
    [InlineData("Fallback", ", static: {}")]
    public void Compile_PolicyInShadowAlone_IsEvaluated(string kind, string fields)
    {
        CompileResult result = MeshText.Compile(Service + Ours(kind, "try", $"{{host: a.test, mode: shadow{fields}}}"));

        ClusterConfig cluster = result.Snapshot.Clusters["outbound|80||a.test"];
        Assert.True(cluster.Breaker?.IsShadow ?? cluster.RateLimits?.All[0].IsShadow ?? cluster.Fallback!.IsShadow);
        Assert.Empty(result.Diagnostics.Of("hidden-policy"));
    }

    private static ClusterConfig Cluster(params string[] rules) => MeshText.Compile(Service + string.Concat(rules)).Snapshot.Clusters["outbound|80||a.test"];

    private static string Dr(string name, string spec, string metadata = "") => MeshText.Rule("DestinationRule", name, spec, metadata: metadata);

    private static string Ours(string kind, string name, string spec, string metadata = "") => MeshText.Rule(kind, name, spec, metadata: metadata)
        .Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal);

    private static string Pool(int connections) => $"{{host: a.test, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {connections}}}, http: {{http1MaxPendingRequests: 10}}}}}}}}";
}
