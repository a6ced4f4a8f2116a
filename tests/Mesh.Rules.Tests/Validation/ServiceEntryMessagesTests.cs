using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

public sealed class ServiceEntryMessagesTests
{
    [Theory]
    [InlineData("resolution: STATIC", "service entry must have at least one host")]
    [InlineData("hosts: []", "service entry must have at least one host")]
    [InlineData("hosts: [\"*\"]", "invalid host *")]
    [InlineData("hosts: [a.b]\nports: [{number: 1, name: a}, {number: 1, name: b}]", "service entry port 1 already defined")]
    [InlineData("hosts: [a.b]\nports: [{number: 1, name: a}, {number: 2, name: a}]", "service entry port name \"a\" already defined")]
    [InlineData("hosts: [a.b]\nports: [{number: 0, name: a}]", "1..65535")]
    [InlineData("hosts: [a.b]\nports: [{number: 1, name: a, protocol: HTPT}]", "did you mean \"HTTP\"?")]
    [InlineData("hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: 1.1.1.1}]\nworkloadSelector: {labels: {a: b}}", "only one of WorkloadSelector or Endpoints")]
    [InlineData("hosts: [a.b]\nendpoints: [{address: 1.1.1.1}]", "no endpoints should be provided for resolution type NONE")]
    [InlineData("hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: x.y}]", "\"x.y\" is no IP address")]
    [InlineData("hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: 1.1.1.1, ports: {web: 80}}]", "endpoint port web is not defined by the service entry")]
    [InlineData("hosts: [a.b]\nresolution: DNS_ROUND_ROBIN\nendpoints: [{address: a}, {address: b}]", "0 or 1 endpoint")]
    [InlineData("hosts: [a.b]\nresolution: DNS\nendpoints: [{address: \"a_b.c\"}]", "\"a_b.c\" is not a name that can be resolved")]
    [InlineData("hosts: [\"*.a.b\"]\nresolution: DNS", "hosts must be FQDN if no endpoints are provided for resolution mode DNS")]
    [InlineData("hosts: [a.b]\nresolution: DNS\naddresses: [10.0.0.0/8]", "CIDR addresses are allowed only for NONE/STATIC resolution types")]
    [InlineData("hosts: [a.b]\nresolution: DYNAMIC_DNS", "DYNAMIC_DNS is for wildcard hosts, such as *.example.com; write resolution: DNS for \"a.b\"")]
    [InlineData("hosts: [\"*.a.b\"]\nresolution: DYNAMIC_DNS\nports: [{number: 1, name: a, protocol: TCP}]", "needs a protocol that names the host")]
    [InlineData("hosts: [a.b]\naddresses: [x]", "neither an IP address nor a CIDR block")]
    public void Entry_BreaksRule_IsRefused(string spec, string text)
    {
        RuleReadResult result = RuleText.Entry(spec);

        Assert.Null(result.Document);
        Assert.Contains(result.Errors(), e => e.Message.Contains(text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("hosts: [a.b]", "spec.resolution", DiagnosticCode.Advice)]
    [InlineData("hosts: [a.b]\nresolution: STATIC\nlocation: MESH_INTERNAL", "spec.location", DiagnosticCode.NotEnforced)]
    [InlineData("hosts: [a.b]\nresolution: STATIC\nworkloadSelector: {labels: {}}", "spec.workloadSelector", DiagnosticCode.Advice)]
    [InlineData("hosts: [a.b]\nresolution: NONE\nworkloadSelector: {labels: {a: b}}", "spec.workloadSelector", DiagnosticCode.Advice)]
    [InlineData("hosts: [a.b]\nresolution: STATIC\nports: [{number: 1, name: a, protocol: TCP}]", "spec.ports[0]", DiagnosticCode.Advice)]
    [InlineData("hosts: [a.b]\nresolution: STATIC", "spec.endpoints", DiagnosticCode.Advice)]
    public void Entry_LegalButSurprising_IsAcceptedWithWarning(string spec, string path, DiagnosticCode code)
    {
        RuleReadResult result = RuleText.Entry(spec);

        Assert.NotNull(result.Document);
        Assert.Contains(result.Diagnostics, d => d.Severity == Severity.Warning && d.Path == path && d.Code == code);
    }

    [Theory]
    [InlineData("a.b", "DNS")]
    [InlineData("a.b", "DNS_ROUND_ROBIN")]
    [InlineData("*.b", "DYNAMIC_DNS")]
    public void Entry_Names_AreTakenWithoutWarning(string host, string resolution) =>
        Assert.Empty(RuleText.Entry($"hosts: [\"{host}\"]\nresolution: {resolution}\nports: [{{number: 80, name: web, protocol: HTTP}}]").Diagnostics);

    [Fact]
    public void Entry_StaticWithEndpoints_BindsEveryField()
    {
        RuleReadResult result = RuleText.Entry(
            "hosts: [a.b]\naddresses: [240.0.0.1]\nports:\n- {number: 80, name: web, protocol: HTTP, targetPort: 8080}\nresolution: STATIC\n"
            + "location: MESH_EXTERNAL\nexportTo: [\".\"]\nendpoints:\n- {address: 10.0.0.1, ports: {web: 81}, labels: {v: \"1\"}, weight: 2}");

        Assert.Empty(result.Diagnostics);
        ServiceEntry entry = (ServiceEntry)result.Document!.Spec;
        Assert.Equal(8080, Assert.Single(entry.Ports).TargetPort);
        WorkloadEntry endpoint = Assert.Single(entry.Endpoints);
        Assert.Equal((81, "1", 2), (endpoint.Ports["web"], endpoint.Labels["v"], endpoint.Weight));
    }
}
