using Mesh.ControlPlane.Push;
using Mesh.Rules.Kinds;
using Xunit;

namespace Mesh.ControlPlane.Tests.Push;

public sealed class ContentRuleTests
{
    [Fact]
    public void ExportToOf_VirtualService_IsItsOwn_ButADelegateGoesEverywhere()
    {
        VirtualService rule = new() { Hosts = ["a"], ExportTo = ["."] };

        Assert.Equal(".", Assert.Single(ContentRule.ExportToOf(rule)));
        Assert.Empty(ContentRule.ExportToOf(rule with { Hosts = [] }));
    }
}
