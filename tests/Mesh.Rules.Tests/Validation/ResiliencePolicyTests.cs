using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

public sealed class ResiliencePolicyTests
{
    private const string Full = """
        host: pay.example.com
        subset: v1
        port: 443
        profile: safe
        mode: enforce
        pendingTimeout: 1s
        writeTimeout: 5s
        meshLimits: {maxConnections: 80, maxRequests: 200}
        retries:
          attempts: 1
          backoff: {strategy: linear, base: 100ms, max: 2s, jitter: ratio, jitterRatio: 0.2}
          methods: [GET, PUT]
          maxRetryAfter: 10s
          singleLayer: true
          budget: {percent: 10, minRetryConcurrency: 2, budgetInterval: 1s}
        """;

    [Fact]
    public void Read_EveryField_IsBoundWithoutFindings()
    {
        RuleReadResult read = Read(Full);
        ResiliencePolicy policy = (ResiliencePolicy)read.Document!.Spec;

        Assert.Empty(read.Diagnostics);
        Assert.Equal(("pay.example.com", "v1", 443, "safe"), (policy.Host, policy.Subset, policy.Port, policy.Profile));
        Assert.Equal((TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5)), (policy.PendingTimeout, policy.WriteTimeout));
        Assert.Equal(new MeshLimits { MaxConnections = 80, MaxRequests = 200 }, policy.MeshLimits);
        Assert.Equal("GET,PUT", string.Join(',', policy.Retries!.Methods));
        Assert.Equal(
            new ResilienceBackoff { Strategy = "linear", Base = TimeSpan.FromMilliseconds(100), Max = TimeSpan.FromSeconds(2), Jitter = "ratio", JitterRatio = 0.2 },
            policy.Retries.Backoff);
        Assert.Equal(new RetryBudget { Percent = 10, MinRetryConcurrency = 2, BudgetInterval = TimeSpan.FromSeconds(1) }, policy.Retries.Budget);
    }

    [Theory]
    [InlineData("profile: safe", "spec.host", "host is required")]
    [InlineData("host: a\nprofile: fast", "spec.profile", "write one of istio, safe")]
    [InlineData("host: a\nsubset: V_1\nprofile: safe", "spec.subset", "subset name is invalid")]
    [InlineData("host: a\nport: 0\nprofile: safe", "spec.port", "1..65535")]
    [InlineData("host: a\nroute: r\npendingTimeout: 1s", "spec.pendingTimeout", "write it in a policy without route")]
    [InlineData("host: a\nroute: r\nwriteTimeout: 1s", "spec.writeTimeout", "write it in a policy without route")]
    [InlineData("host: a\nroute: r\nmeshLimits: {maxRequests: 2}", "spec.meshLimits", "write it in a policy without route")]
    [InlineData("host: a\nmeshLimits: {maxConnections: 0}", "spec.meshLimits.maxConnections", "1..1000000")]
    [InlineData("host: a\nmeshLimits: {maxRequests: 1000001}", "spec.meshLimits.maxRequests", "1..1000000")]
    [InlineData("host: a\nroute: r\nretries: {budget: {}}", "spec.retries.budget", "write it in a policy without route")]
    [InlineData("host: a\nroute: ''\nprofile: safe", "spec.route", "route name cannot be empty")]
    [InlineData("host: a\nretries: {methods: [get]}", "spec.retries.methods[0]", "write it in capitals")]
    [InlineData("host: a\nretries: {methods: [GET, '*']}", "spec.retries.methods[1]", "write it alone")]
    [InlineData("host: a\nretries: {attempts: -1}", "spec.retries.attempts", "attempts cannot be negative")]
    [InlineData("host: a\nretries: {backoff: {base: 2s, max: 1s}}", "spec.retries.backoff.max", "greater than or equal to base")]
    [InlineData("host: a\nretries: {backoff: {jitter: ratio, jitterRatio: 2}}", "spec.retries.backoff.jitterRatio", "must be in 0..1")]
    public void Read_WrongSpec_IsRefusedAtItsPlace(string spec, string path, string message)
    {
        Diagnostic error = Assert.Single(Read(spec).Errors());

        Assert.Equal(path, error.Path);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host: a", "spec", "says nothing yet")]
    [InlineData("host: a\nmode: shadow\nprofile: safe", "spec.mode", "accepted but not enforced yet")]
    [InlineData("host: a\nretries: {methods: [POST]}", "spec.retries.methods[0]", "Idempotency-Key")]
    [InlineData("host: a\nretries: {backoff: {jitter: none}}", "spec.retries.backoff.jitter", "write jitter: full")]
    [InlineData("host: a\nretries: {backoff: {jitterRatio: 0.5}}", "spec.retries.backoff.jitterRatio", "jitter: ratio")]
    public void Read_DoubtfulSpec_IsAcceptedWithAdvice(string spec, string path, string message)
    {
        RuleReadResult read = Read(spec);
        Diagnostic warning = Assert.Single(read.Diagnostics);

        Assert.NotNull(read.Document);
        Assert.Equal((path, Severity.Warning), (warning.Path, warning.Severity));
        Assert.Contains(message, warning.Message, StringComparison.Ordinal);
    }

    private static RuleReadResult Read(string spec) => RuleText.Read(RuleText.Document("ResiliencePolicy", spec)
        .Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal));
}
