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
        side: caller
        pendingTimeout: 1s
        writeTimeout: 5s
        meshLimits: {maxConnections: 80, maxRequests: 200}
        transactionId: {header: X-Api-Tran-Id, format: "{instance}-{time:yyyyMMddHHmmss}-{sequence:9}"}
        asyncReply: {after: 3s, keepFor: 20m, maxKept: 50, maxBytes: 1Mi}
        retries:
          attempts: 1
          backoff: {strategy: linear, base: 100ms, max: 2s, jitter: ratio, jitterRatio: 0.2}
          methods: [GET, PUT]
          maxRetryAfter: 10s
          singleLayer: true
          budget: {percent: 10, minRetryConcurrency: 2, budgetInterval: 1s}
        concurrency:
          maxConcurrentCalls: 20
          maxWaitDuration: 500ms
          maxQueue: 10
          adaptive: {minConcurrency: 4, maxConcurrency: 90, concurrencyUpdateInterval: 2s, requestCount: 70, buffer: 30}
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
        Assert.Equal(new TransactionId { Header = "X-Api-Tran-Id", Format = "{instance}-{time:yyyyMMddHHmmss}-{sequence:9}" }, policy.TransactionId);
        Assert.Equal(new AsyncReply { After = TimeSpan.FromSeconds(3), KeepFor = TimeSpan.FromMinutes(20), MaxKept = 50, MaxBytes = 1 << 20 }, policy.AsyncReply);
        Assert.Equal("GET,PUT", string.Join(',', policy.Retries!.Methods));
        Assert.Equal(
            new ResilienceBackoff { Strategy = "linear", Base = TimeSpan.FromMilliseconds(100), Max = TimeSpan.FromSeconds(2), Jitter = "ratio", JitterRatio = 0.2 },
            policy.Retries.Backoff);
        Assert.Equal(new RetryBudget { Percent = 10, MinRetryConcurrency = 2, BudgetInterval = TimeSpan.FromSeconds(1) }, policy.Retries.Budget);
        Assert.Equal(
            new ConcurrencyPolicy
            {
                MaxConcurrentCalls = 20,
                MaxWaitDuration = TimeSpan.FromMilliseconds(500),
                MaxQueue = 10,
                Adaptive = new AdaptiveConcurrency { MinConcurrency = 4, MaxConcurrency = 90, ConcurrencyUpdateInterval = TimeSpan.FromSeconds(2), RequestCount = 70, Buffer = 30 },
            },
            policy.Concurrency);
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
    [InlineData("host: a\nroute: r\nconcurrency: {}", "spec.concurrency", "write it in a policy without route")]
    [InlineData("host: a\nside: both\nconcurrency: {}", "spec.side", "write one of caller, callee")]
    [InlineData("host: a\nside: callee\nprofile: safe\nconcurrency: {}", "spec.profile", "with side: callee only concurrency can be said")]
    [InlineData("host: a\nside: callee\nretries: {attempts: 1}\nconcurrency: {}", "spec.retries", "write it in another policy with side: caller")]
    [InlineData("host: a\nside: callee\npendingTimeout: 1s\nconcurrency: {}", "spec.pendingTimeout", "belongs to the callers' sidecars")]
    [InlineData("host: a\nside: callee\nwriteTimeout: 1s\nconcurrency: {}", "spec.writeTimeout", "belongs to the callers' sidecars")]
    [InlineData("host: a\nside: callee\nsubset: v1\nconcurrency: {}", "spec.subset", "leave it out with side: callee")]
    [InlineData("host: a\nside: callee\nroute: r\nconcurrency: {}", "spec.route", "leave it out with side: callee")]
    [InlineData("host: a\nconcurrency: {maxConcurrentCalls: 0}", "spec.concurrency.maxConcurrentCalls", "1..1000000")]
    [InlineData("host: a\nconcurrency: {maxWaitDuration: 6m}", "spec.concurrency.maxWaitDuration", "at most 5m")]
    [InlineData("host: a\nconcurrency: {adaptive: {minConcurrency: 30, maxConcurrency: 20}}", "spec.concurrency.adaptive.minConcurrency", "must not be greater than maxConcurrency, 20")]
    [InlineData("host: a\nconcurrency: {adaptive: {maxConcurrency: 2}}", "spec.concurrency.adaptive.maxConcurrency", "minConcurrency, 3, must not be greater")]
    [InlineData("host: a\nconcurrency: {adaptive: {concurrencyUpdateInterval: 2h}}", "spec.concurrency.adaptive.concurrencyUpdateInterval", "at most 1h")]
    [InlineData("host: a\nroute: ''\nprofile: safe", "spec.route", "route name cannot be empty")]
    [InlineData("host: a\nretries: {methods: [get]}", "spec.retries.methods[0]", "write it in capitals")]
    [InlineData("host: a\nretries: {methods: [GET, '*']}", "spec.retries.methods[1]", "write it alone")]
    [InlineData("host: a\nretries: {attempts: -1}", "spec.retries.attempts", "attempts cannot be negative")]
    [InlineData("host: a\nretries: {backoff: {base: 2s, max: 1s}}", "spec.retries.backoff.max", "greater than or equal to base")]
    [InlineData("host: a\nretries: {backoff: {jitter: ratio, jitterRatio: 2}}", "spec.retries.backoff.jitterRatio", "must be in 0..1")]
    [InlineData("host: a\nroute: r\ntransactionId: {header: X-Id}", "spec.transactionId", "write it in a policy without route")]
    [InlineData("host: a\nside: callee\ntransactionId: {header: X-Id}\nconcurrency: {}", "spec.transactionId", "belongs to the callers' sidecars")]
    [InlineData("host: a\ntransactionId: {}", "spec.transactionId.header", "header is required")]
    [InlineData("host: a\ntransactionId: {header: X Id}", "spec.transactionId.header", "not a valid header name")]
    [InlineData("host: a\ntransactionId: {header: X-Request-ID}", "spec.transactionId.header", "choose a field of the host's own")]
    [InlineData("host: a\ntransactionId: {header: Content-Length}", "spec.transactionId.header", "is the proxy's own")]
    [InlineData("host: a\ntransactionId: {header: x-envoy-id}", "spec.transactionId.header", "is the proxy's own")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: ''}", "spec.transactionId.format", "1 to 128 characters")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{instance}'}", "spec.transactionId.format", "has no {sequence:N}")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: 'a b{sequence}'}", "spec.transactionId.format", "without blanks")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{seq}'}", "spec.transactionId.format", "is no part of an id; write {instance}")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{sequence'}", "spec.transactionId.format", "has no closing brace")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '}{sequence}'}", "spec.transactionId.format", "cannot stand in an id")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{sequence:19}'}", "spec.transactionId.format", "a length of 1 to 18, such as {sequence:9}")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{instance:0}{sequence}'}", "spec.transactionId.format", "a length of 1 to 64")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{time}{sequence}'}", "spec.transactionId.format", "is no time: write {time:…}")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{time:yyyyDDMM}{sequence}'}", "spec.transactionId.format", "such as {time:yyyyMMddHHmmss}")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{time:---}{sequence}'}", "spec.transactionId.format", "is no time")]
    [InlineData("host: a\nroute: r\nasyncReply: {}", "spec.asyncReply", "write it in a policy without route")]
    [InlineData("host: a\nside: callee\nasyncReply: {}\nconcurrency: {}", "spec.asyncReply", "belongs to the callers' sidecars")]
    [InlineData("host: a\nasyncReply: {after: 6m}", "spec.asyncReply.after", "at most 5m")]
    [InlineData("host: a\nasyncReply: {keepFor: 2h}", "spec.asyncReply.keepFor", "at most 1h")]
    [InlineData("host: a\nasyncReply: {maxBytes: 17Mi}", "spec.asyncReply.maxBytes", "at most 16Mi")]
    [InlineData("host: a\nasyncReply: {maxKept: 0}", "spec.asyncReply.maxKept", "1..10000")]
    public void Read_WrongSpec_IsRefusedAtItsPlace(string spec, string path, string message)
    {
        Diagnostic error = Assert.Single(Read(spec).Errors());

        Assert.Equal(path, error.Path);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host: a", "spec", "says nothing yet")]
    [InlineData("host: a\nmeshLimits: {}", "spec.meshLimits", "limits nothing; write maxConnections or maxRequests")]
    [InlineData("host: a\nside: callee", "spec", "write concurrency")]
    [InlineData("host: a\nmode: shadow\nasyncReply: {}", "spec.asyncReply", "not evaluated in shadow mode")]
    [InlineData("host: a\nmode: shadow\ntransactionId: {header: X-Id}", "spec.transactionId", "not evaluated in shadow mode")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{time:ss}{sequence}'}", "spec.transactionId.format", "has no {instance}")]
    [InlineData("host: a\ntransactionId: {header: X-Id, format: '{instance}{sequence}'}", "spec.transactionId.format", "counts from 1")]
    [InlineData("host: a\nconcurrency: {maxQueue: 5}", "spec.concurrency.maxQueue", "no effect without maxWaitDuration")]
    [InlineData("host: a\nconcurrency: {adaptive: {maxConcurrency: 10}}", "spec.concurrency.maxConcurrentCalls", "within 3..10")]
    [InlineData("host: a\nmode: shadow\nconcurrency: {adaptive: {}}", "spec.concurrency.adaptive", "no effect in mode: shadow")]
    [InlineData("host: a\nmode: shadow\nprofile: safe", "spec.profile", "Retry-After and callers' deadlines are not")]
    [InlineData("host: a\nmode: shadow\nretries: {attempts: 1, backoff: {base: 1s}}", "spec.retries.backoff", "not evaluated in shadow mode")]
    [InlineData("host: a\nmode: shadow\nretries: {attempts: 1, maxRetryAfter: 1s}", "spec.retries.maxRetryAfter", "not evaluated in shadow mode")]
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
