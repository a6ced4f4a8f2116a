using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Resolution;

public sealed class DestinationRuleLookupTests
{
    private const string Host = "reviews.prod.svc.cluster.local";
    private static readonly ImmutableSortedDictionary<string, string> NoLabels = ImmutableSortedDictionary<string, string>.Empty;

    [Fact]
    public void Find_ClientsNamespace_BeatsTheServices() => Assert.Equal("client", Find(
        Rule("client", new DestinationRule { Host = Host }, "web"), Rule("service", new DestinationRule { Host = "reviews" }, "prod")));

    [Fact]
    public void Find_WildcardInClientsNamespace_HidesExactRuleOfTheService() => Assert.Equal("wild", Find(
        Rule("wild", new DestinationRule { Host = "*.prod.svc.cluster.local" }, "web"), Rule("service", new DestinationRule { Host = "reviews" }, "prod")));

    [Fact]
    public void Find_NothingNearer_TakesTheRootNamespaces() => Assert.Equal("root", Find(
        Rule("root", new DestinationRule { Host = "*" }, RuleSet.RootNamespace)));

    [Fact]
    public void Find_ThirdNamespace_NeverApplies() => Assert.Null(Find(
        Rule("third", new DestinationRule { Host = Host, ExportTo = ["*"] }, "other")));

    [Fact]
    public void Find_NotExported_IsPassedOver() => Assert.Null(Find(Rule("private", new DestinationRule { Host = "reviews", ExportTo = ["."] }, "prod")));

    [Fact]
    public void Find_ExportedByName_Applies() => Assert.Equal("named", Find(Rule("named", new DestinationRule { Host = "reviews", ExportTo = ["web"] }, "prod")));

    [Fact]
    public void Find_NameWithADot_IsNotExpanded() => Assert.Null(Find(Rule("dotted", new DestinationRule { Host = "reviews.prod" }, "web")));

    [Fact]
    public void Find_LongestWildcard_Wins() => Assert.Equal("longer", Find(
        Rule("star", new DestinationRule { Host = "*" }, "web"),
        Rule("longer", new DestinationRule { Host = "*.prod.svc.cluster.local" }, "web"),
        Rule("shorter", new DestinationRule { Host = "*.svc.cluster.local" }, "web")));

    [Fact]
    public void Find_ExactHost_BeatsWildcard() => Assert.Equal("exact", Find(
        Rule("wild", new DestinationRule { Host = "*.prod.svc.cluster.local" }, "web"), Rule("exact", new DestinationRule { Host = Host }, "web")));

    [Fact]
    public void Matches_Wildcard_IsNotItsOwnSuffix()
    {
        Assert.True(HostMatch.Matches("*.foo.com", "a.foo.com"));
        Assert.False(HostMatch.Matches("*.foo.com", "foo.com"));
    }

    [Fact]
    public void Find_ClientInRootNamespace_SeesOnlyItsPrivateRulesFirst()
    {
        RuleSet rules = RuleSet.Create(
        [
            Rule("public", new DestinationRule { Host = Host }, RuleSet.RootNamespace),
            Rule("private", new DestinationRule { Host = "*.prod.svc.cluster.local", ExportTo = ["."] }, RuleSet.RootNamespace),
        ]);

        Assert.Equal("private", DestinationRuleLookup.Find(rules, RuleSet.RootNamespace, NoLabels, "prod", Host)?.Rules[0].Key.Name);
    }

    [Fact]
    public void Find_SelectorThatMatches_IsUsedAlone_ElseTheOneWithout()
    {
        RuleSet rules = RuleSet.Create(
        [
            Rule("all", new DestinationRule { Host = Host, TrafficPolicy = Limit(1) }, "web", age: 10),
            Rule("some", new DestinationRule { Host = Host, WorkloadSelector = new WorkloadSelector { MatchLabels = Labels("app=batch") } }, "web"),
        ]);

        Assert.Equal("some", DestinationRuleLookup.Find(rules, "web", Labels("app=batch", "v=1"), "prod", Host)?.Rules.Single().Key.Name);
        Assert.Equal("all", DestinationRuleLookup.Find(rules, "web", Labels("app=page"), "prod", Host)?.Rules.Single().Key.Name);
    }

    [Theory]
    [InlineData("reviews", "reviews.prod.svc.cluster.local")]
    [InlineData("Reviews", "reviews.prod.svc.cluster.local")]
    [InlineData("1", "1.prod.svc.cluster.local")]
    [InlineData("reviews.prod", "reviews.prod")]
    [InlineData("*", "*")]
    [InlineData("*.example.com", "*.example.com")]
    [InlineData("10.0.0.1", "10.0.0.1")]
    [InlineData("fd00::1", "fd00::1")]
    public void Expand_Host_OnlyShortNamesGetTheRulesNamespace(string host, string expected) => Assert.Equal(expected, HostMatch.Expand(host, "prod"));

    /// <summary>Lookup against a model that knows no index and no merged rule: every rule is judged by itself, and the best judgement wins.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Find_RandomRules_AgreesWithBruteForce(int seed)
    {
        Random random = new(seed);
        string[] namespaces = ["web", "prod", "other", RuleSet.RootNamespace];
        string[] hosts = ["reviews", Host, "*.prod.svc.cluster.local", "*.svc.cluster.local", "*", "ratings", "reviews.prod"];
        string[][] exports = [[], ["*"], ["."], ["web"], ["prod"]];
        string[] labels = ["app=batch", "app=page"];
        int found = 0;
        for (int round = 0; round < 1000; round++)
        {
            RuleDocument[] rules = [.. Enumerable.Range(0, random.Next(8)).Select(i =>
            {
                bool hasSelector = random.Next(4) == 0;
                return Rule(
                    $"r{i}",
                    new DestinationRule
                    {
                        Host = hosts[random.Next(hosts.Length)],
                        ExportTo = hasSelector ? ["."] : [.. exports[random.Next(exports.Length)]], // as validation demands
                        WorkloadSelector = hasSelector ? new WorkloadSelector { MatchLabels = Labels(labels[random.Next(2)]) } : null,
                    },
                    namespaces[random.Next(namespaces.Length)], age: random.Next(1000));
            })];
            string client = namespaces[random.Next(namespaces.Length)];
            ImmutableSortedDictionary<string, string> clientLabels = Labels(labels[random.Next(2)]);

            string? name = DestinationRuleLookup.Find(RuleSet.Create(rules), client, clientLabels, "prod", Host)?.Rules[0].Key.Name;

            Assert.Equal(BruteForce(rules, client, clientLabels), name);
            found += name is null ? 0 : 1;
        }

        Assert.InRange(found, 200, 900); // both answers are common
    }

    private static string? BruteForce(RuleDocument[] rules, string client, ImmutableSortedDictionary<string, string> labels)
    {
        return rules.Select(r => (Rule: r, Spec: (DestinationRule)r.Spec))
            .Select(r => (r.Rule, r.Spec, Step: StepOf(r.Rule.Key.Namespace, r.Spec), Host: FullHost(r.Rule)))
            .Where(r => r.Step > 0 && (r.Host == Host || (r.Host[0] == '*' && Host.EndsWith(r.Host[1..], StringComparison.Ordinal))))
            .OrderBy(r => r.Step)
            .ThenByDescending(r => r.Host == Host ? int.MaxValue : r.Host.Length)
            .ThenBy(r => r.Spec.WorkloadSelector is null)
            .ThenBy(r => r.Rule.CreationTimestamp)
            .ThenBy(r => r.Rule.Key.Name, StringComparer.Ordinal)
            .Select(r => r.Rule.Key.Name).FirstOrDefault();

        static string FullHost(RuleDocument rule) =>
            ((DestinationRule)rule.Spec).Host is var host && host is "reviews" or "ratings" ? $"{host}.{rule.Key.Namespace}.svc.cluster.local" : host!;

        // 1: the caller's namespace, 2: the service's, 3: the root; 0: not for this caller.
        int StepOf(string home, DestinationRule rule)
        {
            if (rule.WorkloadSelector is { } selector)
            {
                return home == client && selector.MatchLabels.All(l => labels.TryGetValue(l.Key, out string? value) && value == l.Value) ? 1 : 0;
            }

            bool isPublic = rule.ExportTo.IsEmpty || rule.ExportTo.Contains("*");
            bool isForClient = isPublic || rule.ExportTo.Contains(client) || (rule.ExportTo.Contains(".") && home == client);
            bool isPrivate = rule.ExportTo is [var only] && (only == "." || only == home);
            return home == client && (client != RuleSet.RootNamespace || isPrivate) ? isForClient ? 1 : 0
                : home == "prod" && isForClient ? 2
                : home == RuleSet.RootNamespace && isForClient ? 3 : 0;
        }
    }

    private static string? Find(params RuleDocument[] rules) =>
        DestinationRuleLookup.Find(RuleSet.Create(rules), "web", NoLabels, "prod", Host)?.Rules[0].Key.Name;
}
