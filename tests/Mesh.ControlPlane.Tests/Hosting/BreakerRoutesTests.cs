using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Tests.Coordination;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

/// <summary>Reports, orders and decisions by hand over the real routes.</summary>
public sealed class BreakerRoutesTests
{
    private static readonly SidecarReport Shared = new() { ActiveRequests = 7, Circuits = [new CircuitReport { Rule = SharedCircuitsTests.Rule, Cluster = CircuitBench.Cluster }] };

    [Fact]
    public async Task Report_SharesNothing_IsAnsweredAsEver()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string id = await bench.RegisterAsync(PushBench.Instance("a"));

        Assert.Null(await ReportAsync(bench, id, new SidecarReport()));
    }

    [Theory]
    [InlineData("""{"circuits":[null]}""", "circuits[0]: is null; leave it out\n")]
    [InlineData("""{"limits":[{"rule":"r","cluster":"c","limit":"l"},null]}""", "limits[1]: is null; leave it out\n")]
    [InlineData("""{"circuits":[{"rule":"r","cluster":"LONG"}]}""", "circuits[0]: its names have 601 letters; write the rule's and the upstream's, 512 at most together\n")]
    [InlineData("""{"limits":[MANY]}""", "limits: 501 entries; write 500 at most\n")]
    public async Task Report_ThatCannotBe_IsRefusedWithThePlace(string report, string expected)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        string many = string.Join(',', Enumerable.Repeat("""{"rule":"r","cluster":"c","limit":"l"}""", 501));
        using StringContent body = new(report.Replace("LONG", new string('x', 600), StringComparison.Ordinal).Replace("MANY", many, StringComparison.Ordinal));

        using HttpResponseMessage answer = await bench.Client.PostAsync($"/mesh/v1/sidecars/{id}/report", body);

        Assert.Equal((HttpStatusCode.BadRequest, expected), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
    }

    [Fact]
    public async Task Report_OfAnothersRule_IsNotBelieved()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        bench.Store.Add(SharedCircuitsTests.Yaml());
        string own = await bench.RegisterAsync(PushBench.Instance("a"));
        string other = await bench.RegisterAsync(PushBench.Instance("b", ns: "shop"));

        Assert.NotNull(await ReportAsync(bench, own, Shared));
        Assert.Null(await ReportAsync(bench, other, Shared));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ByHand_ReachesStreamAndReport_AndIsLifted(bool isCompressed)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        bench.Store.Add(SharedCircuitsTests.Yaml());
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        Assert.Empty((await ReportAsync(bench, id, Shared))!.Circuits); // nothing is decided yet
        using HttpRequestMessage request = new(HttpMethod.Get, $"/mesh/v1/sidecars/{id}/stream");
        request.Headers.TryAddWithoutValidation("Accept-Encoding", isCompressed ? "gzip" : "identity");
        using HttpResponseMessage stream = await bench.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Stream body = await stream.Content.ReadAsStreamAsync();
        IAsyncEnumerator<SseItem<string>> events = SseParser.Create(isCompressed ? new GZipStream(body, CompressionMode.Decompress) : body).EnumerateAsync().GetAsyncEnumerator();

        (HttpStatusCode status, JsonNode answer) = await ForceAsync(bench, """{"host":"partner.example.com","state":"open","forMilliseconds":60000,"reason":"maintenance"}""");

        Assert.Equal((HttpStatusCode.OK, "open"), (status, (string?)answer["circuits"]![0]!["state"]));
        CircuitOrder open = (await NextOrdersAsync(events)).Circuits.Single();
        Assert.Equal((CircuitState.Open, CircuitBench.Cluster), (open.State, open.Cluster));
        Assert.InRange(open.TtlMilliseconds, 40_000, 60_000);
        Assert.Equal(open.Epoch, (await ReportAsync(bench, id, Shared))!.Circuits.Single().Epoch);

        using HttpResponseMessage lifted = await bench.Client.DeleteAsync("/mesh/v1/breakers/force?host=partner.example.com");
        Assert.Equal(HttpStatusCode.OK, lifted.StatusCode);
        CircuitOrder closed = (await NextOrdersAsync(events)).Circuits.Single();
        Assert.Equal(CircuitState.Closed, closed.State);
        Assert.True(closed.Epoch > open.Epoch);
        await events.DisposeAsync();
    }

    [Fact]
    public async Task Page_SaysEverything()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        bench.Store.Add(SharedCircuitsTests.Yaml());
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        await ReportAsync(bench, id, Shared);
        await ForceAsync(bench, """{"host":"partner.example.com","state":"disabled","forMilliseconds":60000,"reason":"a test"}""");

        JsonNode page = JsonNode.Parse(await bench.Client.GetStringAsync("/mesh/v1/breakers"))!;

        JsonNode circuit = page["circuits"]!.AsArray().Single()!;
        Assert.Equal(
            (SharedCircuitsTests.Rule, CircuitBench.Cluster, "partner.example.com", "closed", true),
            ((string?)circuit["rule"], (string?)circuit["cluster"], (string?)circuit["host"], (string?)circuit["state"], (bool?)circuit["decided"]));
        Assert.Equal(("disabled", "a test", "somebody at 127.0.0.1"), ((string?)circuit["forced"]!["state"], (string?)circuit["forced"]!["reason"], (string?)circuit["forced"]!["by"]));
        Assert.Equal("a", (string?)circuit["callers"]![0]!["id"]);
        Assert.Equal((false, 7.0), ((bool?)circuit["callers"]![0]!["callsNow"], (double?)circuit["callers"]![0]!["load"]));
        string text = await bench.Client.GetStringAsync("/mesh/v1/breakers?format=text");
        Assert.StartsWith("HOST                 STATE   SINCE ", text, StringComparison.Ordinal);
        Assert.Matches("\npartner.example.com  closed  .*  0%      0%    1        CircuitBreaker/default/partner\n  disabled by hand until .*: a test \\(somebody at 127.0.0.1\\)\n$", text);
        Assert.Contains("by hand, somebody at 127.0.0.1: circuits of partner.example.com are disabled until", page["events"]![0]!["text"]!.ToString(), StringComparison.Ordinal);
        string metrics = await bench.Client.GetStringAsync(new Uri(bench.Metrics, "/metrics"));
        Assert.Contains($"\nmesh_circuit_forced{{rule=\"{SharedCircuitsTests.Rule}\",cluster=\"{CircuitBench.Cluster}\"}} 1\n", metrics, StringComparison.Ordinal);
        RuleKey key = new("CircuitBreaker", "default", "partner");
        await Eventually.HoldsAsync(
            () => bench.Store.Current.Rules[key].Object["status"]?["validationMessages"]?.ToJsonString().Contains("is disabled until", StringComparison.Ordinal) == true,
            "the rule's status says what was done by hand");
    }

    [Theory]
    [InlineData("""{"host":"partner.example.com","state":"shut","forMilliseconds":1}""", 400, "state: 'shut' is none; write open, closed, disabled or auto")]
    [InlineData("""{"host":"partner.example.com","state":"open"}""", 400, "forMilliseconds: must be in 1..86400000")]
    [InlineData("""{"host":"partner.example.com","state":"open","forMilliseconds":86400001}""", 400, "belongs into the rule")]
    [InlineData("""{"host":"partner.example.com","state":"open","forMilliseconds":1,"reason":"a\nb"}""", 400, "reason: write one line")]
    [InlineData("""{"state":"open"}""", 400, "cannot be read as ForceRequest")]
    [InlineData("""{"host":"other","state":"open","forMilliseconds":1}""", 404, "no caller reports a shared circuit of 'other'; write one of partner.example.com, shop.a.svc.cluster.local, shop.b.svc.cluster.local")]
    [InlineData("""{"host":"shop","state":"open","forMilliseconds":1}""", 409, "may be shop.a.svc.cluster.local or shop.b.svc.cluster.local; write which")]
    [InlineData("""{"host":"shop.a","state":"open","forMilliseconds":1}""", 200, "\"host\": \"shop.a.svc.cluster.local\"")]
    public async Task ByHand_Wrong_IsAnsweredWithWhatIsWrong(string request, int status, string expected)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        bench.Store.Add(SharedCircuitsTests.Yaml());
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        CircuitReport circuit = Shared.Circuits[0];
        await ReportAsync(bench, id, new SidecarReport
        {
            Circuits = [circuit, circuit with { Cluster = "outbound|80||shop.a.svc.cluster.local" }, circuit with { Cluster = "outbound|80||shop.b.svc.cluster.local" }],
        });

        using HttpResponseMessage answer = await bench.Client.PostAsync("/mesh/v1/breakers/force", new StringContent(request));

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(expected, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/mesh/v1/breakers")]
    [InlineData("POST", "/mesh/v1/breakers/force")]
    [InlineData("DELETE", "/mesh/v1/breakers/force?host=a")]
    public async Task Page_IsForOperatorsOnly(string method, string path)
    {
        await using DoorBench bench = await DoorBench.StartAsync();

        (HttpStatusCode refused, _) = await bench.CallAsync(new HttpMethod(method), path, DoorBench.Token("shop/products/products-1"));
        (HttpStatusCode operators, _) = await bench.CallAsync(new HttpMethod(method), path, DoorBench.Token("mesh/operators"));

        Assert.Equal(HttpStatusCode.Forbidden, refused);
        Assert.NotEqual(HttpStatusCode.Forbidden, operators);
    }

    private static async Task<SidecarOrders?> ReportAsync(ServerBench bench, string id, SidecarReport report)
    {
        using HttpResponseMessage answer = await bench.Client.PostAsJsonAsync($"/mesh/v1/sidecars/{id}/report", report, WireJson.Default.SidecarReport);
        answer.EnsureSuccessStatusCode();
        return answer.StatusCode == HttpStatusCode.NoContent ? null : await answer.Content.ReadFromJsonAsync(WireJson.Default.SidecarOrders);
    }

    private static async Task<(HttpStatusCode Status, JsonNode Answer)> ForceAsync(ServerBench bench, string request)
    {
        using HttpResponseMessage answer = await bench.Client.PostAsync("/mesh/v1/breakers/force", new StringContent(request));
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
    }

    private static async Task<SidecarOrders> NextOrdersAsync(IAsyncEnumerator<SseItem<string>> events)
    {
        do
        {
            Assert.True(await events.MoveNextAsync().AsTask().WaitAsync(ServerBench.Patience));
        }
        while (events.Current.EventType != SseWriter.OrdersEvent || events.Current.Data == """{"circuits":[],"limits":[]}""");

        Assert.Null(events.Current.EventId); // no version that a stream could go on from
        return JsonSerializer.Deserialize(events.Current.Data, WireJson.Default.SidecarOrders)!;
    }
}
