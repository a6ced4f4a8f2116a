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

    /// <summary>Lookup against a model that knows no index: every rule is judged by itself, and the best judgement wins.</summary>
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
        for (int round = 0; round < 500; round++)
        {
            RuleDocument[] rules = [.. Enumerable.Range(0, random.Next(6)).Select(i => Rule(
                $"r{i}", new DestinationRule { Host = hosts[random.Next(hosts.Length)], ExportTo = [.. exports[random.Next(exports.Length)]] },
                namespaces[random.Next(namespaces.Length)], age: random.Next(1000)))];
            string client = namespaces[random.Next(namespaces.Length)];

            string? found = DestinationRuleLookup.Find(RuleSet.Create(rules), client, NoLabels, "prod", Host)?.Namespace;

            Assert.Equal(BruteForceNamespace(rules, client), found);
        }
    }

    private static string? BruteForceNamespace(RuleDocument[] rules, string client)
    {
        bool Names(RuleDocument r) => HostMatch.Matches(HostMatch.Expand(((DestinationRule)r.Spec).Host!, r.Key.Namespace), Host);
        bool Sees(RuleDocument r)
        {
            ImmutableArray<string> to = ((DestinationRule)r.Spec).ExportTo;
            return to.IsEmpty || to.Contains("*") || to.Contains(client) || (r.Key.Namespace == client && to.Contains("."));
        }

        bool IsOwn(RuleDocument r) => ((DestinationRule)r.Spec).ExportTo is [var only] && (only == "." || only == r.Key.Namespace);
        bool First(RuleDocument r) => r.Key.Namespace == client && Names(r) && (client == RuleSet.RootNamespace ? IsOwn(r) : Sees(r));
        return rules.Any(First) ? client
            : client != "prod" && rules.Any(r => r.Key.Namespace == "prod" && Names(r) && Sees(r)) ? "prod"
            : rules.Any(r => r.Key.Namespace == RuleSet.RootNamespace && Names(r) && Sees(r)) ? RuleSet.RootNamespace : null;
    }

    private static string? Find(params RuleDocument[] rules) =>
        DestinationRuleLookup.Find(RuleSet.Create(rules), "web", NoLabels, "prod", Host)?.Rules[0].Key.Name;
}
