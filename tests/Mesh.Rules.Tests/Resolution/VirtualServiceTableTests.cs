using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Resolution;

public sealed class VirtualServiceTableTests
{
    private const string Host = "reviews.prod.svc.cluster.local";

    /// <summary>Against a model without an index: every pair of rule and host is judged by itself, and the best judgement wins.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Find_RandomRules_AgreesWithBruteForce(int seed)
    {
        Random random = new(seed);
        string[] namespaces = ["web", "prod", "other"];
        string[] hosts = ["reviews", Host, "*.prod.svc.cluster.local", "*.svc.cluster.local", "*.local", "ratings", "REVIEWS.prod.svc.cluster.local"];
        string[][] exports = [[], ["*"], ["."], ["web"], ["prod", "other"], ["~"]];
        string[][] gateways = [[], ["mesh"], ["ingress"], ["ingress", "mesh"]];
        int found = 0;
        for (int round = 0; round < 1000; round++)
        {
            RuleDocument[] rules =
            [
                .. Enumerable.Range(0, random.Next(8)).Select(i => Routes(
                    $"r{random.Next(4)}",
                    new VirtualService
                    {
                        Hosts = [.. Enumerable.Range(0, random.Next(3)).Select(_ => hosts[random.Next(hosts.Length)])],
                        Gateways = [.. gateways[random.Next(gateways.Length)]],
                        ExportTo = [.. exports[random.Next(exports.Length)]],
                    },
                    namespaces[random.Next(namespaces.Length)], age: random.Next(3))),
            ];
            rules = [.. rules.DistinctBy(r => r.Key)];
            string client = namespaces[random.Next(namespaces.Length)];

            RuleDocument? actual = new VirtualServiceTable(RuleSet.Create(rules), client).Find(Host);

            Assert.Equal(BruteForce(rules, client), actual?.Key);
            found += actual is null ? 0 : 1;
        }

        Assert.InRange(found, 200, 900); // both answers are common
    }

    private static RuleKey? BruteForce(RuleDocument[] rules, string client)
    {
        var candidates =
            from rule in rules
            let spec = (VirtualService)rule.Spec
            let home = rule.Key.Namespace
            where spec.Gateways.Length == 0 || spec.Gateways.Contains("mesh")
            where spec.ExportTo.Length == 0 || spec.ExportTo.Any(to => to == "*" || to == client || (to == "." && home == client))
            from written in spec.Hosts
            let host = written is "reviews" or "ratings" ? $"{written}.{home}.svc.cluster.local" : written.ToLowerInvariant()
            where host == Host || (host[0] == '*' && Host.EndsWith(host[1..], StringComparison.Ordinal))
            orderby host == Host ? 0 : 1, -host.Length, rule.CreationTimestamp, rule.Key.Name, home
            select (RuleKey?)rule.Key;
        return candidates.FirstOrDefault();
    }

    [Fact]
    public void FindDelegate_ByNameAndNamespace_OnlyIfExportedToTheRoots()
    {
        VirtualServiceTable table = new(
            RuleSet.Create(
            [
                Routes("open", new VirtualService(), "shop"), Routes("closed", new VirtualService { ExportTo = ["."] }, "shop"), Routes("root", new VirtualService { Hosts = ["a"] }, "shop"),
            ]),
            "web");

        Assert.Equal("open", table.FindDelegate("shop", "open", "default")?.Key.Name);
        Assert.Null(table.FindDelegate("other", "open", "default"));
        Assert.Null(table.FindDelegate("shop", "closed", "default"));
        Assert.Equal("closed", table.FindDelegate("shop", "closed", "shop")?.Key.Name);
        Assert.Null(table.FindDelegate("shop", "root", "shop")); // has hosts
    }

    [Fact]
    public void Check_SecondRuleForAHost_NamesTheOlder()
    {
        RuleDocument older = Routes("older", new VirtualService { Hosts = ["a", "b"] }, age: 10);
        RuleDocument newer = Routes("newer", new VirtualService { Hosts = ["a.default.svc.cluster.local"] }, "web");

        Diagnostic finding = Assert.Single(RuleSetCheck.Check(newer, [older]));

        Assert.Equal("spec.hosts", finding.Path);
        Assert.StartsWith("'a.default.svc.cluster.local' is routed by the older VirtualService 'older' in namespace 'default' already", finding.Message, StringComparison.Ordinal);
        Assert.Empty(RuleSetCheck.Check(older, [newer]));
        Assert.Empty(RuleSetCheck.Check(newer, [newer with { CreationTimestamp = older.CreationTimestamp }])); // an older version of itself
    }

    [Theory]
    [InlineData(".", ".", false)]
    [InlineData(".", "*", true)]
    [InlineData("x", "x", true)]
    [InlineData("x", "y", false)]
    [InlineData("*", "*", true)]
    [InlineData("default", ".", false)]
    [InlineData("web", ".", true)]
    public void Check_RulesThatNobodySeesTogether_DoNotConflict(string olderTo, string newerTo, bool conflicts)
    {
        RuleDocument older = Routes("older", new VirtualService { Hosts = ["x.y"], ExportTo = [olderTo] }, age: 10);
        RuleDocument newer = Routes("newer", new VirtualService { Hosts = ["x.y"], ExportTo = [newerTo] }, "web");

        Assert.Equal(conflicts ? 1 : 0, RuleSetCheck.Check(newer, [older]).Length);
    }

    [Fact]
    public void Check_GatewayRuleAndDelegate_ConflictWithNobody()
    {
        RuleDocument older = Routes("older", new VirtualService { Hosts = ["x.y"], Gateways = ["ingress"] }, age: 10);
        RuleDocument newer = Routes("newer", new VirtualService { Hosts = ["x.y"] });

        Assert.Empty(RuleSetCheck.Check(newer, [older]));
        Assert.Empty(RuleSetCheck.Check(older, [newer]));
        Assert.Empty(RuleSetCheck.Check(Routes("d", new VirtualService()), [older, newer]));
    }

    [Theory]
    [InlineData("http: [{route: [{destination: {host: a, subset: v1}}]}]", null)]
    [InlineData("http: [{route: [{destination: {host: a, subset: v3}}]}]", "spec.http[0].route[0].destination.subset")]
    [InlineData("http: [{route: [{destination: {host: a}}], mirror: {host: a, subset: v3}}]", "spec.http[0].mirror.subset")]
    [InlineData("http: [{route: [{destination: {host: a}}], mirrors: [{destination: {host: a, subset: v3}}]}]", "spec.http[0].mirrors[0].destination.subset")]
    [InlineData("tcp: [{route: [{destination: {host: a, subset: v3}}]}]", "spec.tcp[0].route[0].destination.subset")]
    [InlineData("tls: [{match: [{sniHosts: [x]}], route: [{destination: {host: a, subset: v3}}]}]", "spec.tls[0].route[0].destination.subset")]
    [InlineData("http: [{delegate: {name: there}}]", null)]
    [InlineData("http: [{delegate: {name: there, namespace: web}}]", "spec.http[0].delegate")]
    public void Check_ReferenceToNothing_IsNamed(string spec, string? path)
    {
        RuleDocument[] all =
        [
            Rule("a", new DestinationRule { Host = "a", Subsets = [new Subset { Name = "v1" }] }), Rule("other", new DestinationRule { Host = "b", Subsets = [new Subset { Name = "v3" }] }),
            Routes("there", new VirtualService()),
        ];

        Assert.Equal(path is null ? [] : [path], RuleSetCheck.Check(Routes("r", "hosts: [x]\n" + spec), all).Select(f => f.Path));
    }
}
