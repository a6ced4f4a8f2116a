using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

/// <summary>A delegate sees what its root hands over and nothing else.</summary>
public sealed class DelegateMatchTests
{
    private static readonly string[] Paths = ["/", "/a", "/a/b", "/ab", "/b"];
    private static readonly string[] Values = ["GET", "GETX", "PUT"];

    /// <summary>The joint match takes the requests that both take, by pairs of matches of which the delegate's is part of the root's.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Join_RandomMatches_TakesTheRequestsOfBoth(int seed)
    {
        Random random = new(seed);
        int joint = 0;
        int refused = 0;
        for (int round = 0; round < 2000; round++)
        {
            ImmutableArray<HttpMatch> roots = [.. Enumerable.Range(0, random.Next(3)).Select(_ => Match(random))];
            ImmutableArray<HttpMatch> own = [.. Enumerable.Range(0, random.Next(3)).Select(_ => Match(random))];

            ImmutableArray<HttpMatch>? actual = DelegateMatch.Join(roots, own);

            foreach ((string path, string method, string header) in Requests())
            {
                bool expected = roots.IsEmpty || own.IsEmpty
                    ? Fits(roots, path, method, header) && Fits(own, path, method, header)
                    : own.Any(o => roots.Any(r => IsPart(r, o) && Fits([r], path, method, header) && Fits([o], path, method, header)));
                Assert.Equal(expected, actual is { } matches && Fits(matches, path, method, header));
            }

            joint += actual is { IsEmpty: false } ? 1 : 0;
            refused += actual is null ? 1 : 0;
        }

        Assert.InRange(joint, 200, 1900);
        Assert.InRange(refused, 100, 1500); // all three outcomes are common
    }

    [Fact]
    public void Join_WhatOneLeavesOpen_TheOtherDecides()
    {
        HttpMatch root = new()
        {
            Name = "r",
            Uri = new TextMatch { Prefix = "/a" },
            Port = 80,
            SourceNamespace = "web",
            SourceLabels = Labels("a=b"),
            Gateways = ["mesh"],
            IgnoreUriCase = true,
            WithoutHeaders = One("w", "1"),
        };
        HttpMatch leaf = new() { Name = "l", Method = new TextMatch { Exact = "GET" }, Headers = One("h", "1"), QueryParams = One("q", "1") };

        HttpMatch joint = Assert.Single(DelegateMatch.Join([root], [leaf])!.Value);

        Assert.True(joint.SameAs(root with { Method = leaf.Method, Headers = leaf.Headers, QueryParams = leaf.QueryParams }));
        Assert.Equal("r-l", joint.Name);
    }

    [Theory]
    [InlineData("uri: {prefix: /a}", "uri: {prefix: /a/b}", true)]
    [InlineData("uri: {prefix: /a}", "uri: {exact: /ab}", true)]
    [InlineData("uri: {prefix: /a/b}", "uri: {prefix: /a}", false)]
    [InlineData("uri: {exact: /a}", "uri: {prefix: /a}", false)]
    [InlineData("uri: {regex: /a}", "uri: {exact: /a}", false)]
    [InlineData("uri: {regex: /a}", "method: {exact: GET}", true)]
    [InlineData("uri: {prefix: /a}, ignoreUriCase: true", "uri: {prefix: /a}", false)]
    [InlineData("port: 80", "port: 81", false)]
    [InlineData("headers: {x: {}}", "headers: {x: {exact: a}}", true)]
    [InlineData("headers: {x: {exact: a}}", "headers: {x: {exact: b}}", false)]
    [InlineData("queryParams: {x: {exact: a}}", "queryParams: {x: {exact: b}}", false)]
    [InlineData("withoutHeaders: {x: {exact: a}}", "withoutHeaders: {x: {exact: b}}", false)]
    public void Join_ByKindOfComparison_AsIstio(string root, string leaf, bool isPart) => Assert.Equal(isPart, DelegateMatch.Join([Read(root)], [Read(leaf)]) is not null);

    [Fact]
    public void Expand_Delegate_InheritsWhatItLeavesOpen()
    {
        RuleDocument root = Routes("root", """
            hosts: [x.y]
            http:
            - name: outer
              delegate: {name: inner, namespace: shop}
              timeout: 3s
              retries: {attempts: 4}
              rewrite: {uri: /r}
              fault: {delay: {fixedDelay: 1s, percentage: {value: 1}}}
              corsPolicy: {allowMethods: [GET]}
              mirror: {host: copy}
              mirrorPercentage: {value: 7}
              headers: {request: {set: {a: root, b: root}, add: {c: root}, remove: [d]}, response: {set: {e: root}}}
            """);
        RuleDocument inner = Routes("inner", """
            http:
            - name: own
              route: [{destination: {host: a}}]
              timeout: 1s
              headers: {request: {set: {a: own}, remove: [f]}}
            - directResponse: {status: 200}
            """, "shop");
        List<(RuleKey, Diagnostic)> findings = [];

        PlacedRoute[] routes = [.. DelegateExpansion.Expand(root, new VirtualServiceTable(RuleSet.Create([root, inner]), "web"), findings)];

        HttpRoute first = routes[0].Route;
        Assert.Equal(("outer-own", "shop/inner#spec.http[0]"), (first.Name, routes[0].Source));
        Assert.Equal((TimeSpan.FromSeconds(1), 4, "/r", "copy.default.svc.cluster.local", 7.0), (first.Timeout, first.Retries?.Attempts, first.Rewrite?.Uri, first.Mirror?.Host, first.MirrorPercentage?.Value));
        Assert.NotNull(first.Fault);
        Assert.Equal("GET", Assert.Single(first.CorsPolicy!.AllowMethods));
        Assert.Equal("a=own b=root c=root d f e=root", Text(first.Headers!));
        Assert.Equal((null, null, TimeSpan.FromSeconds(3)), (routes[1].Route.Fault, routes[1].Route.Rewrite, routes[1].Route.Timeout)); // an answer at once has neither
        Assert.Empty(findings);

        static string Text(HeaderSettings h) => string.Join(' ', [.. h.Request!.Set.Concat(h.Request.Add).Select(f => $"{f.Key}={f.Value}"), .. h.Request.Remove, .. h.Response!.Set.Select(f => $"{f.Key}={f.Value}")]);
    }

    private static IEnumerable<(string Path, string Method, string Header)> Requests() =>
        from path in Paths from method in Values from header in Values select (path, method, header);

    private static HttpMatch Match(Random random) => new()
    {
        Uri = random.Next(3) == 0 ? null : Text(random, Paths),
        Method = random.Next(2) == 0 ? null : Text(random, Values),
        Headers = random.Next(2) == 0 ? ImmutableSortedDictionary<string, TextMatch>.Empty : ImmutableSortedDictionary<string, TextMatch>.Empty.Add("x", Text(random, Values)),
    };

    private static TextMatch Text(Random random, string[] from) =>
        random.Next(2) == 0 ? new TextMatch { Exact = from[random.Next(from.Length)] } : new TextMatch { Prefix = from[random.Next(from.Length)] };

    private static bool Fits(ImmutableArray<HttpMatch> matches, string path, string method, string header) => matches.IsEmpty || matches.Any(m =>
        Fits(m.Uri, path) && Fits(m.Method, method) && m.Headers.All(h => Fits(h.Value, header)));

    private static bool Fits(TextMatch? match, string value) =>
        match is null || (match.Exact is { } exact ? value == exact : value.StartsWith(match.Prefix!, StringComparison.Ordinal));

    // Every request that fits the delegate's comparison fits the root's, wherever both have one.
    private static bool IsPart(HttpMatch root, HttpMatch own) =>
        IsPart(root.Uri, own.Uri) && IsPart(root.Method, own.Method) && IsPart(root.Headers.GetValueOrDefault("x"), own.Headers.GetValueOrDefault("x"));

    private static bool IsPart(TextMatch? root, TextMatch? own) =>
        root is null || own is null || (root.Exact is { } exact ? own.Exact == exact : (own.Exact ?? own.Prefix!).StartsWith(root.Prefix!, StringComparison.Ordinal));

    private static ImmutableSortedDictionary<string, TextMatch> One(string name, string value) => ImmutableSortedDictionary<string, TextMatch>.Empty.Add(name, new TextMatch { Exact = value });

    private static HttpMatch Read(string match) =>
        ((VirtualService)Mesh.Rules.Tests.RuleText.Virtual($"hosts: [x.y]\nhttp: [{{match: [{{{match}}}], route: [{{destination: {{host: a}}}}]}}]").Document!.Spec).Http[0].Match[0];
}
