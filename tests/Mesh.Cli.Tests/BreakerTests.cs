using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Mesh.Cli;

public sealed class BreakerTests
{
    private const string Page = "http://127.0.0.1:15010/mesh/v1/breakers";
    private const string Open = """
        {"rule":"default/cb#spec","cluster":"outbound|80||products","host":"products","decided":true,"state":"open","since":"2030-01-02T03:04:05.678Z","epoch":3,"calls":40,"failures":30,"slow":0,
        "failureRate":75,"slowRate":0,"sick":null,"forced":null,"passed":{"field":"failureRateThreshold","limit":50,"now":75},"retryAfterMilliseconds":2500,"callers":[{"id":"a"},{"id":"b"}]}
        """;

    private const string Trial = """
        {"rule":"default/cb#spec","host":"orders","state":"half_open","since":null,"calls":4,"failureRate":12.5,"slowRate":0,"sick":"c","forced":{"state":"open","until":"2030-01-02T04:00:00.000Z","reason":"drill","by":"operator"},
        "callers":[{"id":"a","prober":true,"trials":3},{"id":"b","prober":false}]}
        """;

    [Fact]
    public void List_ShowsEachCircuit_AndWhatIsSpecialAboutIt()
    {
        using StubPages pages = new StubPages().Add(Page, $$"""{"circuits":[{{Open}},{{Trial}}],"events":[]}""");

        Invocation run = Invocation.Asking(pages, "breaker", "list");

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal(
            """
            HOST      STATE      SINCE                     CALLS  FAILED  SLOW  CALLERS  RULE
            products  open       2030-01-02T03:04:05.678Z  40     75%     0%    2        default/cb#spec
              failureRateThreshold 50 was passed: 75
              calls on trial go out in 2500 ms
            orders    half_open  -                         4      12.5%   0%    2        default/cb#spec
              open by hand until 2030-01-02T04:00:00.000Z: drill (operator)
              caller c alone fails: it is to blame, not the host, and the circuit does not open for it
              on trial: a (3 calls); all others send nothing

            """,
            run.Output);
    }

    [Theory]
    [InlineData("prod", 2)]
    [InlineData("nobody", 1)]
    public void List_OfAHost_ShowsOnlyIts(string host, int least)
    {
        using StubPages pages = new StubPages().Add(Page, $$"""{"circuits":[{{Open}},{{Trial}}]}""");

        Invocation run = Invocation.Asking(pages, "breaker", "list", host);

        Assert.DoesNotContain("orders", run.Output, StringComparison.Ordinal);
        Assert.True(run.Lines.Length >= least);
    }

    [Theory]
    [InlineData("open", "open")]
    [InlineData("close", "closed")]
    [InlineData("disable", "disabled")]
    public void Decide_SendsItAndShowsWhatCameOfIt(string verb, string state)
    {
        using TempFolder folder = new();
        string token = folder.Add("token", "s3cret\n");
        using StubPages pages = new StubPages().Add($"{Page}/force",
            $$"""{"host":"products","forced":{"state":"{{state}}","until":"2030-01-02T04:00:00.000Z","reason":"drill","by":"operator"},"circuits":[{{Open}}]}""");

        Invocation run = Invocation.Asking(pages, "breaker", verb, "products", "--for", "10m", "--reason", "drill", "--control-plane-token", token);

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.StartsWith($"products: {state} until 2030-01-02T04:00:00.000Z (reason: drill, by operator)\nHOST ", run.Output, StringComparison.Ordinal);
        Assert.Equal(
            $$"""POST {{Page}}/force {"host":"products","state":"{{state}}","forMilliseconds":600000,"reason":"drill"}""", Assert.Single(pages.Asked));
        Assert.Equal("Bearer s3cret", pages.Authorization);
    }

    [Fact]
    public void Auto_NeedsNoTime()
    {
        using StubPages pages = new StubPages().Add($"{Page}/force", """{"host":"products","forced":null,"circuits":[]}""");

        Invocation run = Invocation.Asking(pages, "breaker", "auto", "products", "-o", "json");

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.True(JsonNode.Parse(run.Output)!.AsObject().ContainsKey("forced"));
        Assert.Equal(0, JsonNode.Parse(pages.Asked[0].Split(' ', 3)[2])!["forMilliseconds"]!.GetValue<int>());
    }

    [Fact]
    public void Decide_WhatTheControlPlaneRefuses_EndsWith1AndItsWords()
    {
        using StubPages pages = new StubPages().Add($"{Page}/force", "host: no caller reports a shared circuit of 'x'\n", HttpStatusCode.NotFound);

        Invocation run = Invocation.Asking(pages, "breaker", "auto", "x");

        Assert.Equal((1, "", $"meshctl: {Page}/force: 404 host: no caller reports a shared circuit of 'x'\n"), (run.Code, run.Output, run.Error));
    }

    [Fact]
    public void Status_ShowsSidecarsAndWhatTheySay()
    {
        using StubPages pages = new StubPages().Add("http://127.0.0.1:15010/mesh/v1/sidecars", """
            [{"id":"a","service":"orders","namespace":"default","port":8080,"address":"10.0.0.1:15006","ready":true,"lastSeenMilliseconds":120,"sent":"v2","nacked":"","inForce":"v2","findings":[]},
            {"id":"b","service":"","namespace":"shop","port":0,"address":"10.0.0.2:15006","ready":false,"lastSeenMilliseconds":900,"sent":"v2","nacked":"v2","inForce":"v1",
            "findings":[{"rule":"DestinationRule/default/d","severity":"error","path":"spec.host","message":"no such host"}]}]
            """);

        Invocation run = Invocation.Asking(pages, "status");

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal(
            """
            ID  SERVICE              ADDRESS         STATE     SEEN        RULES
            a   orders.default:8080  10.0.0.1:15006  ready     120 ms ago  v2 (current)
            b   (pod in shop)        10.0.0.2:15006  draining  900 ms ago  refuses v2, runs v1
              error: DestinationRule/default/d spec.host: no such host

            """,
            run.Output);
    }

    [Fact]
    public void Status_OfOneReplicaOfThree_SaysSo()
    {
        using StubPages pages = new StubPages { OtherReplicas = "2" }.Add("http://127.0.0.1:15010/mesh/v1/sidecars", "[]");

        Invocation run = Invocation.Asking(pages, "status");

        Assert.Equal((0, "no sidecar is registered\n"), (run.Code, run.Output));
        Assert.StartsWith("meshctl: these are the sidecars of the replica that answered; 2 more replicas have their own", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Lift_SaysWhatWasDone()
    {
        using StubPages pages = new StubPages().Add($"{Page}/force", """{"host":"products","forced":null,"done":"1 of 1 circuits were held and begin closed","circuits":[]}""");

        Assert.Equal("products: decided by what happens again; 1 of 1 circuits were held and begin closed\n", Invocation.Asking(pages, "breaker", "auto", "products").Output);
    }

    [Theory]
    [InlineData("--control-plane-name: http://127.0.0.1:15010/ shows no certificate", "status", "--control-plane-name", "a.svc")]
    [InlineData("--control-plane-name: 'a b' is no name", "status", "--control-plane", "https://127.0.0.1:1", "--control-plane-name", "a b")]
    [InlineData("breaker: nothing to do", "breaker")]
    [InlineData("breaker: 'shut x' is not understood", "breaker", "shut", "x")]
    [InlineData("breaker open: for how long?", "breaker", "open", "x", "--reason", "y")]
    [InlineData("breaker open: why?", "breaker", "open", "x", "--for", "1m")]
    [InlineData("--for: 'soon' is no time", "breaker", "open", "x", "--for", "soon", "--reason", "y")]
    [InlineData("--for: auto holds until somebody decides otherwise", "breaker", "auto", "x", "--for", "1m")]
    [InlineData("breaker list: changes nothing", "breaker", "list", "--for", "1m")]
    [InlineData("--control-plane: 'here' is no address", "breaker", "list", "--control-plane", "here")]
    [InlineData("--control-plane-token: would be sent to mesh:81 for all to read", "breaker", "list", "--control-plane", "http://mesh:81", "--control-plane-token", "t")]
    [InlineData("--control-plane-token: Could not find", "breaker", "list", "--control-plane-token", "/does/not/exist")]
    [InlineData("--control-plane-ca: Could not find", "breaker", "list", "--control-plane-ca", "/does/not/exist")]
    [InlineData("status: 'all' is not understood", "status", "all")]
    [InlineData("--output: 'xml' is no format of status", "status", "-o", "xml")]
    public void WrongUsage_EndsWith2AndOneLine(string message, params string[] arguments)
    {
        Invocation run = Invocation.Of(arguments);

        Assert.Equal((2, ""), (run.Code, run.Output));
        Assert.StartsWith($"meshctl: {message}", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
