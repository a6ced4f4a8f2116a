using Mesh.ControlPlane.Push;
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

    private static RuleDocument Document(RuleKind kind, object spec, string space = "default") =>
        new() { Key = new RuleKey(kind.Kind, space, "x"), ApiVersion = "networking.istio.io/v1", RuleKind = kind, Spec = spec };
}
