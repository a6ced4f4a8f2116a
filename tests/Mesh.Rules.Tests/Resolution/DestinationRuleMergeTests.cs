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

    [Fact]
    public void Merge_ThirdRuleForAKeptOne_JoinsBoth()
    {
        RuleDocument own = Rule("own", new DestinationRule { Host = "h", ExportTo = ["."], Subsets = [Subset("v1")] }, age: 10);
        RuleDocument both = Rule("both", new DestinationRule { Host = "h", ExportTo = [".", "web"], Subsets = [Subset("v2")] }, age: 5);
        RuleDocument third = Rule("third", new DestinationRule { Host = "h", ExportTo = ["web", "."], Subsets = [Subset("v3")] });

        System.Collections.Immutable.ImmutableArray<EffectiveRule> merged = DestinationRuleMerge.Merge("default", "h", [own, both, third]);

        Assert.Equal([["v1", "v2", "v3"], ["v2", "v3"]], merged.Select(m => m.Subsets.Select(s => s.Subset.Name!).ToArray()));
    }

    [Theory]
    [InlineData("", "*")]
    [InlineData(".", "default")]
    [InlineData("web,.", "default,web")]
    public void Merge_ExportToWrittenInTwoWays_IsOne(string older, string newer)
    {
        RuleDocument[] rules =
        [
            Rule("older", new DestinationRule { Host = "h", ExportTo = [.. older.Split(',', StringSplitOptions.RemoveEmptyEntries)] }, age: 10),
            Rule("newer", new DestinationRule { Host = "h", ExportTo = [.. newer.Split(',')] }),
        ];

        Assert.Equal(["older", "newer"], Assert.Single(DestinationRuleMerge.Merge("default", "h", rules)).Rules.Select(r => r.Key.Name));
    }

    /// <summary>Merging against the rule said the other way round: which rules stand together, for each selector and exportTo that somebody wrote.</summary>
    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Merge_RandomRules_AgreesWithTheModel(int seed)
    {
        Random random = new(seed);
        string[][] exports = [["*"], ["."], ["web"], [".", "web"], [".", "prod", "web"]];
        for (int round = 0; round < 500; round++)
        {
            RuleDocument[] rules =
            [
                .. Enumerable.Range(0, random.Next(1, 7)).Select(i => Rule(
                    $"r{i}",
                    new DestinationRule
                    {
                        Host = "h",
                        ExportTo = [.. exports[random.Next(exports.Length)]],
                        TrafficPolicy = random.Next(2) == 0 ? null : Limit(i + 1),
                        Subsets = [.. Enumerable.Range(0, random.Next(3)).Select(_ => Subset($"v{random.Next(4)}")).DistinctBy(s => s.Name)],
                    },
                    age: random.Next(4))),
            ];

            Assert.Equal(Model(rules), DestinationRuleMerge.Merge("default", "h", rules).Select(Text));
        }
    }

    private static IEnumerable<string> Model(RuleDocument[] rules)
    {
        List<RuleDocument> sorted = [.. rules.OrderBy(r => r.CreationTimestamp).ThenBy(r => r.Key.Name)];
        foreach (RuleDocument head in sorted)
        {
            string[] to = [.. ((DestinationRule)head.Spec).ExportTo.Order()];
            if (sorted.TakeWhile(r => r != head).Any(r => ((DestinationRule)r.Spec).ExportTo.Order().SequenceEqual(to)))
            {
                continue; // stands with an older one
            }

            RuleDocument[] members = [.. sorted.SkipWhile(r => r != head).Where(r => !to.Except(((DestinationRule)r.Spec).ExportTo).Any())];
            IEnumerable<string> subsets = members
                .SelectMany(r => ((DestinationRule)r.Spec).Subsets.Select(s => (s.Name, Rule: r.Key.Name))).GroupBy(s => s.Name).Select(g => $"{g.Key}:{g.First().Rule}");
            yield return Line(
                members.Select(r => r.Key.Name), members.FirstOrDefault(r => ((DestinationRule)r.Spec).TrafficPolicy is not null)?.Key.Name, subsets);
        }
    }

    private static string Text(EffectiveRule rule) =>
        Line(rule.Rules.Select(r => r.Key.Name), rule.PolicyRule?.Key.Name, rule.Subsets.Select(s => $"{s.Subset.Name}:{s.Rule.Key.Name}"));

    private static string Line(IEnumerable<string> rules, string? policy, IEnumerable<string> subsets) =>
        $"{string.Join(',', rules)} policy {policy} subsets {string.Join(',', subsets)}";

    [Fact]
    public void Check_RulesForDifferentNamespaces_IsNoConflict()
    {
        RuleDocument web = Rule("web", new DestinationRule { Host = "h", TrafficPolicy = Limit(1), ExportTo = ["web"] }, age: 10);
        RuleDocument shop = Rule("shop", new DestinationRule { Host = "h", TrafficPolicy = Limit(2), ExportTo = ["shop"] });

        Assert.Empty(RuleSetCheck.Check(shop, [web, shop]));
    }

    [Fact]
    public void Check_RuleBehindAnOlderOneForTheSameNamespaces_NeverCounts()
    {
        RuleDocument all = Rule("all", new DestinationRule { Host = "h", TrafficPolicy = Limit(1) }, age: 10);
        RuleDocument web = Rule("web", new DestinationRule { Host = "h", TrafficPolicy = Limit(2), ExportTo = ["web"] });

        Assert.Equal(
            "never counts: the older rule 'all' is for the same host, h.default.svc.cluster.local, and exported to the same namespaces; delete one of the two",
            Assert.Single(RuleSetCheck.Check(web, [web, all])).Message);
        Assert.Empty(RuleSetCheck.Check(all, [web, all]));
    }

    [Fact]
    public void Check_DuplicateSubset_IsWarnedOnTheNewerRule()
    {
        RuleDocument older = Rule("older", new DestinationRule { Host = "h", Subsets = [Subset("v1")] }, age: 10);
        RuleDocument newer = Rule("newer", new DestinationRule { Host = "h", Subsets = [Subset("v0"), Subset("v1")] });

        Diagnostic dropped = Assert.Single(RuleSetCheck.Check(newer, [older, newer]), d => d.Path == "spec.subsets[1].name");

        Assert.Contains("subset 'v1' stands in rule 'older' already", dropped.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(RuleSetCheck.Check(older, [older, newer]), d => d.Path.StartsWith("spec.subsets", StringComparison.Ordinal));
    }

    private static Subset Subset(string name) => new() { Name = name };
}
