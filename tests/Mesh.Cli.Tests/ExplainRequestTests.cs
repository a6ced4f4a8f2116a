using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.Cli.Explaining;
using Xunit;

namespace Mesh.Cli;

public sealed partial class ExplainRequestTests
{
    private const string Admin = "http://127.0.0.1:15000";
    private const string Lab = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: products}
        spec:
          host: products
          trafficPolicy:
            connectionPool:
              tcp: {maxConnections: 1}
              http:
                http1MaxPendingRequests: 1
                maxRequestsPerConnection: 1
        """;

    private const string Overflow = """
        {"time":"2030-01-02T03:04:05.678Z","request_id":"id-1","side":"outbound","method":"GET","authority":"products:8080","path":"/product/2",
        "cluster":"outbound|8080||products.default.svc.cluster.local","verdict":"refused","reason":"pending_overflow",
        "rule":"default/products#spec.trafficPolicy.connectionPool","field":"http.http1MaxPendingRequests","limit":1,"now":1,"scope":"sidecar","status":503,"flag":"UO",
        "outcome":"not-sent","attempts":1,"taken_ms":0.08,"load":{"connections":1,"max_connections":1,"pending":1,"max_pending":1,"requests":1,"retries":0,"max_requests_per_connection":1}}
        """;

    [Fact]
    public void Explain_ARefusalForALimit_SaysAllThatWasThere()
    {
        using TempFolder folder = new();
        string file = folder.Add("lab.yaml", Lab);
        using StubPages pages = Decided(Overflow);

        Invocation run = Invocation.Asking(pages, "explain", "id-1", "-f", file);

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal(
            $"""
            request id-1  GET products:8080/product/2   outbound at sidecar orders-1   2030-01-02T03:04:05.678Z
              answered by    sidecar orders-1: 503 UO pending_overflow, after 0.08 ms; it never reached products.default.svc.cluster.local, sending it again is safe
              because        1 request already waiting for a connection, and no more than 1 may be
              rule           DestinationRule default/products#spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests = 1   {file}:10
              at that time   connections 1/1   waiting 1/1   in progress 1/unlimited   retries 0/unlimited
              why no reuse   maxRequestsPerConnection: 1 - every request needs a new connection
              would pass if  http.http1MaxPendingRequests were at least 2
                             or tcp.maxConnections were at least 2
                             or http.maxRequestsPerConnection were not 1: then a connection that is there can be used again
              scope          this sidecar alone: each caller's sidecar counts for itself, so the destination can see as many times the limit as there are callers
              not counted    against outlier detection: no endpoint is to blame

            """,
            run.Output);
    }

    [Fact]
    public void Explain_Json_HasTheDecisionAndWhatTheSentencesSay()
    {
        using StubPages pages = Decided(Overflow);

        Invocation run = Invocation.Asking(pages, "explain", "id-1", "-o", "json");

        JsonObject decision = JsonNode.Parse(run.Output)!["decisions"]![0]!.AsObject();
        Assert.Equal(("pending_overflow", 1, "orders-1"), (decision["reason"]!.GetValue<string>(), decision["limit"]!.GetValue<int>(), decision["sidecar"]!.GetValue<string>()));
        Assert.Equal("http.http1MaxPendingRequests were at least 2", decision["would_pass_if"]![0]!.GetValue<string>());
        Assert.False(decision["counted_against_endpoint"]!.GetValue<bool>());
        Assert.Null(decision["place"]);
    }

    [Theory]
    [InlineData("""{"verdict":"refused","reason":"circuit_open","rule":"default/cb#spec","field":"failureRateThreshold","limit":50,"now":75,"scope":"sidecar","status":503,"flag":"UO","outcome":"not-sent","breaker":"open","retry_after_seconds":7}""",
        "the circuit is open: 75% of the calls failed, and from 50% on it opens", "would pass if  it came 7 s later", "CircuitBreaker default/cb#spec.failureRateThreshold = 50")]
    [InlineData("""{"verdict":"refused","reason":"circuit_open","rule":"default/cb#spec","field":"failureRateThreshold","limit":50,"now":100,"detail":"no endpoint takes calls, 10.0.0.1:80 is tried first","scope":"sidecar","status":503,"flag":"UO","outcome":"not-sent","breaker":"open","retry_after_seconds":7}""",
        "the circuit is open: 100% of the calls failed, and from 50% on it opens; no endpoint takes calls, 10.0.0.1:80 is tried first", "would pass if  it came 7 s later")]
    [InlineData("""{"verdict":"refused","reason":"rate_limited","rule":"default/rl#spec","field":"whenExceeded.wait.maxWait","limit":1500,"now":2000,"scope":"mesh","status":429,"flag":"RL","outcome":"not-sent"}""",
        "its token would have come after 2000 ms, and it may wait 1500 ms", "would pass if  maxWait were at least 2000ms", "scope          mesh: all sidecars together")]
    [InlineData("""{"verdict":"waited","reason":"rate_limited","rule":"default/rl#spec","field":"tokens","limit":10,"scope":"sidecar","outcome":"not-sent","taken_ms":812.5}""",
        "what happened  it had to wait, and went on after 812.5 ms", "no wait if     it came later", "RateLimit default/rl#spec.tokens = 10")]
    [InlineData("""{"verdict":"shadow","reason":"circuit_open","rule":"default/cb#spec","field":"state","scope":"sidecar","outcome":"not-sent"}""",
        "nothing: the rule is in shadow mode; enforced, it would have refused it (circuit_open)", "would pass if  state were auto", "the rule of the circuit breaker holds it open")]
    [InlineData("""{"verdict":"refused","reason":"circuit_open","rule":"default/cb#spec","detail":"opened by hand","cluster":"outbound|80||b.test","scope":"mesh","outcome":"not-sent"}""",
        "somebody opened the circuit by hand, for all callers", "meshctl breaker auto b.test", "mesh: all sidecars together")]
    [InlineData("""{"verdict":"retried","reason":"upstream_503","scope":"sidecar","status":503,"attempts":1,"outcome":"answered","taken_ms":3}""",
        "attempt 1 failed (503 upstream_503, after 3 ms), and another one followed", "the upstream answered 503", "counted        against the endpoint, for outlier detection")]
    [InlineData("""{"verdict":"replaced","reason":"no_endpoints","cluster":"outbound|80||b.test","scope":"sidecar","status":503,"flag":"UH","outcome":"not-sent","fallback":"stale"}""",
        "a Fallback (the last good answer) in the place of 503 UH no_endpoints", "b.test has no endpoints", "would pass if  b.test had an endpoint")]
    [InlineData("""{"verdict":"shadow","reason":"circuit_open","rule":"default/fb#spec","field":"static","scope":"sidecar","status":503,"outcome":"not-sent"}""",
        "enforced, it would have answered in the place of circuit_open", "rule           Fallback default/fb#spec.static")]
    [InlineData("""{"verdict":"refused","reason":"connection_overflow","rule":"default/rp#spec","field":"meshLimits.maxConnections","limit":4,"now":4,"scope":"mesh","outcome":"not-sent"}""",
        "4 connections already open, and no more than 4 may be", "meshLimits.maxConnections were higher, or another sidecar needed less: 4 is this one's share", "rule           ResiliencePolicy default/rp#spec.meshLimits.maxConnections = 4")]
    [InlineData("""{"verdict":"refused","reason":"outside_allowed_hours","rule":"default/rl#spec","field":"allowedHours","retry_after_seconds":60,"scope":"sidecar","status":429,"flag":"RL","outcome":"not-sent"}""",
        "such requests pass only at certain hours", "would pass if  it came 60 s later", "rule           RateLimit default/rl#spec.allowedHours")]
    [InlineData("""{"verdict":"refused","reason":"concurrency_overflow","rule":"default/rp#spec","field":"concurrency.maxConcurrentCalls","limit":8,"now":8,"scope":"sidecar","flag":"UO","outcome":"not-sent"}""",
        "8 connections already under way, and no more than 8 may be")]
    [InlineData("""{"method":"GET","verdict":"refused","reason":"concurrency_overflow","rule":"default/rp#spec","field":"concurrency.maxConcurrentCalls","limit":8,"now":8,"scope":"sidecar","status":503,"flag":"UO","outcome":"not-sent"}""",
        "8 calls already under way, and no more than 8 may be", "would pass if  concurrency.maxConcurrentCalls were at least 9", "rule           ResiliencePolicy default/rp#spec.concurrency.maxConcurrentCalls = 8")]
    [InlineData("""{"verdict":"shadow","reason":"pending_overflow","rule":"default/dr#spec.trafficPolicy.connectionPool","field":"http.http1MaxPendingRequests","limit":2,"scope":"sidecar","outcome":"not-sent"}""",
        "all the requests waiting for a connection that there may be, and no more than 2 may be", "would pass if  http.http1MaxPendingRequests were at least 3")]
    [InlineData("""{"verdict":"refused","reason":"of_a_newer_sidecar","rule":"default/rp#spec","field":"concurrency.max","limit":8,"now":8,"scope":"sidecar","outcome":"not-sent"}""",
        "concurrency.max is 8, and it stood at 8", "would pass if  concurrency.max were at least 9", "rule           rule default/rp#spec.concurrency.max = 8")]
    public void Explain_EachKindOfDecision_HasItsSentences(string decision, params string[] expected)
    {
        using StubPages pages = Decided(decision);

        Invocation run = Invocation.Asking(pages, "explain", "id-1");

        Assert.Equal(0, run.Code);
        Assert.All(expected, text => Assert.Contains(text, run.Output, StringComparison.Ordinal));
    }

    [Fact]
    public void Reasons_EachOfTheSidecarsHasASentence()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh.sln")))
        {
            at = at.Parent;
        }

        string source = File.ReadAllText(Path.Combine(at!.FullName, "sidecar/Mesh.Proxy/Telemetry/DecisionRecord.cs"));
        string reasons = source[source.IndexOf("enum DecisionReason", StringComparison.Ordinal)..source.IndexOf("enum DecisionScope", StringComparison.Ordinal)];
        string[] words = [.. Member().Matches(reasons).Select(static m => Capital().Replace(m.Groups[1].Value, "_$0").TrimStart('_').ToLowerInvariant()).Where(static w => w != "none")];

        Assert.True(words.Length > 25, string.Join(", ", words));
        Assert.Empty(words.Except(ReasonTexts.Known));
        Assert.Empty(ReasonTexts.Known.Except(words));
    }

    [Fact]
    public void Explain_SeveralSidecars_TellInTheOrderOfTime()
    {
        using StubPages pages = new StubPages()
            .Add("http://10.0.0.1:15000/decisions?request=a%20b", Page("callee", """{"time":"2030-01-02T03:04:05.001Z","verdict":"refused","reason":"no_endpoints","scope":"sidecar"}"""))
            .Add("http://10.0.0.2:15000/decisions?request=a%20b", Page("caller", """{"time":"2030-01-02T03:04:05.002Z","verdict":"retried","reason":"upstream_503","scope":"sidecar"}"""));

        Invocation run = Invocation.Asking(pages, "explain", "a b", "--admin", "10.0.0.2:15000,http://10.0.0.1:15000", "--admin=http://10.0.0.3:15000");

        Assert.Equal((0, "meshctl: http://10.0.0.3:15000/decisions?request=a%20b: Connection refused\n"), (run.Code, run.Error));
        Assert.True(run.Output.IndexOf("sidecar callee", StringComparison.Ordinal) < run.Output.IndexOf("sidecar caller", StringComparison.Ordinal), run.Output);
    }

    [Fact]
    public void Explain_AnUnknownId_SaysWhoWasAskedAndWhatToDo()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/decisions?request=gone", Page("orders-1"));

        Invocation run = Invocation.Asking(pages, "explain", "gone");

        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Contains("gone: no decision on such a request is known at orders-1", run.Error, StringComparison.Ordinal);
        Assert.Contains("--admin URL,URL", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>", "is this the address of a sidecar's admin port?")]
    [InlineData("[1]", "the answer is a list; is this the address of a sidecar's admin port?")]
    [InlineData("7", "the answer is neither an object nor a list")]
    public void Explain_NobodyAnswers_EndsWith1(string text, string problem)
    {
        using StubPages pages = new StubPages().Add($"{Admin}/decisions?request=x", text);

        Invocation run = Invocation.Asking(pages, "explain", "x");

        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Contains(problem, run.Error, StringComparison.Ordinal);
        Assert.Contains("no sidecar has answered; name admin ports with --admin", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("explain: nothing to explain")]
    [InlineData("explain: 'host' is not understood", "host")]
    [InlineData("explain: 'a b' is not understood", "a", "b")]
    [InlineData("explain rule: 'Thing/a' names no rule", "rule", "Thing/a")]
    [InlineData("explain rule: 'dr/a/b/c' names no rule", "rule", "dr/a/b/c")]
    [InlineData("--admin: 'ftp://x' is no address", "id", "--admin", "ftp://x")]
    [InlineData("--output: 'sarif' is no format of explain", "id", "-o", "sarif")]
    [InlineData("--admins: there is no such option; 'explain' knows --admin, -f, --filename, -o, --output", "id", "--admins", "x")]
    [InlineData("-o: given twice", "id", "-o", "json", "-o", "text")]
    [InlineData("--filename: its value is missing", "id", "--filename")]
    [InlineData("/does/not/exist.yaml", "id", "-f", "/does/not/exist.yaml")]
    public void Explain_WrongUsage_EndsWith2AndOneLine(string message, params string[] arguments)
    {
        Invocation run = Invocation.Of(["explain", .. arguments]);

        Assert.Equal((2, ""), (run.Code, run.Output));
        Assert.StartsWith($"meshctl: {message}", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [GeneratedRegex(@"^    ([A-Z]\w+),", RegexOptions.Multiline)]
    private static partial Regex Member();

    [GeneratedRegex("[A-Z]")]
    private static partial Regex Capital();

    private static StubPages Decided(string decision) => new StubPages().Add($"{Admin}/decisions?request=id-1", Page("orders-1", decision));

    private static string Page(string sidecar, string decisions = "") => $$"""{"sidecar":"{{sidecar}}","decisions":[{{decisions}}],"counts":[]}""";
}
