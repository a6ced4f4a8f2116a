using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

/// <summary>Routes of a VirtualService, as one proxy has them, for each thing that can be written there.</summary>
public sealed class RouteCompilerTests
{
    private const string A = "a.default.svc.cluster.local";
    private const string B = "b.default.svc.cluster.local";
    private static readonly ProxyIdentity Client = new("default", "client", 80, "127.0.0.1:9000", Labels("app=page"));

    [Theory]
    [InlineData("uri: {exact: /x}", "path = /x")]
    [InlineData("uri: {prefix: /foo}", "path ^ /foo")]
    [InlineData("uri: {regex: \"/v[12]\"}", "path ~ /v[12]")]
    [InlineData("uri: {prefix: /Foo}, ignoreUriCase: true", "path ^ /Foo any case")]
    [InlineData("uri: {regex: /Foo}, ignoreUriCase: true", "path ~ /Foo")]
    [InlineData("method: {exact: GET}, scheme: {exact: http}, authority: {prefix: a.}", "method = GET & authority ^ a. & scheme = http")]
    [InlineData("headers: {X-User: {exact: Jason}, b: {}}", "x-user = Jason & b there")]
    [InlineData("withoutHeaders: {X-A: {}, b: {regex: \"*\"}, c: {exact: d}}", "not x-a there & not b there & not c = d")]
    [InlineData("name: m, statPrefix: pay", "named m & counted as pay")]
    [InlineData("queryParams: {Q: {exact: \"1\"}, r: {}}", "?Q = 1 & ?r there")]
    public void Match_Field_IsComparedWithTheRequest(string match, string expected) =>
        Assert.Equal(expected, RouteText.Match(Assert.Single(One($"match: [{{{match}}}]\n{To("a")}").Matches)));

    [Theory]
    [InlineData("sourceLabels: {app: page}", true)]
    [InlineData("sourceLabels: {app: page, v: \"1\"}", false)]
    [InlineData("sourceNamespace: default", true)]
    [InlineData("sourceNamespace: other", false)]
    [InlineData("gateways: [mesh, x]", true)]
    [InlineData("gateways: [x]", false)]
    [InlineData("port: 80", true)]
    [InlineData("port: 81", false)]
    public void Match_OnTheProxy_IsDecidedHere(string match, bool applies)
    {
        ImmutableArray<HttpRouteConfig> routes = Compile($"- match: [{{{match}, method: {{exact: GET}}}}]\n  {To("a")}\n- {To("b")}").Routes;

        Assert.Equal(applies ? 2 : 1, routes.Length);
        Assert.Equal($"outbound|80||{B}", routes[^1].Clusters[0].Cluster);
        Assert.Equal(applies ? "method = GET" : "", string.Join('|', routes[0].Matches.Select(RouteText.Match)));
    }

    [Fact]
    public void Match_OfOtherProxies_LeavesItsAlternatives() => Assert.Equal(
        "path = /2", RouteText.Match(Assert.Single(One($"match: [{{uri: {{exact: /1}}, sourceNamespace: x}}, {{uri: {{exact: /2}}}}]\n{To("a")}").Matches)));

    [Theory]
    [InlineData("- match: [{uri: {prefix: /}}]\n  route: [{destination: {host: a}}]\n- route: [{destination: {host: b}}]", 1)]
    [InlineData("- match: [{port: 80}]\n  route: [{destination: {host: a}}]\n- route: [{destination: {host: b}}]", 1)]
    [InlineData("- match: [{uri: {prefix: /x}}, {sourceLabels: {app: page}}]\n  route: [{destination: {host: a}}]\n- route: [{destination: {host: b}}]", 1)]
    [InlineData("- match: [{uri: {prefix: /}, method: {exact: GET}}]\n  route: [{destination: {host: a}}]\n- route: [{destination: {host: b}}]", 2)]
    [InlineData("- match: [{uri: {exact: /}}]\n  route: [{destination: {host: a}}]\n- route: [{destination: {host: b}}]", 2)]
    public void Routes_AfterACatchAll_AreCut(string http, int expected) => Assert.Equal(expected, Compile(http).Routes.Length);

    [Fact]
    public void Routes_NoneForThisProxy_LeavesTheServiceAsItIs()
    {
        VirtualHostConfig host = Compile($"- match: [{{sourceNamespace: x}}]\n  {To("b")}");

        Assert.Empty(host.Routes);
        Assert.Equal($"outbound|80||{A}", host.Cluster);
        Assert.Same(RetryConfig.OutboundDefault, host.Retry);
    }

    [Theory]
    [InlineData("[{destination: {host: a}}]", $"outbound|80||{A} 1")]
    [InlineData("[{destination: {host: a}, weight: 0}]", $"outbound|80||{A} 1")]
    [InlineData("[{destination: {host: a}, weight: 90}, {destination: {host: b}, weight: 10}]", $"outbound|80||{A} 90, outbound|80||{B} 10")]
    [InlineData("[{destination: {host: a}, weight: 3}, {destination: {host: b}, weight: 0}, {destination: {host: b}}]", $"outbound|80||{A} 3")]
    [InlineData("[{destination: {host: a, subset: v1}}]", $"outbound|80|v1|{A} 1")]
    [InlineData("[{destination: {host: two}}]", "outbound|80||two.default.svc.cluster.local 1")] // several ports: the one that was called
    [InlineData("[{destination: {host: two, port: {number: 81}}}]", "outbound|81||two.default.svc.cluster.local 1")]
    [InlineData("[{destination: {host: b}}]", $"outbound|80||{B} 1")] // one port: that one
    [InlineData("[{destination: {host: only}}]", "outbound|7000||only.default.svc.cluster.local 1")]
    [InlineData("[{destination: {host: a}, headers: {request: {set: {Host: x.y, B: c}}, response: {remove: [D]}}}]", $"outbound|80||{A} 1 as x.y request [b=c] response [-d]")]
    public void Route_Destinations_AreClustersByWeight(string route, string expected) =>
        Assert.Equal(expected, string.Join(", ", One($"route: {route}").Clusters.Select(RouteText.Cluster)));

    [Theory]
    [InlineData("retries: {attempts: 0}", "no retry")]
    [InlineData("retries: {}", "no retry")]
    [InlineData("retries: {backoff: 1s}", "no retry")]
    [InlineData("timeout: 1500ms", "timeout 1500 ms")]
    [InlineData("retries: {attempts: 5}", "retry 5 on ConnectFailure, RefusedStream, StatusCodes, GrpcCancelled, GrpcUnavailable after 25 ms..250 ms (default/r#spec.http[0].retries)")]
    [InlineData("retries: {attempts: 1, retryOn: \"503,5xx,502,reset\", perTryTimeout: 2s, backoff: 100ms, retryIgnorePreviousHosts: false, retryRemoteLocalities: true}",
        "retry 1 on ServerError, Reset, StatusCodes 502 503 each 2000 ms after 100 ms..1000 ms same hosts remote (default/r#spec.http[0].retries)")]
    [InlineData("retries: {attempts: 1, retryOn: \"gateway-error,reset-before-request,connect-failure,retriable-4xx,refused-stream,retriable-status-codes,retriable-headers,envoy-ratelimited\"}",
        "retry 1 on GatewayError, ResetBeforeRequest, ConnectFailure, Retriable4xx, RefusedStream, StatusCodes, EnvoyRateLimited, RetriableHeaders after 25 ms..250 ms (default/r#spec.http[0].retries)")]
    [InlineData("retries: {attempts: 1, retryOn: \"cancelled,deadline-exceeded,internal,resource-exhausted,unavailable,http3-post-connect-failure\"}",
        "retry 1 on GrpcCancelled, GrpcDeadlineExceeded, GrpcResourceExhausted, GrpcInternal, GrpcUnavailable after 25 ms..250 ms (default/r#spec.http[0].retries)")]
    [InlineData("rewrite: {uri: /b, authority: x}", "rewrite /b -→- x")]
    [InlineData("rewrite: {uriRegexRewrite: {match: \"/a/(.*)\", rewrite: \"/\\\\1\"}}", "rewrite - /a/(.*)→/\\1 -")]
    [InlineData("headers: {request: {set: {\":authority\": x, A: b}, add: {C: d}, remove: [E]}, response: {set: {F: g}}}", "rewrite - -→- x; request [a=b +c=d -e]; response [f=g]")]
    [InlineData("fault: {delay: {fixedDelay: 2s, percentage: {value: 0.1}}, abort: {httpStatus: 503, percentage: {value: 50}}}", "fault 0.1 % 2000 ms, 50 % 503")]
    [InlineData("fault: {delay: {fixedDelay: 2s, percent: 7}}", "fault 7 % 2000 ms, 0 % 0")]
    [InlineData("fault: {delay: {fixedDelay: 2s}, abort: {httpStatus: 503}}", "")] // absent percentages: nobody
    [InlineData("fault: {delay: {fixedDelay: 2s, percentage: {}}}", "")]
    [InlineData("mirror: {host: b}", $"mirror outbound|80||{B} 100 %")]
    [InlineData("mirror: {host: b}\nmirrorPercentage: {value: 2.5}", $"mirror outbound|80||{B} 2.5 %")]
    [InlineData("mirror: {host: b}\nmirrorPercent: 3", $"mirror outbound|80||{B} 3 %")]
    [InlineData("mirror: {host: b}\nmirrorPercentage: {value: 0}", "")]
    [InlineData("mirrors: [{destination: {host: b}, percentage: {value: 1}}, {destination: {host: a, subset: v1}}]", $"mirror outbound|80||{B} 1 %, outbound|80|v1|{A} 100 %")]
    [InlineData("corsPolicy: {allowOrigins: [{exact: \"*\"}, {regex: \"https://.*\"}], allowOrigin: [x], allowMethods: [GET, PUT], allowHeaders: [A, B], exposeHeaders: [C], maxAge: 1h, allowCredentials: true, unmatchedPreflights: IGNORE}",
        "cors Prefix ,Regex https://.*,Exact x GET,PUT A,B C 3600 True False")]
    [InlineData("corsPolicy: {allowOrigins: [{prefix: h}]}", "cors Prefix h     False True")]
    public void Route_Part_IsCompiled(string part, string expected)
    {
        string text = RouteText.Write(One($"{To("a")}\n{part}"));

        Assert.Equal($"'{A}:80' from default/r#spec.http[0]; any; to outbound|80||{A} 1" + (expected.Length > 0 ? "; " : "") + expected, text);
    }

    [Theory]
    [InlineData("redirect: {uri: /new}", "redirect 301 - -:- /new")]
    [InlineData("redirect: {prefixRewrite: /new, authority: x.y, scheme: https, port: 8443, redirectCode: 307}", "redirect 307 https x.y:8443 /new…")]
    [InlineData("redirect: {authority: x.y, derivePort: FROM_REQUEST_PORT, redirectCode: 302}", "redirect 302 - x.y:same …")]
    [InlineData("redirect: {authority: x.y, derivePort: FROM_PROTOCOL_DEFAULT, redirectCode: 303}", "redirect 303 - x.y:- …")]
    [InlineData("directResponse: {status: 503, body: {string: \"off\"}}", "answer 503 'off'")]
    [InlineData("directResponse: {status: 200, body: {bytes: b24=}}", "answer 200 'on'")]
    [InlineData("directResponse: {status: 204}", "answer 204 ''")]
    public void Route_Answer_IsCompiled(string part, string expected) => Assert.Equal($"'x' from default/r#spec.http[0]; any; {expected}; no retry", RouteText.Write(One("name: x\n" + part)));

    [Fact]
    public void Redirect_WithACodeNobodyFollows_IsNoRoute() => Assert.Equal(
        [$"outbound|80||{B}"], Compile($"- redirect: {{uri: /, redirectCode: 305}}\n- {To("b")}").Routes.SelectMany(r => r.Clusters).Select(c => c.Cluster));

    [Fact]
    public void Authority_OfTheRoute_BeatsTheDestinations()
    {
        HttpRouteConfig route = One("rewrite: {authority: x}\nroute: [{destination: {host: a}, headers: {request: {set: {host: y}}}}]");

        Assert.Equal("x", route.Rewrite!.Authority);
        Assert.Null(route.Clusters[0].Authority);
    }

    [Theory]
    [InlineData("[{destination: {host: aa}}]", "spec.http[0].route[0].destination", "no service or ServiceEntry named 'aa.default.svc.cluster.local' is known")]
    [InlineData("[{destination: {host: twoo}}]", "spec.http[0].route[0].destination", "no service or ServiceEntry named 'twoo.default.svc.cluster.local' is known; did you mean \"two.default.svc.cluster.local\"?")]
    [InlineData("[{destination: {host: a}, weight: 1}, {destination: {host: a, subset: v1b}, weight: 1}]", "spec.http[0].route[1].destination", $"no DestinationRule defines subset 'v1b' of '{A}'; did you mean \"v1\"?")]
    [InlineData("[{destination: {host: two, port: {number: 82}}}]", "spec.http[0].route[0].destination", "'two.default.svc.cluster.local' has no port 82; it has 80, 81: write port: {number: 80}")]
    public void Destination_ThatDoesNotExist_KeepsItsShareAndIsNamed(string route, string path, string text)
    {
        CompileResult result = Result(View(Routes("r", $"hosts: [a]\nhttp:\n- route: {route}")));

        (RuleKey key, Validation.Diagnostic finding) = Assert.Single(result.Diagnostics);
        Assert.Equal(("r", path), (key.Name, finding.Path));
        Assert.StartsWith(text, finding.Message, StringComparison.Ordinal);
        Assert.EndsWith("answered 503 (NC, no cluster)", finding.Message, StringComparison.Ordinal);
        ImmutableArray<WeightedClusterConfig> clusters = Host(result, A).Routes[0].Clusters;
        Assert.False(result.Snapshot.Clusters.ContainsKey(clusters[^1].Cluster));
    }

    [Fact]
    public void Host_WithoutService_HasRoutesOnEveryHttpPort()
    {
        CompileResult result = Result(View(Routes("r", "hosts: [www.example.com, 10.1.1.1]\nhttp: [{route: [{destination: {host: only}}]}]")));

        VirtualHostConfig[] hosts = [.. result.Snapshot.Routes.VirtualHosts.Where(h => h.Domains.Contains("www.example.com"))];
        Assert.Equal([80, 81, 7000], hosts.Select(h => h.Port).Order());
        Assert.All(hosts, h => Assert.Equal(("", "outbound|7000||only.default.svc.cluster.local"), (h.Cluster, h.Routes[0].Clusters[0].Cluster)));
        Assert.Contains(result.Snapshot.Routes.VirtualHosts, h => h.Domains is ["10.1.1.1"]);
        Assert.Empty(result.Diagnostics);
    }

    [Fact]
    public void Host_Misspelt_IsNamedAndStillReachableByThatName()
    {
        CompileResult result = Result(View(Routes("r", "hosts: [onli]\nhttp: [{route: [{destination: {host: only}}]}]")));

        Assert.Contains("'onli.default.svc.cluster.local' is known; did you mean \"only.default.svc.cluster.local\"?", Assert.Single(result.Diagnostics).Finding.Message, StringComparison.Ordinal);
        Assert.Contains(result.Snapshot.Routes.VirtualHosts, h => h.Domains.Contains("onli") && h.Domains.Contains("onli.default") && h.Port == 80);
    }

    [Fact]
    public void Host_Wildcard_RoutesTheServicesItCovers_ExceptThoseNamedExactly()
    {
        CompileResult result = Result(View(
            Routes("wild", "hosts: [\"*.default.svc.cluster.local\"]\nhttp: [{name: wild, route: [{destination: {host: b}}]}]", age: 10),
            Routes("exact", "hosts: [a]\nhttp: [{name: exact, route: [{destination: {host: a}}]}]")));

        Assert.Equal("exact", Host(result, A).Routes[0].Name);
        Assert.Equal("wild", Host(result, B).Routes[0].Name);
        Assert.DoesNotContain(result.Snapshot.Routes.VirtualHosts, h => h.Domains.Contains("*.default.svc.cluster.local"));
    }

    [Fact]
    public void Host_OfTwoVirtualServices_GoesToTheOlderWhole_AndTheOtherIsTold()
    {
        CompileResult result = Result(View(
            Routes("newer", "hosts: [a, b]\nhttp: [{name: newer, route: [{destination: {host: b}}]}]"),
            Routes("older", "hosts: [a]\nhttp: [{name: older, match: [{uri: {exact: /}}], route: [{destination: {host: a}}]}]", age: 10)));

        Assert.Equal("older", Assert.Single(Host(result, A).Routes).Name);
        Assert.Equal("newer", Assert.Single(Host(result, B).Routes).Name);
        (RuleKey key, Validation.Diagnostic finding) = Assert.Single(result.Diagnostics);
        Assert.Equal("newer", key.Name);
        Assert.StartsWith($"'{A}' is routed by the older VirtualService 'older' in namespace 'default' already", finding.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gateways: [ingress]")]
    [InlineData("exportTo: [web]")]
    [InlineData("exportTo: [\"~\"]")]
    public void Rule_NotForThisSidecar_ChangesNothing(string field) =>
        Assert.Empty(Host(Result(View(Routes("r", $"hosts: [a]\n{field}\nhttp: [{{{To("b")}}}]"))), A).Routes);

    [Fact]
    public void Rule_OfAnyNamespaceThatExportsToTheProxy_Counts() => Assert.NotEmpty(
        Host(Result(View(Routes("r", $"hosts: [{A}]\nexportTo: [default]\nhttp: [{{{To(B)}}}]", ns: "third"))), A).Routes);

    [Fact]
    public void EndpointsChange_KeepsTheRoutesAsObjects()
    {
        SnapshotCompiler compiler = new();
        MeshView view = View(
            Routes("r", "hosts: [a, www.x]\nhttp: [{route: [{destination: {host: a}}]}]\n"), Routes("t", "hosts: [db.x]\ntcp: [{route: [{destination: {host: db.x}, weight: 1}, {destination: {host: a}, weight: 2}]}]"));
        ProxySnapshot before = compiler.Compile(Client, view, "1").Snapshot;

        ProxySnapshot after = compiler.Compile(Client, view with { Endpoints = view.Endpoints.SetItem(A, []) }, "2").Snapshot;
        ProxySnapshot more = compiler.Compile(Client, View([.. view.Rules.Values, Routes("s", "hosts: [b]\nhttp: [{route: [{destination: {host: a}}]}]")]), "3").Snapshot;

        Assert.Equal(before.Routes.VirtualHosts.Length, after.Routes.VirtualHosts.Length);
        Assert.All(before.Routes.VirtualHosts.Zip(after.Routes.VirtualHosts), p => Assert.True(p.First with { Domains = p.Second.Domains } == p.Second));
        Assert.Equal(before.Listeners.AsEnumerable(), after.Listeners);
        Assert.NotEmpty(more.Routes.VirtualHosts.Single(h => h.Domains.Contains("b")).Routes);
    }

    [Theory]
    [InlineData("HTTP", true)]
    [InlineData("GRPC", false)]
    [InlineData("TCP", false)]
    public void Inbound_Retries_AreIstiosForHttpOnly(string protocol, bool retries)
    {
        MeshView view = View();
        view = view with { Services = view.Services.SetItem("client.default.svc.cluster.local", new MeshService("client.default.svc.cluster.local", "default", [new MeshServicePort(80, protocol)])) };

        RetryConfig? retry = new SnapshotCompiler().Compile(Client, view, "1").Snapshot.Clusters["inbound|80||"].InboundRetry;

        Assert.Equal(retries, retry is { Attempts: 2, Conditions: RetryConditions.ResetBeforeRequest });
    }

    private static string To(string host) => $"route: [{{destination: {{host: {host}}}}}]";

    private static HttpRouteConfig One(string route) => Assert.Single(Compile("- " + string.Join("\n  ", route.Split('\n'))).Routes);

    private static VirtualHostConfig Compile(string http) => Host(Result(View(Routes("r", "hosts: [a]\nhttp:\n" + http))), A);

    private static CompileResult Result(MeshView view) => new SnapshotCompiler().Compile(Client, view, "1");

    private static VirtualHostConfig Host(CompileResult result, string host) => result.Snapshot.Routes.VirtualHosts.Single(h => h.Domains.Contains(host));

    private static MeshView View(params RuleDocument[] rules)
    {
        RuleDocument subsets = Rule("subsets", new DestinationRule { Host = "a", Subsets = [new Subset { Name = "v1" }, new Subset { Name = "canary" }] });
        MeshService[] services =
        [
            new(A, "default", [new MeshServicePort(80, "HTTP")]), new(B, "default", [new MeshServicePort(80, "HTTP")]),
            new("only.default.svc.cluster.local", "default", [new MeshServicePort(7000, "HTTP")]),
            new("two.default.svc.cluster.local", "default", [new MeshServicePort(80, "HTTP"), new MeshServicePort(81, "HTTP")]),
        ];
        return new MeshView { Services = services.ToImmutableDictionary(s => s.Host), Rules = rules.Append(subsets).DistinctBy(r => r.Key).ToImmutableDictionary(r => r.Key) };
    }
}
