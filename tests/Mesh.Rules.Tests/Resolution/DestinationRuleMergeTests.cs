using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Resolution;

public sealed class DestinationRuleMergeTests
{
    [Fact]
    public void Vector14_TwoRulesForOneHost_FirstPolicyWinsWholeAndSubsetsAreUnited()
    {
        RuleDocument older = Rule("b-older", new DestinationRule { Host = "h", TrafficPolicy = Limit(1), Subsets = [Subset("v1"), Subset("v2")] }, age: 10);
        RuleDocument newer = Rule("a-newer", new DestinationRule { Host = "h", TrafficPolicy = Limit(2), Subsets = [Subset("v2"), Subset("v3")] });

        EffectiveRule merged = Assert.Single(DestinationRuleMerge.Merge("default", "h", [newer, older]));

        Assert.Equal("b-older", merged.PolicyRule?.Key.Name);
        Assert.Equal(["v1:b-older", "v2:b-older", "v3:a-newer"], merged.Subsets.Select(s => $"{s.Subset.Name}:{s.Rule.Key.Name}"));
        Assert.Equal(1, merged.Subsets[^1].Index);
    }

    [Fact]
    public void Merge_OldestHasNoPolicy_TheFirstThatHasOneCounts()
    {
        RuleDocument bare = Rule("bare", new DestinationRule { Host = "h" }, age: 10);
        RuleDocument full = Rule("full", new DestinationRule { Host = "h", TrafficPolicy = Limit(2) });

        Assert.Equal("full", DestinationRuleMerge.Merge("default", "h", [full, bare]).Single().PolicyRule?.Key.Name);
    }

    [Fact]
    public void Merge_SameAge_GoesByName()
    {
        RuleDocument b = Rule("b", new DestinationRule { Host = "h", TrafficPolicy = Limit(2) });
        RuleDocument a = Rule("a", new DestinationRule { Host = "h", TrafficPolicy = Limit(1) });

        Assert.Equal("a", DestinationRuleMerge.Merge("default", "h", [b, a]).Single().PolicyRule?.Key.Name);
    }

    [Fact]
    public void Merge_OtherExportTo_StaysApart()
    {
        RuleDocument own = Rule("own", new DestinationRule { Host = "h", ExportTo = ["."] }, age: 10);
        RuleDocument web = Rule("web", new DestinationRule { Host = "h", ExportTo = ["web"] });

        Assert.Equal(2, DestinationRuleMerge.Merge("default", "h", [own, web]).Length);
    }

    [Fact]
    public void Merge_NewcomerExportedFurther_IsMergedAndKept()
    {
        RuleDocument own = Rule("own", new DestinationRule { Host = "h", ExportTo = ["."], Subsets = [Subset("v1")] }, age: 10);
        RuleDocument both = Rule("both", new DestinationRule { Host = "h", ExportTo = [".", "web"], Subsets = [Subset("v2")] });

        System.Collections.Immutable.ImmutableArray<EffectiveRule> merged = DestinationRuleMerge.Merge("default", "h", [own, both]);

        Assert.Equal([["v1", "v2"], ["v2"]], merged.Select(m => m.Subsets.Select(s => s.Subset.Name!).ToArray()));
    }

    [Fact]
    public void Check_TwoRulesForOneHost_WarnsWithBothNames()
    {
        RuleDocument first = Rule("first", new DestinationRule { Host = "h", TrafficPolicy = Limit(1) }, age: 10);
        RuleDocument second = Rule("second", new DestinationRule { Host = "h.default.svc.cluster.local", TrafficPolicy = Limit(2), Subsets = [Subset("v1")] });

        Diagnostic warning = Assert.Single(RuleSetCheck.Check(second, [first, second]));

        Assert.Equal(Severity.Warning, warning.Severity);
        Assert.Contains("first, second", warning.Message, StringComparison.Ordinal);
        Assert.Contains("only the trafficPolicy of 'first' counts", warning.Message, StringComparison.Ordinal);
        Assert.Empty(RuleSetCheck.Check(first, [first]));
    }

    private static Subset Subset(string name) => new() { Name = name };
}
