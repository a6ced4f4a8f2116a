using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Config;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Rules;
using Xunit;

namespace Mesh.Sidecar.Tests.Rules;

public sealed class SnapshotPipelineTests
{
    [Fact]
    public async Task TwoServicesOnAPortOfThePod_AreSaidOnce()
    {
        List<string> told = [];
        ProxyIdentity pod = TestRules.Identity with { AppAddress = "", PodAddresses = [IPAddress.Parse("10.0.0.7")] };
        SnapshotPipeline pipeline = new(pod, new SnapshotCompiler(), static s => Task.FromResult(new ApplyResult(s.Version, [], []))) { Tell = told.Add };

        await pipeline.ApplyAsync(View("a", "b"), "1");
        await pipeline.ApplyAsync(View("a", "b"), "2");
        await pipeline.ApplyAsync(View("a", "b", "c"), "3");

        Assert.Equal(2, told.Count);
        Assert.Contains("'a.default.svc.cluster.local' port 80 and 'b.default.svc.cluster.local' port 80", told[0], StringComparison.Ordinal);
        Assert.Contains("and 'c.default.svc.cluster.local' port 80", told[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mesh", true, 1)]
    [InlineData("mesh", false, 0)]
    [InlineData("sidecar", true, 0)]
    public async Task ScopeMesh_WithoutAControlPlane_IsWarnedOf(string scope, bool isAlone, int warnings)
    {
        SnapshotPipeline pipeline = new(TestRules.Identity, new SnapshotCompiler(), static s => Task.FromResult(new ApplyResult(s.Version, [], []))) { IsAlone = isAlone };
        RuleDocument rule = Assert.Single(TestRules.Read($$"""
            apiVersion: resilience.mesh.dev/v1alpha1
            kind: CircuitBreaker
            metadata: {name: cb}
            spec:
              host: a.default.svc.cluster.local
              scope: {{scope}}
            """, "cb.yaml")).Document!;

        PipelineResult result = await pipeline.ApplyAsync(View("a") with { Rules = ImmutableDictionary<RuleKey, RuleDocument>.Empty.Add(rule.Key, rule) }, "1");

        Assert.Equal(warnings, result.Findings.Count(static f => f is { Rule: "CircuitBreaker/default/cb", Severity: "warning", Path: "spec.scope" }));
    }

    private static MeshView View(params string[] names)
    {
        string[] hosts = [.. names.Select(static n => $"{n}.default.svc.cluster.local")];
        MeshEndpoint endpoint = new("10.0.0.7:8080", 80, ImmutableSortedDictionary<string, string>.Empty, "", "orders", "v1");
        return new MeshView
        {
            Services = hosts.ToImmutableDictionary(static h => h, static h => new MeshService(h, "default", [new MeshServicePort(80, "HTTP")])),
            Endpoints = hosts.ToImmutableDictionary(static h => h, _ => ImmutableArray.Create(endpoint)),
        };
    }
}
