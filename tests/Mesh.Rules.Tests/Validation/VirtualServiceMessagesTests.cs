using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Mesh.Testing;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

/// <summary>Every condition of a VirtualService for which Istio has a text.</summary>
public sealed class VirtualServiceMessagesTests
{
    private const string ToA = "route: [{destination: {host: a}}]";

    [Theory]
    [InlineData("hosts: [a]", "http, tcp or tls must be provided in virtual service", "spec")]
    [InlineData("hosts: [\"*\"]\nhttp: [{route: [{destination: {host: a}}]}]", "wildcard host * is not allowed for virtual services bound to the mesh gateway", "spec.hosts[0]")]
    [InlineData("hosts: [\"*.foo.com\", a.foo.com]\nhttp: [{route: [{destination: {host: a}}]}]", "duplicate hosts in virtual service: *.foo.com & a.foo.com", "spec.hosts[1]")]
    [InlineData("hosts: [a, A]\nhttp: [{route: [{destination: {host: a}}]}]", "duplicate hosts in virtual service: a & A", "spec.hosts[1]")]
    [InlineData("hosts: [a_b]\nhttp: [{route: [{destination: {host: a}}]}]", "domain name \"a_b\" invalid", "spec.hosts[0]")]
    [InlineData("gateways: [mesh]\nhttp: [{route: [{destination: {host: a}}]}]", "delegate virtual service must have no gateways specified", "spec.gateways")]
    [InlineData("hosts: [a]\ngateways: [a/b/c]\nhttp: [{route: [{destination: {host: a}}]}]", "is no gateway", "spec.gateways[0]")]
    [InlineData("http: [{delegate: {name: b}}]", "delegate HTTP route cannot contain delegate", "spec.http[0].delegate")]
    [InlineData("http: [{match: [{sourceLabels: {a: b}}], route: [{destination: {host: a}}]}]", "delegate HTTP route cannot contain sourceLabels", "spec.http[0].match[0]")]
    [InlineData("hosts: [a]\ntls: [{match: [{sniHosts: [b]}], route: [{destination: {host: a}}]}]", "SNI host \"b\" is not a compatible subset of any of the virtual service hosts: [a]", "spec.tls[0].match[0].sniHosts[0]")]
    [InlineData("hosts: [a]\ntls: [{match: [{sniHosts: []}], route: [{destination: {host: a}}]}]", "TLS match must have at least one SNI host", "spec.tls[0].match[0].sniHosts")]
    [InlineData("hosts: [a]\ntls: [{match: [{port: 1}], route: [{destination: {host: a}}]}]", "TLS match must have at least one SNI host", "spec.tls[0].match[0].sniHosts")]
    [InlineData("hosts: [a]\ntls: [{route: [{destination: {host: a}}]}]", "TLS route must have at least one match condition", "spec.tls[0].match")]
    [InlineData("hosts: [a]\ntcp: [{match: [{port: 80}]}]", "TCP route is required", "spec.tcp[0].route")]
    [InlineData("hosts: [a]\ntcp: [{match: [{destinationSubnets: [x]}], route: [{destination: {host: a}}]}]", "is neither an IP address nor a CIDR block", "spec.tcp[0].match[0].destinationSubnets[0]")]
    [InlineData("hosts: [a]\ntcp: [{match: [{sourceSubnet: 10.0.0.0/33}], route: [{destination: {host: a}}]}]", "is neither an IP address nor a CIDR block", "spec.tcp[0].match[0].sourceSubnet")]
    [InlineData("hosts: [a]\nexportTo: [b, b]\nhttp: [{route: [{destination: {host: a}}]}]", "duplicate entries in exportTo", "spec.exportTo[1]")]
    public void Rule_BreaksRule_IsRefusedWithIstiosText(string spec, string text, string path) => AssertRefused(RuleText.Virtual(spec), text, path);

    [Theory]
    [InlineData("name: x", "HTTP route, redirect or direct_response is required", "")]
    [InlineData(ToA + "\nredirect: {uri: /}", "HTTP route cannot contain both route and redirect", "")]
    [InlineData("redirect: {uri: /}\nfault: {abort: {httpStatus: 500, percentage: {value: 1}}}", "HTTP route cannot contain both fault and redirect", "")]
    [InlineData("redirect: {uri: /}\nrewrite: {uri: /}", "HTTP route rule cannot contain both rewrite and redirect", "")]
    [InlineData("redirect: {uri: /}\ndirectResponse: {status: 200}", "HTTP route rule cannot contain both direct_response and redirect", "")]
    [InlineData(ToA + "\ndirectResponse: {status: 200}", "HTTP route cannot contain both route and direct_response", "")]
    [InlineData("directResponse: {status: 200}\nrewrite: {uri: /}", "HTTP route rule cannot contain both rewrite and direct_response", "")]
    [InlineData("directResponse: {status: 200}\nfault: {abort: {httpStatus: 500, percentage: {value: 1}}}", "HTTP route cannot contain both fault and direct_response", "")]
    [InlineData("directResponse: {status: 199}", "HTTP status is not in range 200..599", ".directResponse.status")]
    [InlineData("directResponse: {status: 200, body: {bytes: '%'}}", "is no base64", ".directResponse.body.bytes")]
    [InlineData("directResponse: {status: 200, body: {string: a, bytes: YQ==}}", "only one of string and bytes", ".directResponse.body")]
    [InlineData("delegate: {name: b}\n" + ToA, "root HTTP route  must not specify route", ".route")]
    [InlineData("name: x\ndelegate: {name: b}\nredirect: {uri: /}", "root HTTP route x must not specify redirect", ".redirect")]
    [InlineData("delegate: {namespace: b}", "delegate name is required", ".delegate.name")]
    [InlineData("redirect: {}", "redirect must specify URI, authority, scheme, or redirect_code", ".redirect")]
    [InlineData("redirect: {uri: /a, prefixRewrite: /b}", "only one of uri and prefixRewrite", ".redirect")]
    [InlineData("redirect: {port: 1, derivePort: FROM_REQUEST_PORT}", "only one of port and derivePort", ".redirect")]
    [InlineData("redirect: {scheme: ftp}", "invalid redirect scheme", ".redirect.scheme")]
    [InlineData("redirect: {redirectCode: 200}", "redirect code must be between 300 and 399", ".redirect.redirectCode")]
    [InlineData("route: [{destination: {subset: a}}]", "destination host is required", ".route[0].destination.host")]
    [InlineData("route: [{destination: {host: '*'}}]", "invalid destination host *", ".route[0].destination.host")]
    [InlineData("route: [{destination: {host: a, subset: V_1}}]", "subset name is invalid: V_1", ".route[0].destination.subset")]
    [InlineData("route: [{weight: 1}]", "destination is required", ".route[0].destination")]
    [InlineData("route: [{destination: {host: a}, weight: -1}]", "weight must be non-negative", ".route[0].weight")]
    [InlineData("route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]", "total destination weight = 0", ".route")]
    [InlineData(ToA + "\ntimeout: 0s", "duration must be greater than 1ms", ".timeout")]
    [InlineData(ToA + "\nretries: {attempts: -1}", "attempts cannot be negative", ".retries.attempts")]
    [InlineData(ToA + "\nretries: {attempts: 0, retryOn: 5xx}", "http retry policy configured when attempts are set to 0 (disabled)", ".retries")]
    [InlineData(ToA + "\nretries: {perTryTimeout: 1s}", "http retry policy configured when attempts are set to 0 (disabled)", ".retries")]
    [InlineData(ToA + "\nretries: {attempts: 1, retryOn: '503, reset'}", "\" reset\" is not a valid retryOn policy; remove the blank: \"reset\"", ".retries.retryOn")]
    [InlineData(ToA + "\nretries: {attempts: 1, retryOn: conect-failure}", "\"conect-failure\" is not a valid retryOn policy; did you mean \"connect-failure\"?", ".retries.retryOn")]
    [InlineData(ToA + "\nretries: {attempts: 1, retryOn: '700'}", "\"700\" is not a valid retryOn policy", ".retries.retryOn")]
    [InlineData(ToA + "\nrewrite: {}", "rewrite must specify at least one of URI", ".rewrite")]
    [InlineData(ToA + "\nrewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}", "rewrite may only contain one of URI or uriRegexRewrite", ".rewrite")]
    [InlineData(ToA + "\nrewrite: {uriRegexRewrite: {match: a}}", "UriRegexRewrite requires both Rewrite and Match", ".rewrite.uriRegexRewrite")]
    [InlineData(ToA + "\nrewrite: {uriRegexRewrite: {match: '(', rewrite: b}}", "RE2 style", ".rewrite.uriRegexRewrite.match")]
    [InlineData(ToA + "\nmatch: [{uri: {regex: /a}}]\nrewrite: {uri: /a}", "use uriRegexRewrite", ".rewrite.uri")]
    [InlineData(ToA + "\nfault: {}", "HTTP fault injection must have an abort and/or a delay", ".fault")]
    [InlineData(ToA + "\nfault: {delay: {percentage: {value: 1}}}", "fixedDelay is required", ".fault.delay.fixedDelay")]
    [InlineData(ToA + "\nfault: {delay: {fixedDelay: 0s, percentage: {value: 1}}}", "duration must be greater than 1ms", ".fault.delay.fixedDelay")]
    [EffectOf("VirtualService", "http.fault.delay.exponentialDelay")]
    [InlineData(ToA + "\nfault: {delay: {exponentialDelay: 1s, percentage: {value: 1}}}", "exponentialDelay not supported yet", ".fault.delay.exponentialDelay")]
    [InlineData(ToA + "\nfault: {abort: {percentage: {value: 1}}}", "must have httpStatus or grpcStatus", ".fault.abort")]
    [EffectOf("VirtualService", "http.fault.abort.http2Error")]
    [InlineData(ToA + "\nfault: {abort: {http2Error: x, percentage: {value: 1}}}", "HTTP/2 abort fault injection not supported yet", ".fault.abort.http2Error")]
    [InlineData(ToA + "\nfault: {abort: {grpcStatus: UNAVAILABEL, percentage: {value: 1}}}", "did you mean \"UNAVAILABLE\"?", ".fault.abort.grpcStatus")]
    [InlineData(ToA + "\nfault: {abort: {httpStatus: 500, percentage: {value: 101}}}", "out of 0..100 range", ".fault.abort.percentage.value")]
    [InlineData(ToA + "\nmirror: {host: b}\nmirrors: [{destination: {host: c}}]", "HTTP route cannot contain both mirror and mirrors", "")]
    [InlineData(ToA + "\ncorsPolicy: {maxAge: 1500ms}", "accurate only to seconds precision", ".corsPolicy.maxAge")]
    [InlineData(ToA + "\ncorsPolicy: {allowMethods: [get]}", "\"get\" is not a supported HTTP method", ".corsPolicy.allowMethods[0]")]
    [InlineData(ToA + "\ncorsPolicy: {allowOrigins: [{prefix: \"\"}]}", "prefix string match should not be empty", ".corsPolicy.allowOrigins[0].prefix")]
    [InlineData(ToA + "\ncorsPolicy: {allowHeaders: [\"a b\"]}", "is not a valid header name", ".corsPolicy.allowHeaders[0]")]
    [InlineData(ToA + "\nheaders: {request: {remove: [Host]}}", "cannot be removed", ".headers.request.remove[0]")]
    [InlineData(ToA + "\nheaders: {request: {set: {\":path\": /}}}", "only :authority of a request can be set", ".headers.request.set.:path")]
    [InlineData(ToA + "\nheaders: {response: {set: {\":authority\": b}}}", "only :authority of a request can be set", ".headers.response.set.:authority")]
    [InlineData(ToA + "\nheaders: {response: {add: {\"\": b}}}", "header name cannot be empty", ".headers.response.add.")]
    [InlineData(ToA + "\nheaders: {request: {set: {host: b}}}\nrewrite: {authority: c}", "only one place may set the authority", "")]
    [InlineData(ToA + "\nmatch: [{method: {prefix: \"\"}}]", "\"method\": prefix string match should not be empty", ".match[0].method.prefix")]
    [InlineData(ToA + "\nmatch: [{uri: {regex: \"\"}}]", "regex string match should not be empty", ".match[0].uri.regex")]
    [InlineData(ToA + "\nmatch: [{uri: {regex: \"(?=a)\"}}]", "RE2 style", ".match[0].uri.regex")]
    [InlineData(ToA + "\nmatch: [{uri: {exact: /a, prefix: /b}}]", "only one of exact, prefix and regex", ".match[0].uri")]
    [InlineData(ToA + "\nmatch: [{headers: {\"a b\": {}}}]", "is not a valid header name", ".match[0].headers.a b")]
    [InlineData(ToA + "\nmatch: [{headers: {a: {regex: \"*\"}}}]", "RE2 style", ".match[0].headers.a.regex")]
    [InlineData(ToA + "\nmatch: [{port: 0}]", "1..65535", ".match[0].port")]
    public void HttpRoute_BreaksRule_IsRefusedWithIstiosText(string route, string text, string path) => AssertRefused(Route(route), text, "spec.http[0]" + path);

    [Fact]
    public void Regex_LongerThanIstiosLimit_IsRefused()
    {
        Assert.Null(RegexText.Check(new string('a', RegexText.MaxLength)));
        Assert.Contains("max length allowed is 1024", RegexText.Check(new string('a', RegexText.MaxLength + 1)), StringComparison.Ordinal);
    }

    [Fact]
    public void Regex_OfRe2_FitsTheWholeTextAndKnowsItsNamedGroups()
    {
        System.Text.RegularExpressions.Regex regex = RegexText.CreateWhole("/(?P<id>[0-9]+)|/all");

        Assert.Equal("12", regex.Match("/12").Groups["id"].Value);
        Assert.Matches(regex, "/all");
        Assert.DoesNotMatch(regex, "/12/x");
        Assert.DoesNotMatch(regex, "/all\n");
    }

    [Theory]
    [InlineData("hosts: [a]\ngateways: [ingress]\nhttp: [{route: [{destination: {host: a}}]}]", "no sidecar obeys this rule", "spec.gateways")]
    [InlineData("hosts: [a]\nhttp: [{redirect: {redirectCode: 305, uri: /}}]", "no client follows 305", "spec.http[0].redirect.redirectCode")]
    [InlineData("hosts: [a]\nhttp: [{route: [{destination: {host: a}}], fault: {delay: {fixedDelay: 1s}}}]", "nobody is delayed", "spec.http[0].fault.delay")]
    [InlineData("hosts: [a]\nhttp: [{route: [{destination: {host: a}}], fault: {abort: {httpStatus: 500}}}]", "nobody is aborted", "spec.http[0].fault.abort")]
    [InlineData("hosts: [a]\nhttp: [{match: [{uri: {regex: /A}, ignoreUriCase: true}], route: [{destination: {host: a}}]}]", "begin the expression with (?i)", "spec.http[0].match[0].ignoreUriCase")]
    [InlineData("hosts: [a]\nhttp: [{route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]", "virtualService rule #1 not used (only the last rule can have no matches)", "spec.http[1]")]
    [InlineData("hosts: [a]\nhttp: [{match: [{uri: {prefix: /}}], route: [{destination: {host: a}}]}, {name: x, match: [{port: 1}], route: [{destination: {host: b}}]}]", "virtualService rule \"x\" not used", "spec.http[1]")]
    [InlineData("hosts: [a]\nhttp: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}, {match: [{uri: {exact: /ab}}, {uri: {exact: /b}}], route: [{destination: {host: b}}]}]", "rule #1 match #0 is not used (duplicate/overlapping match in rule #0)", "spec.http[1].match[0]")]
    [InlineData("hosts: [a]\ntcp: [{match: [{port: 1}, {}], route: [{destination: {host: a}}]}, {match: [{port: 2}], route: [{destination: {host: b}}]}]", "virtualService rule #1 not used (rule #0 before it takes every connection)", "spec.tcp[1]")]
    [InlineData("hosts: [a]\ntls: [{match: [{sniHosts: [a]}], route: [{destination: {host: a}}]}, {match: [{sniHosts: [A], port: 1}], route: [{destination: {host: b}}]}]", "rule #1 match #0 is not used (duplicate/overlapping match in rule #0)", "spec.tls[1].match[0]")]
    [InlineData("hosts: [a]\nhttp: [{match: [{method: {exact: GET}}], route: [{destination: {host: a}}]}, {match: [{method: {exact: GET}}], route: [{destination: {host: b}}]}]", "rule #1 not used (all matches used by prior rules)", "spec.http[1]")]
    public void Rule_LegalButSurprising_IsAcceptedWithAdvice(string spec, string text, string path)
    {
        RuleReadResult result = RuleText.Virtual(spec);

        Assert.NotNull(result.Document);
        Assert.Contains(result.Diagnostics, d => d.Code == DiagnosticCode.Advice && d.Path == path && d.Message.Contains(text, StringComparison.Ordinal) && d.Line > 0);
    }

    [Theory]
    [InlineData("hosts: [a]\nhttp: [{match: [{uri: {prefix: /a}, method: {exact: GET}}], route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /a}}], route: [{destination: {host: b}}]}]")]
    [InlineData("hosts: [a]\nhttp: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /A}, ignoreUriCase: true}], route: [{destination: {host: b}}]}]")]
    [InlineData("hosts: [a]\nhttp: [{match: [{sourceNamespace: x}], route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]")]
    [InlineData("hosts: [a, 10.0.0.1, \"*.b\"]\nhttp: [{match: [{withoutHeaders: {x: {regex: \"*\"}}}], route: [{destination: {host: a}}], retries: {attempts: 2, retryOn: \"5xx,503\"}}]")]
    [InlineData("hosts: [\"*.x\"]\ntls: [{match: [{sniHosts: [\"*.x\"]}], route: [{destination: {host: a}}]}, {match: [{sniHosts: [a.x]}, {sniHosts: [\"*.x\"], destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: b}}]}]")]
    [InlineData("hosts: [a]\ntcp: [{match: [{port: 1}], route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]")]
    [InlineData("hosts: [\"*\"]\ngateways: [mesh2/x]\ntcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: a}}]}]", "no sidecar obeys")]
    public void Rule_Sound_HasNoAdvice(string spec, string except = "-")
    {
        RuleReadResult result = RuleText.Virtual(spec);

        Assert.NotNull(result.Document);
        Assert.DoesNotContain(result.Diagnostics, d => !d.Message.Contains(except, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http: [{route: [{destination: {host: a}}], fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 1}}}}]", "spec.http[0].fault.abort.grpcStatus")]
    [InlineData("http: [{route: [{destination: {host: a}}], retries: {attempts: 1, retryOn: http3-post-connect-failure}}]", "spec.http[0].retries.retryOn")]
    [InlineData("http: [{route: [{destination: {host: a}}], headers: {request: {set: {x-start: \"%START_TIME%\"}}}}]", "spec.http[0].headers.request.set.x-start")]
    public void Field_WithoutEffectYet_SaysSo(string spec, string path) => Assert.Contains(
        RuleText.Virtual("hosts: [a]\n" + spec).Diagnostics, d => d.Path == path && d.Code == DiagnosticCode.NotEnforced);

    [Fact]
    public void Delegate_WithoutHosts_IsAccepted() =>
        Assert.True(((VirtualService)RuleText.Virtual("http: [{" + ToA + "}]").Document!.Spec).IsDelegate);

    private static RuleReadResult Route(string route) =>
        RuleText.Virtual("hosts: [a]\nhttp:\n- " + string.Join("\n  ", route.Split('\n')));

    private static void AssertRefused(RuleReadResult result, string text, string path)
    {
        Assert.Null(result.Document);
        Assert.Contains(result.Errors(), e => e.Message.Contains(text, StringComparison.Ordinal) && e.Path == path && e.Line > 0);
    }
}
