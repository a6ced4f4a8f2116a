using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

public sealed class RateLimitMessagesTests
{
    private const string Full = """
        host: pay.example.com
        subset: v1
        port: 443
        mode: shadow
        side: caller
        scope: sidecar
        tokens: 80
        interval: 1m
        burst: 10
        key: {header: x-user}
        maxKeys: 500
        paths: [/payments/*]
        exemptPaths: [/payments/cancel]
        match: {headers: {x-class: {exact: batch}}}
        allowedHours: {from: "22:00", to: "06:00", timeZone: Asia/Seoul}
        whenExceeded: {wait: {maxWait: 3s, maxQueue: 20}}
        """;

    [Fact]
    public void Read_EveryField_IsBoundWithoutFindings()
    {
        RuleReadResult read = Read(Full);
        RateLimit limit = (RateLimit)read.Document!.Spec;

        Assert.Empty(read.Diagnostics);
        Assert.Equal(("pay.example.com", "v1", 443, "shadow", "caller", 80, 10), (limit.Host, limit.Subset, limit.Port, limit.Mode, limit.Side, limit.Tokens, limit.Burst));
        Assert.Equal((TimeSpan.FromMinutes(1), "x-user", 500), (limit.Interval, limit.Key?.Header, limit.MaxKeys));
        Assert.Equal("batch", limit.Match?.Headers["x-class"].Exact);
        Assert.Equal("/payments/* /payments/cancel", string.Join(' ', [.. limit.Paths, .. limit.ExemptPaths]));
        Assert.Equal(new AllowedHours { From = "22:00", To = "06:00", TimeZone = "Asia/Seoul" }, limit.AllowedHours);
        Assert.Equal(new RateLimitWait { MaxWait = TimeSpan.FromSeconds(3), MaxQueue = 20 }, limit.WhenExceeded?.Wait);
    }

    [Theory]
    [InlineData("tokens: 1", "spec.host", "host is required")]
    [InlineData("host: a", "spec.tokens", "tokens is required")]
    [InlineData("host: a\nplan: {window: 6h}", "spec.plan.total", "total is required")]
    [InlineData("host: a\nplan: {total: 5}", "spec.plan.window", "or write allowedHours")]
    [InlineData("host: a\nplan: {total: 5, window: 25h}", "spec.plan.window", "at most 24h")]
    [InlineData("host: a\nplan: {total: 5, window: 5h}", "spec.plan.window", "3h, 4h, 6h")]
    [InlineData("host: a\nplan: {total: 5, window: 6h}\nallowedHours: {from: '00:00', to: '06:00'}", "spec.plan.window", "leave window out")]
    [InlineData("host: a\nplan: {total: 5, window: 6h}\nkey: {path: true}", "spec.plan", "leave key out")]
    [InlineData("host: a\nplan: {total: 5, window: 6h}\nscope: mesh", "spec.plan", "write scope: sidecar")]
    [InlineData("host: a\ntokens: 0", "spec.tokens", "1..1000000")]
    [InlineData("host: a\ntokens: 1\nburst: 0", "spec.burst", "1..1000000")]
    [InlineData("host: a\ntokens: 1\ninterval: 25h", "spec.interval", "at most 24h")]
    [InlineData("host: a\ntokens: 1\nsubset: V_1", "spec.subset", "subset name is invalid")]
    [InlineData("host: a\ntokens: 1\nsubset: v1\nside: callee", "spec.subset", "leave it out with side: callee")]
    [InlineData("host: a\ntokens: 1\nside: both", "spec.side", "write one of caller, callee")]
    [InlineData("host: a\ntokens: 1\nkey: {}", "spec.key", "write one of header, cookie, path: true or clientIp: true")]
    [InlineData("host: a\ntokens: 1\nkey: {path: false}", "spec.key", "write one of header")]
    [InlineData("host: a\ntokens: 1\nkey: {header: x-user, cookie: s}", "spec.key", "write one of header")]
    [InlineData("host: a\ntokens: 1\nkey: {header: x user}", "spec.key.header", "write one such as x-user")]
    [InlineData("host: a\ntokens: 1\nkey: {cookie: ''}", "spec.key.cookie", "write one such as session")]
    [InlineData("host: a\ntokens: 1\npaths: [orders]", "spec.paths[0]", "from the slash on")]
    [InlineData("host: a\ntokens: 1\nexemptPaths: ['/a/*/b']", "spec.exemptPaths[0]", "* at the end")]
    [InlineData("host: a\ntokens: 1\nmatch: {}", "spec.match", "write headers")]
    [InlineData("host: a\ntokens: 1\nmatch: {headers: {x-class: {exact: a, prefix: b}}}", "spec.match.headers.x-class", "only one of exact, prefix and regex")]
    [InlineData("host: a\ntokens: 1\nallowedHours: {to: '06:00'}", "spec.allowedHours.from", "from is required")]
    [InlineData("host: a\ntokens: 1\nallowedHours: {from: '00:00'}", "spec.allowedHours.to", "to is required")]
    [InlineData("host: a\ntokens: 1\nallowedHours: {from: '0:00', to: '06:00'}", "spec.allowedHours.from", "two digits each")]
    [InlineData("host: a\ntokens: 1\nallowedHours: {from: '00:00', to: '25:00'}", "spec.allowedHours.to", "no minute of the day")]
    [InlineData("host: a\ntokens: 1\nallowedHours: {from: '00:00', to: '24:00'}", "spec.allowedHours", "the same minute")]
    [InlineData("host: a\ntokens: 1\nallowedHours: {from: '00:00', to: '06:00', timeZone: Asia/Soul}", "spec.allowedHours.timeZone", "\"Asia/Soul\" is no time zone known here; write a name of the IANA database")]
    [InlineData("host: a\ntokens: 1\nwhenExceeded: {}", "spec.whenExceeded", "write one of reject: true or wait")]
    [InlineData("host: a\ntokens: 1\nwhenExceeded: {reject: true, wait: {}}", "spec.whenExceeded", "write one of reject: true or wait")]
    [InlineData("host: a\ntokens: 1\nwhenExceeded: {wait: {maxWait: 6m}}", "spec.whenExceeded.wait.maxWait", "at most 5m")]
    [InlineData("host: a\ntokens: 1\nwhenExceeded: {wait: {maxQueue: 0}}", "spec.whenExceeded.wait.maxQueue", "1..100000")]
    [InlineData("host: a\ntokens: 1\nscope: mesh\nside: callee", "spec.scope", "in front of the application write scope: sidecar")]
    [InlineData("host: a\ntokens: 1\nwhenExeeded: {reject: true}", "spec.whenExeeded", "did you mean \"whenExceeded\"")]
    public void Read_WrongSpec_IsRefusedAtItsPlace(string spec, string path, string message)
    {
        Diagnostic error = Assert.Single(Read(spec).Errors());

        Assert.Equal(path, error.Path);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host: a\nplan: {total: 5, window: 6h}\ninterval: 1s", "spec.interval", "no effect without tokens")]
    [InlineData("host: a\ntokens: 1\nmaxKeys: 5", "spec.maxKeys", "no effect without key")]
    [InlineData("host: a\ntokens: 1\nkey: {clientIp: true}", "spec.key.clientIp", "write side: callee")]
    public void Read_SurprisingSpec_Warns(string spec, string path, string message)
    {
        Diagnostic warning = Assert.Single(Read(spec).Diagnostics);

        Assert.Equal((path, Severity.Warning), (warning.Path, warning.Severity));
        Assert.Contains(message, warning.Message, StringComparison.Ordinal);
    }

    private static RuleReadResult Read(string spec) => RuleText.Read(RuleText.Document("RateLimit", spec)
        .Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal));
}
