using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

/// <summary>What is said of a Sidecar and of a WorkloadEntry by itself.</summary>
public sealed class SidecarMessagesTests
{
    private const string Port = "port: {number: 80, protocol: HTTP, name: http}";

    [Theory]
    [InlineData("{}", "empty configuration provided")]
    [InlineData("{workloadSelector: {labels: {a: 'b*'}}, egress: [{hosts: ['./*']}]}", "wildcard is not supported in selector: \"a=b*\"")]
    [InlineData("{egress: [{hosts: []}]}", "egress listener must contain at least one host")]
    [InlineData("{egress: [{" + Port + "}]}", "egress listener must contain at least one host")]
    [InlineData("{egress: [{hosts: [reviews]}]}", "\"reviews\" is not of the form namespace/dnsName; write for example \"./reviews\"")]
    [InlineData("{egress: [{hosts: ['A/*']}]}", "invalid namespace value \"A\"")]
    [InlineData("{egress: [{hosts: ['a/b_c']}]}", "label \"b_c\" invalid")]
    [InlineData("{egress: [{hosts: ['./*']}, {" + Port + ", hosts: ['./*']}]}", "the egress listener with empty port should be the last listener in the list")]
    [InlineData("{egress: [{" + Port + ", hosts: ['./*']}, {" + Port + ", hosts: ['./*']}]}", "must be unique, 80 is there twice")]
    [InlineData("{egress: [{hosts: ['./*'], bind: 127.0.0.1}]}", "bind needs a port")]
    [InlineData("{egress: [{" + Port + ", hosts: ['./*'], bind: localhost}]}", "bind must be an IP address or unix://filepath, was \"localhost\"")]
    [InlineData("{ingress: [{defaultEndpoint: '127.0.0.1:80'}]}", "port is required for ingress listeners")]
    [InlineData("{ingress: [{" + Port + "}, {" + Port + "}]}", "must be unique, 80 is there twice")]
    [InlineData("{ingress: [{" + Port + ", defaultEndpoint: '10.0.0.1:80'}]}", "defaultEndpoint must be of form 127.0.0.1:<port>")]
    [InlineData("{ingress: [{" + Port + ", defaultEndpoint: '127.0.0.1'}]}", "was \"127.0.0.1\"")]
    [InlineData("{outboundTrafficPolicy: {mode: REGISTRY}}", "write one of REGISTRY_ONLY, ALLOW_ANY")]
    public void Sidecar_BreaksRule_IsRefused(string spec, string text)
    {
        RuleReadResult result = RuleText.Read(RuleText.Document("Sidecar", spec));

        Assert.Null(result.Document);
        Assert.Contains(result.Errors(), e => e.Message.Contains(text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{workloadSelector: {}, egress: [{hosts: ['./*']}]}", "spec.workloadSelector", "selects-all")]
    [InlineData("{outboundTrafficPolicy: {}}", "spec.outboundTrafficPolicy", "registry-only-by-default")]
    [InlineData("{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a}}}", "spec.outboundTrafficPolicy.egressProxy", null)]
    [InlineData("{ingress: [{" + Port + ", defaultEndpoint: 'unix:///run/app.sock'}]}", "spec.ingress[0].defaultEndpoint", null)]
    [InlineData("{ingress: [{" + Port + ", tls: {mode: SIMPLE, credentialName: x}}]}", "spec.ingress[0].tls", null)]
    [InlineData("{ingress: [{" + Port + ", bind: 0.0.0.0}]}", "spec.ingress[0].bind", null)]
    [InlineData("{egress: [{" + Port + ", hosts: ['./*'], captureMode: NONE}]}", "spec.egress[0].captureMode", null)]
    [InlineData("{egress: [{" + Port + ", hosts: ['./*'], bind: 'unix:///run/x'}]}", "spec.egress[0].bind", null)]
    [InlineData("{egress: [{" + Port + ", hosts: ['./*'], bind: 127.0.0.1}]}", "spec.egress[0].bind", null)]
    [InlineData("{egress: [{hosts: ['./*', './*']}]}", "spec.egress[0].hosts[1]", null)]
    public void Sidecar_LegalButSurprising_IsAcceptedWithWarning(string spec, string path, string? check)
    {
        RuleReadResult result = RuleText.Read(RuleText.Document("Sidecar", spec));

        Assert.NotNull(result.Document);
        Diagnostic only = Assert.Single(result.Diagnostics);
        Assert.Equal((Severity.Warning, path, check), (only.Severity, only.Path, only.Check));
    }

    [Fact]
    public void Sidecar_OfTheDocumentation_IsAcceptedWithoutAWord() => Assert.Empty(RuleText.Read(RuleText.Document(
        "Sidecar",
        """
        workloadSelector: {labels: {app: ratings}}
        ingress:
        - port: {number: 9080, protocol: HTTP, name: somename}
          defaultEndpoint: 127.0.0.1:8080
        egress:
        - port: {number: 3306, protocol: TCP, name: egressmysql}
          bind: 127.0.0.1
          captureMode: DEFAULT
          hosts: ["*/mysql.foo.com"]
        - hosts: ["./*", "istio-system/*"]
        outboundTrafficPolicy: {mode: REGISTRY_ONLY}
        """)).Diagnostics);

    [Fact]
    public void TwoSidecarsForTheSameWorkloads_TheYoungerIsTold()
    {
        RuleDocument[] rules = [.. ((string[])["a", "b"]).Select(static n => RuleText.Read(RuleText.Document("Sidecar", "egress: [{hosts: ['./*']}]").Replace("name: x", "name: " + n, StringComparison.Ordinal)).Document!)];

        Assert.Empty(RuleSetCheck.Check(rules[0], rules));
        Assert.Contains("never counts: the older Sidecar 'a'", Assert.Single(RuleSetCheck.Check(rules[1], rules)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "address is required")]
    [InlineData("{address: 'a_b'}", "neither an IP address nor a name")]
    [InlineData("{address: 'unix://x'}", "must be an absolute path")]
    [InlineData("{address: 'unix:///x', ports: {a: 1}}", "unix socket endpoint cannot have ports")]
    [InlineData("{address: 1.1.1.1, ports: {a: 0}}", "1..65535")]
    [InlineData("{address: 1.1.1.1, labels: {'a b': c}}", "invalid tag key: \"a b\"")]
    [InlineData("{address: 1.1.1.1, labels: {a: 'c d'}}", "invalid tag value: \"c d\"")]
    [InlineData("{address: 1.1.1.1, weight: -1}", "weight")]
    public void Workload_BreaksRule_IsRefused(string spec, string text)
    {
        RuleReadResult result = RuleText.Read(RuleText.Document("WorkloadEntry", spec));

        Assert.Null(result.Document);
        Assert.Contains(result.Errors(), e => e.ToString().Contains(text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{address: 1.1.1.1, labels: {app: a, 'x.io/y': ''}, weight: 2, locality: a/b/c}", null)]
    [InlineData("{address: vm.example}", null)]
    [InlineData("{network: vpc}", "spec.network,spec.address")]
    [InlineData("{address: 'unix:///x'}", "spec.address")]
    [InlineData("{address: 1.1.1.1, serviceAccount: a}", "spec.serviceAccount")]
    public void Workload_Legal_IsAccepted(string spec, string? warned)
    {
        RuleReadResult result = RuleText.Read(RuleText.Document("WorkloadEntry", spec));

        Assert.NotNull(result.Document);
        Assert.Equal(warned ?? "", string.Join(',', result.Diagnostics.Select(static d => d.Path)));
    }
}
