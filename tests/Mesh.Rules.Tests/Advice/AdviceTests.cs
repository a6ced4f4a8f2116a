using System.Collections.Immutable;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Tests;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Advice;

/// <summary>Each check with a rule that it is about and one that it must leave alone.</summary>
public sealed class AdviceTests
{
    private const string External = """
        hosts: [pay.example.com]
        resolution: STATIC
        ports: [{number: 443, name: api, protocol: GRPC}]
        endpoints: [{address: 192.0.2.1, locality: a/b/c}, {address: 192.0.2.2, locality: a/b/d}]
        """;

    [Theory]
    [InlineData("detector-off", "consecutive5xxErrors: 0", "consecutive5xxErrors", "write consecutive5xxErrors: 5")]
    [InlineData("detector-off", "consecutive5xxErrors: 0\n  splitExternalLocalOriginErrors: true", null, "")]
    [InlineData("detector-off", "consecutive5xxErrors: 0\n  consecutiveGatewayErrors: 3", null, "")]
    [InlineData("gateway-errors-unseen", "consecutiveGatewayErrors: 5", "consecutiveGatewayErrors", "write less than 5, or consecutive5xxErrors: 0")]
    [InlineData("gateway-errors-unseen", "consecutiveGatewayErrors: 9\n  consecutive5xxErrors: 7", "consecutiveGatewayErrors", "write less than 7")]
    [InlineData("gateway-errors-unseen", "consecutiveGatewayErrors: 4", null, "")]
    [InlineData("gateway-errors-unseen", "consecutiveGatewayErrors: 4\n  consecutive5xxErrors: 0", null, "")]
    public void OutlierDetection_ThatSeesNothing_IsAdvised(string check, string outlier, string? field, string message) =>
        AssertSingle(
            check, field is null ? null : "spec.trafficPolicy.outlierDetection." + field, message,
            RuleText.Policy($"outlierDetection:\n  maxEjectionPercent: 100\n  {outlier}").Diagnostics);

    [Theory]
    [InlineData("many-retries", "retries: {attempts: 4}", "retries.attempts", "up to 5 requests for one, and 3 layers that do so 125 to the last")]
    [InlineData("many-retries", "retries: {attempts: 2147483647}", "retries.attempts", "up to 2147483648 requests")]
    [InlineData("many-retries", "retries: {attempts: 3}", null, "")]
    [InlineData("timeout-cuts-retries", "timeout: 5s\nretries: {attempts: 2, perTryTimeout: 2s}", "retries.perTryTimeout", "write timeout: 6s")]
    [InlineData("timeout-cuts-retries", "timeout: 6s\nretries: {attempts: 2, perTryTimeout: 2s}", null, "")]
    [InlineData("timeout-cuts-retries", "timeout: 87600000h\nretries: {attempts: 2147483647, perTryTimeout: 87599999h}", "retries.perTryTimeout", "or fewer attempts")]
    [InlineData("per-try-ignored", "timeout: 1500ms\nretries: {attempts: 1, perTryTimeout: 2s}", "retries.perTryTimeout", "2s is not below the route's timeout of 1s500ms")]
    public void Retries_ThatMultiplyOrHaveNoTime_AreAdvised(string check, string fields, string? field, string message)
    {
        string spec = "hosts: [a]\nhttp:\n- route: [{destination: {host: a}}]\n  " + fields.Replace("\n", "\n  ", StringComparison.Ordinal);

        AssertSingle(check, field is null ? null : "spec.http[0]." + field, message, RuleText.Read(RuleText.Document("VirtualService", spec)).Diagnostics);
    }

    [Theory]
    [InlineData("long-connect-timeout", "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 6s}}}", "spec.trafficPolicy.connectionPool.tcp.connectTimeout", "6s is long")]
    [InlineData("long-connect-timeout", "host: '*.example.com'\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}", "spec.trafficPolicy.connectionPool.tcp.connectTimeout", "unset, which is 10s, is long")]
    [InlineData("long-connect-timeout", "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 5s}}}", null, "")]
    [InlineData("long-connect-timeout", "host: products\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 6s}}}", null, "")]
    [InlineData("grpc-tcp-limit", "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}}", "spec.trafficPolicy.connectionPool.tcp.maxConnections", "http2MaxRequests")]
    [InlineData("grpc-tcp-limit", "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 5}, http: {http2MaxRequests: 9}}}", null, "")]
    [InlineData("never-ejects", "host: pay.example.com\ntrafficPolicy: {outlierDetection: {maxEjectionPercent: 49}}", "spec.trafficPolicy.outlierDetection.maxEjectionPercent", "write 50 or more")]
    [InlineData("never-ejects", "host: pay.example.com\ntrafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}", null, "")]
    [InlineData("zone-affinity", "host: pay.example.com\ntrafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}", "spec.trafficPolicy.outlierDetection", "enabled: false")]
    [InlineData("zone-affinity", "host: pay.example.com\ntrafficPolicy: {outlierDetection: {maxEjectionPercent: 50}, loadBalancer: {localityLbSetting: {enabled: true}}}", null, "")]
    [InlineData("dotted-host", "host: reviews.prod", "spec.host", "write reviews.prod.svc.cluster.local")]
    [InlineData("dotted-host", "host: reviews.prod.svc", "spec.host", "write reviews.prod.svc.cluster.local")]
    [InlineData("dotted-host", "host: '*.com'", null, "")]
    [InlineData("dotted-host", "host: reviews.prod.svc.cluster.local", null, "")]
    public void DestinationRule_AmongServiceEntries_IsAdvised(string check, string spec, string? path, string message) =>
        AssertSingle(check, path, message, Among(Document("DestinationRule", spec, "dr")));

    [Theory]
    [InlineData("host: a.test\nper: endpoint", "host: a.test\ntrafficPolicy: {outlierDetection: {}}", "spec.trafficPolicy.outlierDetection")]
    [InlineData("host: '*.test'\nper: endpoint", "host: a.test\nsubsets: [{name: v1}, {name: v2, trafficPolicy: {outlierDetection: {}}}]", "spec.subsets[1].trafficPolicy.outlierDetection")]
    [InlineData("host: a.test\nper: endpoint", "host: '*.test'\ntrafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}", "spec.trafficPolicy.portLevelSettings[0].outlierDetection")]
    [InlineData("host: a.test\nper: endpoint", "host: b.test\ntrafficPolicy: {outlierDetection: {}}", null)]
    [InlineData("host: a.test\nper: endpoint", "host: a.test\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}", null)]
    [InlineData("host: a.test\nper: endpoint\nmode: shadow", "host: a.test\ntrafficPolicy: {outlierDetection: {}}", null)]
    [InlineData("host: a.test\nper: host", "host: a.test\ntrafficPolicy: {outlierDetection: {}}", null)]
    public void BreakerForEachEndpoint_BesideOutlierDetection_IsSaidToBoth(string breaker, string destination, string? path)
    {
        RuleDocument cb = RuleText.Read(RuleText.Document("CircuitBreaker", breaker).Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal)).Document!;
        RuleDocument dr = Document("DestinationRule", destination, "dr");

        AssertSingle("ejection-replaced", path, "which has a breaker for each endpoint in its place", RuleSetCheck.Check(dr, [dr, cb]));
        AssertSingle("ejection-replaced", path is null ? null : "spec.per", "outlierDetection of DestinationRule default/dr ejects nobody there any more", RuleSetCheck.Check(cb, [cb, dr]));
    }

    [Theory]
    [InlineData("pay.example.com", "name: r", "spec.http[0].timeout", "'pay.example.com' is outside the mesh")]
    [InlineData("pay.example.com", "timeout: 9s", null, "")]
    [InlineData("products", "name: r", null, "")]
    public void Route_ToExternalHostWithoutTimeout_IsAdvised(string host, string field, string? path, string message) =>
        AssertSingle("no-timeout", path, message, Among(Document("VirtualService", $"hosts: [{host}]\nhttp:\n- route: [{{destination: {{host: {host}}}}}]\n  {field}", "vs")));

    [Theory]
    [InlineData(5, "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s, maxConnections: 20}}}", "spec.trafficPolicy.connectionPool.tcp.maxConnections", "5 sidecars × 20 = 100 connections, and 'pay.example.com' takes 80 of all callers together; write 16 or less")]
    [InlineData(4, "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s, maxConnections: 20}}}", null, "")]
    [InlineData(1, "host: '*.example.com'\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s, maxConnections: 81}}}", "spec.trafficPolicy.connectionPool.tcp.maxConnections", "1 sidecar × 81 = 81")]
    [InlineData(5, "host: pay.example.com", "spec.trafficPolicy.connectionPool.tcp.maxConnections", "unset, so nothing limits the connections to 'pay.example.com'")]
    [InlineData(81, "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}", "spec.trafficPolicy.connectionPool.tcp.maxConnections", "even one for each is too much")]
    [InlineData(5, "host: products\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 20}}}", null, "")]
    public void Limit_TimesSidecarsAboveThePartnersMaximum_IsAdvised(int sidecars, string spec, string? path, string message)
    {
        RuleDocument entry = Document("ServiceEntry", External, "se") with { Annotations = Annotations((PartnerMaximum.MaxConnections, "80")) };
        RuleDocument rule = Document("DestinationRule", spec, "dr");

        AssertSingle("partner-maximum", path, message, RuleSetCheck.Check(rule, [entry, rule], sidecars));
    }

    [Theory]
    [InlineData(5, 80, null, "")]
    [InlineData(5, 81, "spec.meshLimits.maxConnections", "81 is more than 'pay.example.com' takes of all callers together; write 80 or less")]
    [InlineData(31, 30, "spec.meshLimits.maxConnections", "31 sidecars are more than 30")]
    public void MeshLimit_TakesTheLimitOfEachOutOfTheAccount(int sidecars, int limit, string? path, string message)
    {
        RuleDocument entry = Document("ServiceEntry", External, "se") with { Annotations = Annotations((PartnerMaximum.MaxConnections, "80")) };
        RuleDocument rule = Document("DestinationRule", "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s, maxConnections: 20}}}", "dr");
        RuleDocument policy = RuleText.Read(RuleText.Document("ResiliencePolicy", $"host: pay.example.com\nmeshLimits: {{maxConnections: {limit}}}")
            .Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal)).Document!;

        AssertSingle("partner-maximum", null, "", RuleSetCheck.Check(rule, [entry, rule, policy], sidecars));
        AssertSingle("partner-maximum", path, message, RuleSetCheck.Check(policy, [entry, rule, policy], sidecars));
    }

    [Theory]
    [InlineData("meshLimits: {maxConnections: 80}", "spec.meshLimits.maxConnections", "2 ports × 80 = 160 connections, and 'pay.example.com' takes 80 of all callers together; write 40 or less")]
    [InlineData("meshLimits: {maxConnections: 40}", null, "")]
    [InlineData("port: 443\nmeshLimits: {maxConnections: 80}", null, "")]
    public void MeshLimit_IsOfEachPort(string spec, string? path, string message)
    {
        RuleDocument entry = Document("ServiceEntry", External.Replace("ports: [", "ports: [{number: 8443, name: old, protocol: HTTP}, ", StringComparison.Ordinal), "se") with { Annotations = Annotations((PartnerMaximum.MaxConnections, "80")) };
        RuleDocument policy = Policy(spec);

        AssertSingle("partner-maximum", path, message, RuleSetCheck.Check(policy, [entry, policy], 5));
    }

    [Fact]
    public void MeshLimit_InShadowMode_LimitsNothing()
    {
        RuleDocument entry = Document("ServiceEntry", External, "se") with { Annotations = Annotations((PartnerMaximum.MaxConnections, "80")) };
        RuleDocument rule = Document("DestinationRule", "host: pay.example.com\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s, maxConnections: 20}}}", "dr");
        RuleDocument policy = Policy("mode: shadow\nmeshLimits: {maxConnections: 99}");

        AssertSingle("partner-maximum", "spec.trafficPolicy.connectionPool.tcp.maxConnections", "5 sidecars × 20 = 100", RuleSetCheck.Check(rule, [entry, rule, policy], 5));
        AssertSingle("partner-maximum", null, "", RuleSetCheck.Check(policy, [entry, rule, policy], 5));
    }

    [Fact]
    public void Limit_OfAPort_AndACountFromTheEntry_AreAdvised()
    {
        RuleDocument entry = Document("ServiceEntry", External, "se") with { Annotations = Annotations((PartnerMaximum.MaxConnections, "80"), (PartnerMaximum.Sidecars, "9")) };
        RuleDocument rule = Document(
            "DestinationRule", "host: pay.example.com\ntrafficPolicy:\n  connectionPool: {tcp: {maxConnections: 8}}\n  portLevelSettings: [{port: {number: 443}, connectionPool: {tcp: {maxConnections: 10}}}]", "dr");

        AssertSingle("partner-maximum", "spec.trafficPolicy.portLevelSettings[0].connectionPool.tcp.maxConnections", "9 sidecars × 10 = 90", RuleSetCheck.Check(rule, [entry, rule]));
    }

    [Fact]
    public void Maximum_ThatIsNoNumber_IsAdvised()
    {
        RuleDocument entry = RuleText.Read(RuleText.Document("ServiceEntry", External)
            .Replace("name: x", $"name: x\n  annotations: {{{PartnerMaximum.MaxConnections}: many}}", StringComparison.Ordinal)).Document!;

        AssertSingle("partner-maximum", $"metadata.annotations.{PartnerMaximum.MaxConnections}", "'many' is no number of 1 or more", RuleSetCheck.Check(entry, [entry]));
    }

    [Fact]
    public void ServiceEntry_InsideTheMesh_IsNoExternalHost()
    {
        RuleDocument inside = Document("ServiceEntry", External + "\nlocation: MESH_INTERNAL", "se");
        RuleDocument rule = Document("DestinationRule", "host: pay.example.com\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}", "dr");

        Assert.Empty(RuleSetCheck.Check(rule, [inside, rule]));
    }

    [Fact]
    public void Advice_InTheSet_IsThatOfSingleRules()
    {
        RuleDocument entry = Document("ServiceEntry", External, "se");
        RuleDocument rule = Document("DestinationRule", "host: pay.example.com\ntrafficPolicy: {outlierDetection: {maxEjectionPercent: 1}}", "dr");

        (RuleDocument about, Diagnostic finding) = Assert.Single(RuleSet.Create([entry, rule]).Advice.Value, a => a.Rule == rule); // endpoints are for the compiler, which knows the real ones
        Assert.Equal((rule, "long-connect-timeout"), (about, finding.Check));
    }

    [Theory]
    [InlineData("hosts: [partner]", "spec.hosts[0]", "write partner.default.svc.cluster.local, or a name with a dot such as partner.example")]
    [InlineData("hosts: [partner.example]", null, "")]
    [InlineData("hosts: ['*.example']", null, "")]
    public void ServiceEntry_WithAShortHost_IsAdvised(string hosts, string? path, string message)
    {
        RuleDocument entry = Document("ServiceEntry", hosts + "\nresolution: DNS\nendpoints: [{address: a.test}]\nports: [{number: 80, name: a, protocol: HTTP}]", "se");

        AssertSingle("short-host", path, message, RuleSetCheck.Check(entry, [entry]));
        Assert.Equal(path is null ? 0 : 1, RuleSet.Create([entry]).Advice.Value.Count(static a => a.Finding.Check == "short-host")); // the status has it too
    }

    [Theory]
    [InlineData("HTTP", "", null, "spec.hosts[0]")]
    [InlineData("TLS", "", null, null)]
    [InlineData("HTTP", "location: MESH_INTERNAL", null, null)]
    [InlineData("HTTP", "", "pay.example.com", null)]
    [InlineData("HTTP", "", "'*.example.com'", null)]
    [InlineData("HTTP", "", "other.example.com", "spec.hosts[0]")]
    public void ExternalHostWithoutAnyRoute_IsAdvised(string protocol, string more, string? routed, string? path)
    {
        RuleDocument entry = Document("ServiceEntry", $"hosts: [pay.example.com]\nresolution: DNS\nports: [{{number: 80, name: a, protocol: {protocol}}}]\n{more}", "se");
        RuleDocument[] routes = routed is null ? [] : [Document("VirtualService", $"hosts: [{routed}]\nhttp: [{{directResponse: {{status: 404}}}}]", "vs")];

        AssertSingle("no-timeout", path, "no VirtualService gives it a timeout", RuleSetCheck.Check(entry, [entry, .. routes]));
    }

    [Fact]
    public void RoutesToOneExternalHost_AreAdvisedOnce() => AssertSingle(
        "no-timeout", "spec.http[1].timeout", "pay.example.com",
        Among(Document("VirtualService", """
            hosts: [a]
            http:
            - {match: [{uri: {prefix: /0}}], timeout: 1s, route: [{destination: {host: pay.example.com}}]}
            - {match: [{uri: {prefix: /1}}], route: [{destination: {host: pay.example.com}}]}
            - {route: [{destination: {host: pay.example.com}}]}
            """, "vs")));

    [Theory]
    [InlineData("route: slwo", "unknown-route", "spec.route", "did you mean \"slow\"?")]
    [InlineData("route: slow", "unknown-route", null, "")]
    [InlineData("route: outer-inner", "unknown-route", null, "")]
    [InlineData("route: inner", "unknown-route", "spec.route", "waits for one")]
    [InlineData("route: elsewhere", "unknown-route", "spec.route", "waits for one")]
    [InlineData("subset: v2", "unknown-subset", "spec.subset", "no DestinationRule for 'a.default.svc.cluster.local' defines subset 'v2'")]
    [InlineData("subset: v1", "unknown-subset", null, "")]
    public void ResiliencePolicy_ForWhatNoRuleDefines_IsAdvised(string field, string check, string? path, string message)
    {
        RuleDocument[] rules =
        [
            Document("DestinationRule", "host: a\nsubsets: [{name: v1, labels: {version: v1}}]", "dr"),
            Document("VirtualService", "hosts: [a]\nhttp: [{name: slow, match: [{uri: {prefix: /s}}], route: [{destination: {host: a}}]}, {name: outer, match: [{uri: {prefix: /d}}], delegate: {name: d}}, {name: elsewhere, route: [{destination: {host: b}}]}]", "vs"),
            Document("VirtualService", "http: [{name: inner, route: [{destination: {host: a}}]}]", "d"),
        ];
        RuleDocument policy = RuleText.Read(
            RuleText.Document("ResiliencePolicy", $"host: a\nretries: {{attempts: 1}}\n{field}").Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal)).Document!;

        AssertSingle(check, path, message, RuleSetCheck.Check(policy, [.. rules, policy]));
        ProxyIdentity client = new("default", "me", 80, "", ImmutableSortedDictionary<string, string>.Empty);
        CompileResult status = new SnapshotCompiler().Compile(client, new MeshView { Rules = ((RuleDocument[])[.. rules, policy]).ToImmutableDictionary(static r => r.Key) }, "1");
        AssertSingle(check, path, message, [.. status.Diagnostics.Where(d => d.Rule == policy.Key).Select(static d => d.Finding)]);
    }

    [Theory]
    [InlineData("v9", "spec.subsets[0].labels")]
    [InlineData("v1", null)]
    public void Subset_ThatFitsNoListedEndpoint_IsAdvised(string version, string? path)
    {
        RuleDocument entry = Document("ServiceEntry", "hosts: [pay.example.com]\nresolution: STATIC\nports: [{number: 80, name: a, protocol: HTTP}]\nendpoints: [{address: 192.0.2.1, labels: {version: v1}}]", "se");
        RuleDocument rule = Document("DestinationRule", $"host: pay.example.com\nsubsets: [{{name: s, labels: {{version: {version}}}}}]", "dr");

        AssertSingle("subset-empty", path, $"has version: {version}; what is sent to subset 's' is answered 503", RuleSetCheck.Check(rule, [entry, rule]));
    }

    [Theory]
    [InlineData("DestinationRule", "host: a\ntrafficPolicy: {loadBalancer: {simple: ROUNDROBIN}}")]
    [InlineData("DestinationRule", "host: a\ntrafficPolicy: {outlierDetection: {maxEjectionPercent: half}}")]
    [InlineData("DestinationRule", "host: a\ntrafficPolicy: {connectionPool: {http: {h2UpgradePolicy: YES}}}")]
    [InlineData("VirtualService", "hosts: [a]\nhttp: [{fault: {abort: {httpStatus: 700, percentage: {value: 1}}}, route: [{destination: {host: a}}]}]")]
    [InlineData("VirtualService", "hosts: [a]\nhttp: [{fault: {abort: {httpStatus: 500, percentage: {value: 101}}}, route: [{destination: {host: a}}]}]")]
    [InlineData("VirtualService", "hosts: [a]\nhttp: [{route: [{destination: {host: a}, weight: -5}, {destination: {host: b}}]}]")]
    [InlineData("ServiceEntry", "hosts: [a.b]\nresolution: STATIK\nendpoints: [{address: 10.0.0.1}]")]
    public void OneMistake_IsOneFinding(string kind, string spec) =>
        Assert.Equal(Severity.Error, Assert.Single(RuleText.Read(RuleText.Document(kind, spec)).Diagnostics).Severity);

    [Fact]
    public void Messages_ArePlainAscii_SinceAHeaderCarriesThem() => Assert.All(
        RuleText.Virtual("hosts: [a]\nhttp: [{headers: {request: {set: {x: '%START_TIME%'}}}, route: [{destination: {host: a}}]}]").Diagnostics,
        static d => Assert.True(d.Code == DiagnosticCode.NotEnforced && d.Message.All(char.IsAscii), d.Message));

    private static ImmutableSortedDictionary<string, string> Annotations(params (string Name, string Value)[] all) =>
        all.ToImmutableSortedDictionary(static a => a.Name, static a => a.Value);

    private static RuleDocument Policy(string spec) => RuleText.Read(RuleText.Document("ResiliencePolicy", "host: pay.example.com\n" + spec)
        .Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal)).Document!;

    private static ImmutableArray<Diagnostic> Among(RuleDocument rule) => RuleSetCheck.Check(rule, [Document("ServiceEntry", External, "se"), rule]);

    private static RuleDocument Document(string kind, string spec, string name)
    {
        RuleReadResult read = RuleText.Read(RuleText.Document(kind, spec).Replace("name: x", "name: " + name, StringComparison.Ordinal));
        return read.Document ?? throw new Xunit.Sdk.XunitException(string.Join("\n", read.Diagnostics));
    }

    private static void AssertSingle(string check, string? path, string message, ImmutableArray<Diagnostic> found)
    {
        Diagnostic[] mine = [.. found.Where(d => d.Check == check)];
        if (path is null)
        {
            Assert.Empty(mine);
            return;
        }

        Diagnostic only = Assert.Single(mine);
        Assert.Equal((Severity.Warning, path), (only.Severity, only.Path));
        Assert.Contains(message, only.Message, StringComparison.Ordinal);
    }
}
