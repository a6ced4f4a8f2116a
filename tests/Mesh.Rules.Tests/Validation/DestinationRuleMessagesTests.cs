using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

/// <summary>Every condition for which Istio has a text; the text is what users search for.</summary>
public sealed class DestinationRuleMessagesTests
{
    [Theory]
    [InlineData("{}", "traffic policy must have at least one field", "spec.trafficPolicy")]
    [InlineData("connectionPool: {}", "connection pool must have at least one field", "spec.trafficPolicy.connectionPool")]
    [InlineData("portLevelSettings: [{tls: {}}]", "portTrafficPolicy must have valid port", "spec.trafficPolicy.portLevelSettings[0]")]
    [InlineData("portLevelSettings: [{port: {number: 80}}]", "port traffic policy must have at least one field", "spec.trafficPolicy.portLevelSettings[0]")]
    [InlineData("outlierDetection: {interval: 0.5ms}", "duration must be greater than 1ms", "spec.trafficPolicy.outlierDetection.interval")]
    [InlineData("outlierDetection: {interval: 1.5ms}", "only durations to ms precision are supported", "spec.trafficPolicy.outlierDetection.interval")]
    [InlineData("outlierDetection: {maxEjectionPercent: 101}", "out of 0..100 range", "spec.trafficPolicy.outlierDetection.maxEjectionPercent")]
    [InlineData("outlierDetection: {minHealthPercent: -1}", "out of 0..100 range", "spec.trafficPolicy.outlierDetection.minHealthPercent")]
    [InlineData("outlierDetection: {outlierDetectionHttpErrorCodes: [42]}", "must be in 100..599", "spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[0]")]
    [InlineData("outlierDetection: {consecutiveLocalOriginFailures: 3}", "consecutive local origin failures specified but split", "spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures")]
    [InlineData("connectionPool: {tcp: {maxConnections: -1}}", "max connections must be non-negative", "spec.trafficPolicy.connectionPool.tcp.maxConnections")]
    [InlineData("connectionPool: {http: {idleTimeout: 0s}}", "duration must be greater than 1ms", "spec.trafficPolicy.connectionPool.http.idleTimeout")]
    [InlineData("connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}", "use client protocol must not be true when H2UpgradePolicy is UPGRADE", "spec.trafficPolicy.connectionPool.http")]
    [InlineData("connectionPool: {http: {http2KeepAlive: {interval: 1s}}}", "timeout is required", "spec.trafficPolicy.connectionPool.http.http2KeepAlive.timeout")]
    [InlineData("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}], failover: [{from: a, to: b}]}}", "can not simultaneously specify 'distribute' and 'failover'", "spec.trafficPolicy.loadBalancer.localityLbSetting")]
    [InlineData("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 90}}]}}", "total locality weight 90 != 100", "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to")]
    [InlineData("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 0, c: 100}}]}}", "locality weight must be in range [1, 100]", "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to.b")]
    [InlineData("loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}]}}", "must specify different regions", "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0]")]
    [InlineData("loadBalancer: {localityLbSetting: {failover: [{from: a/b, to: c}]}}", "only specify region", "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0].from")]
    [InlineData("loadBalancer: {consistentHash: {httpCookie: {name: \"a;b\"}}}", "leave out blanks", "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name")]
    [InlineData("loadBalancer: {consistentHash: {httpCookie: {name: a, path: \"/\\r\\n\"}}}", "leave out blanks", "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.path")]
    [InlineData("loadBalancer: {consistentHash: {httpCookie: {ttl: 0s}}}", "name required for HttpCookie", "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name")]
    [InlineData("loadBalancer: {consistentHash: {useSourceIp: true, maglev: {}}}", "tableSize must be set for maglev", "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize")]
    [InlineData("loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 65536}}}", "prime", "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize")]
    [InlineData("loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 4, ringHash: {}}}", "only one of minimumRingSize", "spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize")]
    [InlineData("loadBalancer: {localityLbSetting: {}, zoneAwareLbSetting: {}}", "only one of localityLbSetting and zoneAwareLbSetting", "spec.trafficPolicy.loadBalancer")]
    [InlineData("loadBalancer: {simple: RANDOM, warmup: {duration: 1s}}", "warmup is only supported", "spec.trafficPolicy.loadBalancer")]
    [InlineData("loadBalancer: {warmup: {}}", "duration is required", "spec.trafficPolicy.loadBalancer.warmup.duration")]
    [InlineData("tls: {mode: MUTUAL, privateKey: k}", "client certificate required for mutual tls", "spec.trafficPolicy.tls")]
    [InlineData("tls: {mode: MUTUAL, clientCertificate: c}", "private key required for mutual tls", "spec.trafficPolicy.tls")]
    [InlineData("tls: {mode: SIMPLE, credentialName: c, caCertificates: d}", "credentialName is set", "spec.trafficPolicy.tls")]
    [InlineData("tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}", "insecureSkipVerify is set to true", "spec.trafficPolicy.tls.insecureSkipVerify")]
    [InlineData("proxyProtocol: {}\ntunnel: {targetHost: a.b, targetPort: 1}", "tunnel and proxyProtocol must not be set together", "spec.trafficPolicy")]
    [InlineData("tunnel: {targetHost: a.b, targetPort: 0}", "1..65535", "spec.trafficPolicy.tunnel.targetPort")]
    public void Policy_BreaksRule_IsRefusedWithIstiosText(string policy, string text, string path)
    {
        RuleReadResult result = policy == "{}" ? RuleText.Destination("host: a\ntrafficPolicy: {}") : RuleText.Policy(policy);

        Assert.Null(result.Document);
        Assert.Contains(result.Errors(), e => e.Message.Contains(text, StringComparison.Ordinal) && e.Path == path && e.Line > 0);
    }

    [Theory]
    [InlineData("host: a\nsubsets: [{name: v1}, {name: v1}]", "duplicate subset names: v1")]
    [InlineData("host: a\nsubsets: [{labels: {a: b}}]", "subset name cannot be empty")]
    [InlineData("host: a\nsubsets: [{name: \"\"}]", "subset name cannot be empty")]
    [InlineData("host: a\nsubsets: [{name: v_1}]", "subset name is invalid: v_1")]
    [InlineData("host: \"\"", "empty domain name not allowed")]
    [InlineData("host: a_b.c", "domain name \"a_b.c\" invalid (label \"a_b\" invalid)")]
    [InlineData("host: a.*", "domain name \"a.*\" invalid (label \"*\" invalid)")]
    [InlineData("host: a.123", "top level domain \"123\" cannot be all-numeric")]
    [InlineData("host: a\nexportTo: [b, b]", "duplicate entries in exportTo")]
    [InlineData("host: a\nexportTo: [b, \"*\"]", "cannot have both public (*) and non-public exportTo values")]
    [InlineData("host: a\nexportTo: [\"*\"]\nworkloadSelector: {matchLabels: {a: b}}", "cannot have exportTo beyond current namespace")]
    [InlineData("host: a\nexportTo: [\".\", b]\nworkloadSelector: {matchLabels: {a: b}}", "cannot have multiple entries in exportTo")]
    [InlineData("subsets: []", "host is required")]
    public void Rule_BreaksRule_IsRefusedWithIstiosText(string spec, string text)
    {
        RuleReadResult result = RuleText.Destination(spec);

        Assert.Null(result.Document);
        Assert.Contains(result.Errors(), e => e.Message.Contains(text, StringComparison.Ordinal));
    }

    [Fact]
    public void Host_LongerThan255_IsRefused() =>
        Assert.Contains("too long (max 255)", Assert.Single(RuleText.Destination("host: " + new string('a', 256)).Errors()).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("*")]
    [InlineData("*.foo.com")]
    [InlineData("*-x.foo.com")]
    [InlineData("reviews.prod.svc.cluster.local")]
    [InlineData("a.example.com.")]
    public void Host_Legal_IsAccepted(string host) => Assert.Empty(RuleText.Destination($"host: \"{host}\"").Errors());

    [Theory]
    [InlineData("outlierDetection: {consecutiveErrors: 5, maxEjectionPercent: 100}", DiagnosticCode.Deprecated, "consecutive5xxErrors")]
    [InlineData("outlierDetection: {}", DiagnosticCode.Advice, "fewer than 10 endpoints")]
    [InlineData("loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}", DiagnosticCode.Advice, "outlier detection policy must be provided for failover")]
    [InlineData("connectionPool: {http: {h2UpgradePolicy: UPGRADE}}", DiagnosticCode.NotEnforced, "accepted but not enforced yet")]
    [InlineData("connectionPool: {http: {useClientProtocol: true}}", DiagnosticCode.NotEnforced, "accepted but not enforced yet")]
    [InlineData("connectionPool: {http: {maxConcurrentStreams: 1}}", DiagnosticCode.NotEnforced, "accepted but not enforced yet")]
    [InlineData("connectionPool: {http: {http2KeepAlive: {interval: 1s, timeout: 1s}}}", DiagnosticCode.NotEnforced, "accepted but not enforced yet")]
    [InlineData("loadBalancer: {warmupDurationSecs: 10s}", DiagnosticCode.Deprecated, "write warmup with its duration")]
    [InlineData("tls: {mode: ISTIO_MUTUAL}", DiagnosticCode.NotEnforced, "accepted but not enforced yet")]
    [InlineData("tls: {mode: SIMPLE, credentialName: c}", DiagnosticCode.Advice, "write a workloadSelector, or paths")]
    public void Policy_LegalButSurprising_IsAcceptedWithWarning(string policy, DiagnosticCode code, string text)
    {
        RuleReadResult result = RuleText.Policy(policy);

        Assert.NotNull(result.Document);
        Assert.Contains(result.Diagnostics, d => d.Severity == Severity.Warning && d.Code == code && d.Message.Contains(text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("tls: {mode: DISABLE}")]
    [InlineData("tls: {mode: SIMPLE, caCertificates: /ca.pem, caCrl: /crl.pem, sni: a.b, subjectAltNames: [a.b]}")]
    [InlineData("tls: {mode: MUTUAL, clientCertificate: /c.pem, privateKey: /k.pem}")]
    [InlineData("tunnel: {targetHost: a.b, targetPort: 1}")]
    [InlineData("proxyProtocol: {version: V2}")]
    [InlineData("loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {enabled: false}}")]
    [InlineData("loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 0s, path: /a, attributes: [{name: SameSite, value: Lax}]}, maglev: {tableSize: 251}}}")]
    [InlineData("loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 64}}}")]
    [InlineData("loadBalancer: {zoneAwareLbSetting: {enabled: true, minClusterSize: 3}}")]
    [InlineData("loadBalancer: {warmup: {duration: 10s, minimumPercent: 20, aggression: 2}}")]
    [InlineData("loadBalancer: {localityLbSetting: {distribute: [{from: a/b, to: {c: 100}}]}}")]
    [InlineData("connectionPool: {tcp: {maxConnections: 1, connectTimeout: 1s, tcpKeepalive: {}, maxConnectionDuration: 1m, idleTimeout: 0s}}")]
    [InlineData("connectionPool: {http: {http1MaxPendingRequests: 1, http2MaxRequests: 1, maxRequestsPerConnection: 1, maxRetries: 3, idleTimeout: 1h, h2UpgradePolicy: DEFAULT}}")]
    [InlineData("outlierDetection: {consecutive5xxErrors: 5, consecutiveGatewayErrors: 0, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 100, minHealthPercent: 0}")]
    [InlineData("retryBudget: {percent: 20, minRetryConcurrency: 1, budgetInterval: 10s}")]
    public void Policy_Enforced_IsAcceptedSilently(string policy) => Assert.Empty(RuleText.Policy(policy).Diagnostics);
}
