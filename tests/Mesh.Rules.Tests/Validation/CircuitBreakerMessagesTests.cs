using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

public sealed class CircuitBreakerMessagesTests
{
    private const string Full = """
        host: pay.example.com
        subset: v1
        port: 443
        mode: enforce
        scope: mesh
        per: host
        probers: {mode: random-n, count: 3}
        state: auto
        slidingWindowType: TIME_BASED
        slidingWindowSize: 30
        minimumNumberOfCalls: 20
        failureRateThreshold: 12.5
        slowCallRateThreshold: 80
        slowCallDurationThreshold: 2s
        waitDurationInOpenState: 10s
        waitDurationGrowth: 2
        maxWaitDurationInOpenState: 1m
        permittedNumberOfCallsInHalfOpenState: 5
        maxWaitDurationInHalfOpenState: 15s
        callTimeoutInHalfOpenState: 1s
        recoveryDuration: 30s
        failures: [gateway-error, timeout, "429"]
        ignoredCodes: [501]
        exemptPaths: [/cancel, /payments/*]
        """;

    [Fact]
    public void Read_EveryField_IsBoundWithoutFindings()
    {
        RuleReadResult read = Read(Full);
        CircuitBreaker breaker = (CircuitBreaker)read.Document!.Spec;

        Assert.Empty(read.Diagnostics);
        Assert.Equal(("pay.example.com", "v1", 443, "TIME_BASED", 30, 20), (breaker.Host, breaker.Subset, breaker.Port, breaker.SlidingWindowType, breaker.SlidingWindowSize, breaker.MinimumNumberOfCalls));
        Assert.Equal((12.5, 80, 2, 5), (breaker.FailureRateThreshold, breaker.SlowCallRateThreshold, breaker.WaitDurationGrowth, breaker.PermittedNumberOfCallsInHalfOpenState));
        Assert.Equal(("mesh", "random-n", 3), (breaker.Scope, breaker.Probers?.Mode, breaker.Probers?.Count));
        Assert.Equal("gateway-error,timeout,429", string.Join(',', breaker.Failures));
        Assert.Equal(501, Assert.Single(breaker.IgnoredCodes));
    }

    [Theory]
    [InlineData("state: auto", "spec.host", "host is required")]
    [InlineData("host: a\nsubset: V_1", "spec.subset", "subset name is invalid")]
    [InlineData("host: a\nstate: open", "spec.state", "write one of auto, forcedOpen, disabled, metricsOnly")]
    [InlineData("host: a\nfailureRateThreshold: 0", "spec.failureRateThreshold", "greater than 0")]
    [InlineData("host: a\nfailureRateThreshold: 101", "spec.failureRateThreshold", "at most 100")]
    [InlineData("host: a\nslowCallRateThreshold: 0", "spec.slowCallRateThreshold", "greater than 0")]
    [InlineData("host: a\nslidingWindowSize: 0", "spec.slidingWindowSize", "1..10000")]
    [InlineData("host: a\nslidingWindowType: TIME_BASED\nslidingWindowSize: 4000", "spec.slidingWindowSize", "at most 3600")]
    [InlineData("host: a\nwaitDurationInOpenState: 2s\nmaxWaitDurationInOpenState: 1s\nwaitDurationGrowth: 2", "spec.maxWaitDurationInOpenState", "greater than or equal to waitDurationInOpenState")]
    [InlineData("host: a\nscope: mesh\nprobers: {mode: first}", "spec.probers.mode", "write one of first-and-last, per-zone, random-n, lowest-load")]
    [InlineData("host: a\nroute: search\nscope: mesh", "spec.scope", "the breaker of one route is each sidecar's own; leave out scope, or route")]
    [InlineData("host: a\nper: pod", "spec.per", "write one of host, endpoint")]
    [InlineData("host: a\nper: endpoint\nscope: mesh", "spec.per", "the breaker of one endpoint is each sidecar's own; leave out per, or scope")]
    [InlineData("host: a\nper: endpoint\nroute: search", "spec.per", "the breaker of one route is for all endpoints together; leave out per, or route")]
    [InlineData("host: a\nscope: mesh\nprobers: {mode: random-n, count: 0}", "spec.probers.count", "1..1000")]
    [InlineData("host: a\nfailures: [4xx]", "spec.failures[0]", "write 5xx, gateway-error")]
    [InlineData("host: a\nfailures: ['99']", "spec.failures[0]", "or a status code")]
    [InlineData("host: a\nignoredCodes: [600]", "spec.ignoredCodes[0]", "100..599")]
    [InlineData("host: a\nexemptPaths: [cancel]", "spec.exemptPaths[0]", "from the slash on")]
    [InlineData("host: a\nexemptPaths: ['/a/*/b']", "spec.exemptPaths[0]", "* at the end")]
    [InlineData("host: a\nwaitDurationInOpenSate: 1s", "spec.waitDurationInOpenSate", "did you mean \"waitDurationInOpenState\"")]
    public void Read_WrongSpec_IsRefusedAtItsPlace(string spec, string path, string message)
    {
        Diagnostic error = Assert.Single(Read(spec).Errors());

        Assert.Equal(path, error.Path);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host: a\nslidingWindowSize: 10\nminimumNumberOfCalls: 20", "spec.minimumNumberOfCalls", "10 are enough")]
    [InlineData("host: a\nmaxWaitDurationInOpenState: 5m", "spec.maxWaitDurationInOpenState", "has no effect without waitDurationGrowth")]
    [InlineData("host: a\nmode: shadow\ncallTimeoutInHalfOpenState: 1s", "spec.callTimeoutInHalfOpenState", "has no effect in mode: shadow")]
    [InlineData("host: a\nprobers: {mode: per-zone}", "spec.probers", "has no effect without scope: mesh")]
    [InlineData("host: a\nscope: mesh\nprobers: {count: 3}", "spec.probers.count", "has no effect without mode: random-n or lowest-load")]
    public void Read_SurprisingSpec_Warns(string spec, string path, string message)
    {
        Diagnostic warning = Assert.Single(Read(spec).Diagnostics);

        Assert.Equal((path, Severity.Warning), (warning.Path, warning.Severity));
        Assert.Contains(message, warning.Message, StringComparison.Ordinal);
    }

    private static RuleReadResult Read(string spec) => RuleText.Read(RuleText.Document("CircuitBreaker", spec)
        .Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal));
}
