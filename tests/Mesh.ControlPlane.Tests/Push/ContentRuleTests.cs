using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Xunit;

namespace Mesh.ControlPlane.Tests.Push;

public sealed class ContentRuleTests
{
    [Fact]
    public void ExportToOf_VirtualService_IsItsOwn_ButADelegateGoesEverywhere()
    {
        VirtualService rule = new() { Hosts = ["a"], ExportTo = ["."] };

        Assert.Equal(".", Assert.Single(ContentRule.ExportToOf(Document(RuleKinds.VirtualService, rule))));
        Assert.Empty(ContentRule.ExportToOf(Document(RuleKinds.VirtualService, rule with { Hosts = [] })));
    }

    [Theory]
    [InlineData("default", "default", true)]
    [InlineData("default", "other", false)]
    [InlineData("istio-system", "other", true)]
    public void Sidecar_GoesToItsNamespace_ThatOfTheRootToAll(string ruleNamespace, string clientNamespace, bool isVisible) => Assert.Equal(
        isVisible, ContentRule.IsVisible(ruleNamespace, ContentRule.ExportToOf(Document(RuleKinds.Sidecar, new Sidecar(), ruleNamespace)), clientNamespace));

    [Fact]
    public void Mode_GoesToSidecars_AsNoOtherAnnotationDoes()
    {
        ContentRule plain = From("note: one");
        ContentRule shadow = From("note: one, mesh.dev/mode: shadow");

        Assert.DoesNotContain("annotations", plain.Pushed.Yaml, StringComparison.Ordinal);
        Assert.Contains("annotations:\n    mesh.dev/mode: shadow\n", shadow.Pushed.Yaml, StringComparison.Ordinal);
        Assert.Equal(plain.Fingerprint, From("note: two").Fingerprint);
        Assert.NotEqual(plain.Fingerprint, shadow.Fingerprint); // a sidecar does something else with it
        Assert.True(Assert.Single(RuleReader.ReadYaml(shadow.Pushed.Yaml, "wire")).Document!.IsShadow);
    }

    private static ContentRule From(string annotations)
    {
        string yaml = $"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: x, namespace: default, annotations: {{{annotations}}}}}\nspec: {{host: a, trafficPolicy: {{outlierDetection: {{}}}}}}\n";
        RuleDocument document = Assert.Single(RuleReader.ReadYaml(yaml, "test.yaml")).Document!;
        return ContentRule.From(new StoredRule(document.Key, 7, RuleJson.FromYaml(yaml).Object!, document));
    }

    private static RuleDocument Document(RuleKind kind, object spec, string space = "default") =>
        new() { Key = new RuleKey(kind.Kind, space, "x"), ApiVersion = "networking.istio.io/v1", RuleKind = kind, Spec = spec };
}
