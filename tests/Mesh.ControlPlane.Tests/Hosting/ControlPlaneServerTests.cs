using System.IO.Compression;
using System.Net;
using System.Text;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Store;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

public sealed class ControlPlaneServerTests
{
    private const string Products = "products.default.svc.cluster.local";

    [Fact]
    public async Task Start_PrintsTheApiFirst()
    {
        await using ServerBench bench = await ServerBench.StartAsync();

        Assert.Collection(
            bench.Printed,
            line => Assert.Matches(@"^api listening on http://127\.0\.0\.1:[1-9]\d*$", line),
            line => Assert.Matches(@"^metrics listening on http://127\.0\.0\.1:[1-9]\d*$", line));
    }

    [Fact]
    public async Task Start_PortTaken_NamesOptionAndAddress()
    {
        await using ServerBench first = await ServerBench.StartAsync();
        await using ServerBench second = new();
        string taken = first.Client.BaseAddress!.Authority;
        ServeOptions options = CommandLine.Read(["serve", "--listen", taken, "--metrics-listen", "127.0.0.1:0"], static _ => null).Options!;

        IOException error = await Assert.ThrowsAsync<IOException>(() => second.StartAsync(options, static _ => { }));

        Assert.StartsWith($"--listen {taken}: ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Empty(second.Printed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Stream_WholeSetAndThenAChange_ComeCompressedToWhoeverCanReadIt(bool isCompressed)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        for (int i = 0; i < 100; i++)
        {
            bench.Store.Apply($"r{i}", $"{{host: h{i}}}"); // larger than what is written at once
        }

        string id = await bench.RegisterAsync(PushBench.Instance("products-1"));
        using HttpRequestMessage request = new(HttpMethod.Get, $"/mesh/v1/sidecars/{id}/stream");
        request.Headers.TryAddWithoutValidation("Accept-Encoding", isCompressed ? "br, gzip" : "br");
        HttpResponseMessage answer = await bench.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Stream body = await answer.Content.ReadAsStreamAsync();
        await using ServerBench.PushReader stream = new(answer, isCompressed ? new GZipStream(body, CompressionMode.Decompress) : body);
        HashSet<string> rules = [.. (await stream.NextAsync(static p => p.IsFull)).Rules.Select(static r => r.Key.Name)];
        bench.Store.Apply("last");
        while (!rules.Contains("last"))
        {
            rules.UnionWith((await stream.NextAsync())!.Rules.Select(static r => r.Key.Name));
        }

        Assert.Equal(isCompressed ? ["gzip"] : [], answer.Content.Headers.ContentEncoding);
        Assert.Equal(101, rules.Count);
    }

    [Fact]
    public async Task Stream_FromRegistrationToStatus_IsOneConversation()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        RuleKey key = bench.Store.Apply("limits");
        string id = await bench.RegisterAsync(PushBench.Instance("products-1"));
        await using ServerBench.PushReader stream = await bench.FollowAsync(id);

        PushMessage whole = (await stream.NextAsync())!;
        Assert.True(whole.IsFull);
        PushMessage latest = whole.Rules.Length == 1 && whole.Endpoints.ContainsKey(Products)
            ? whole
            : await stream.NextAsync(p => p.Endpoints.ContainsKey(Products) || p.Rules.Length == 1);
        bench.Store.Apply("limits", "{host: products, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}");
        PushMessage changed = await stream.NextAsync(p => p.Rules.Any(r => r.Yaml.Contains("maxConnections: 2", StringComparison.Ordinal)));
        await bench.AckAsync(id, new SidecarAck { Version = changed.Version, Accepted = true });

        await Eventually.HoldsAsync(
            () => bench.Store.Current.Rules[key].Object["status"]?.ToJsonString().Contains("1 of 1 sidecars run generation 2", StringComparison.Ordinal) == true,
            "the status says that the rule is programmed");
        Assert.NotEqual(latest.Version, changed.Version);
        Assert.False(changed.IsFull);
        string metrics = await bench.Client.GetStringAsync(new Uri(bench.Metrics, "/metrics"));
        Assert.Contains("\nmesh_sidecars_connected 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("\nmesh_push_acks_total 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("\nmesh_push_ack_seconds_count 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("\nmesh_rules{kind=\"DestinationRule\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("1 of 1 sidecars run generation 2", await bench.Client.GetStringAsync("/"), StringComparison.Ordinal);
        Assert.Contains($"\"acked\": \"{changed.Version}\"", await bench.Client.GetStringAsync("/mesh/v1/sidecars"), StringComparison.Ordinal);
        Assert.Contains("127.0.0.1:1001", await bench.Client.GetStringAsync("/mesh/v1/endpoints"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_ComesBackWithItsVersion_GetsOnlyWhatItMissed()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        string last;
        await using (ServerBench.PushReader first = await bench.FollowAsync(id))
        {
            last = (await first.NextAsync(p => p.Endpoints.ContainsKey(Products)))!.Version;
        }

        bench.Store.Apply("while-away");
        await using ServerBench.PushReader second = await bench.FollowAsync(id, last);
        PushMessage push = (await second.NextAsync())!;

        Assert.False(push.IsFull);
        Assert.Equal("while-away", Assert.Single(push.Rules).Key.Name);
    }

    [Fact]
    public async Task Stream_OfAFormerRun_GetsTheWholeSetWhenTheGraceEnds()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        bench.Store.Apply("limits");
        await using ServerBench.PushReader stream = await bench.FollowAsync(id, "formerrun-9-abc");

        PushMessage rules = (await stream.NextAsync())!;
        Assert.False(bench.Server.Hub.IsSettled && !rules.IsFull);
        bench.Server.Hub.Settle();
        PushMessage whole = rules.IsFull ? rules : await stream.NextAsync(p => p.IsFull);

        Assert.Contains(Products, whole.Endpoints.Keys);
        Assert.Single(whole.Rules);
    }

    [Fact]
    public async Task Stop_WithAStreamOpen_EndsItAndReturns()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        await using ServerBench.PushReader stream = await bench.FollowAsync(await bench.RegisterAsync(PushBench.Instance("a")));
        await stream.NextAsync(p => p.Endpoints.ContainsKey(Products));

        await bench.Server.StopAsync().WaitAsync(ServerBench.Patience);

        Assert.Null(await stream.NextAsync());
    }

    [Theory]
    [InlineData("POST", "/mesh/v1/sidecars", """{"service":"A","port":1,"address":"127.0.0.1:1"}""", 400, "service: 'A' is no service name")]
    [InlineData("POST", "/mesh/v1/sidecars", """{"service":""", 400, "cannot be read as SidecarRegistration")]
    [InlineData("POST", "/mesh/v1/sidecars", "null", 400, "the body is null")]
    [InlineData("POST", "/mesh/v1/sidecars/nobody/ack", """{"version":"v","accepted":true}""", 404, "no sidecar 'nobody' is registered")]
    [InlineData("POST", "/mesh/v1/sidecars/nobody/report", "{}", 404, "register anew")]
    [InlineData("POST", "/mesh/v1/sidecars/nobody/report", "[]", 400, "cannot be read as SidecarReport")]
    [InlineData("DELETE", "/mesh/v1/sidecars/nobody", "", 404, "no sidecar 'nobody'")]
    [InlineData("GET", "/mesh/v1/sidecars/nobody/stream", "", 404, "no sidecar 'nobody'")]
    public async Task Call_Wrong_IsAnsweredWithWhatIsWrong(string method, string path, string body, int status, string expected)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        request.Content = body.Length == 0 ? null : new StringContent(body, Encoding.UTF8, "application/json");

        using HttpResponseMessage answer = await bench.Client.SendAsync(request);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(expected, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delete_Registered_TakesItsEndpointOut()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string id = await bench.RegisterAsync(PushBench.Instance("a"));

        using HttpResponseMessage answer = await bench.Client.DeleteAsync($"/mesh/v1/sidecars/{id}");

        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.Equal("[]\n", await bench.Client.GetStringAsync("/mesh/v1/sidecars"));
    }

    [Fact]
    public async Task Report_OfAVersionInForce_CountsAsRunningIt()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        RuleKey key = bench.Store.Apply("limits");
        await Eventually.HoldsAsync(() => bench.Server.Hub.Current.Rules.ContainsKey(key), "the rule is part of a version");
        using StringContent report = new($$"""{"version":"{{bench.Server.Hub.Current.Version}}"}""", Encoding.UTF8, "application/json");

        using HttpResponseMessage answer = await bench.Client.PostAsync($"/mesh/v1/sidecars/{id}/report", report);

        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        await Eventually.HoldsAsync(
            () => bench.Store.Current.Rules[key].Object["status"]?.ToJsonString().Contains("1 of 1", StringComparison.Ordinal) == true, "the status counts it");
    }

    [Fact]
    public async Task Report_OfMoreKeysThanThereIsRoomFor_IsHeard()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        string id = await bench.RegisterAsync(PushBench.Instance("a"));
        IEnumerable<string> keys = Enumerable.Range(0, 520).Select(static n => $$"""{"rule":"RateLimit/default/users","cluster":"c","limit":"tokens","key":"{{n:x32}}"}""");
        using StringContent report = new($$"""{"limits":[{{string.Join(',', keys)}}]}""", Encoding.UTF8, "application/json");

        using HttpResponseMessage answer = await bench.Client.PostAsync($"/mesh/v1/sidecars/{id}/report", report);

        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task RejectedFile_IsOnTheMetricsAndTheFirstPage()
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        bench.Store.Rejected = [new RejectedRule("/data/rules/a.yaml:3:1", "spec.host: no")];

        Assert.Contains("\nmesh_rules_rejected 1\n", await bench.Client.GetStringAsync(new Uri(bench.Metrics, "/metrics")), StringComparison.Ordinal);
        Assert.Contains("  NOT TAKEN  /data/rules/a.yaml:3:1  spec.host: no\n", await bench.Client.GetStringAsync("/"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_RefusedWriteAndHealth_AreThere()
    {
        await using ServerBench bench = new();
        ServeOptions options = CommandLine.Read(["serve", "--listen", "127.0.0.1:0"], static _ => null).Options!;
        await bench.StartAsync(options, static routes => routes.MapPost("/apis/x", static context => Answers.TextAsync(context, StatusCodes.Status422UnprocessableEntity, "no")));
        using HttpResponseMessage refused = await bench.Client.PostAsync("/apis/x", null);

        string metrics = await bench.Client.GetStringAsync(new Uri(bench.Metrics, "/metrics"));

        Assert.Contains("\nmesh_rejected_writes_total 1\n", metrics, StringComparison.Ordinal);
        Assert.Equal("ok\n", await bench.Client.GetStringAsync(new Uri(bench.Metrics, "/healthz")));
        Assert.Equal("ok\n", await bench.Client.GetStringAsync(new Uri(bench.Metrics, "/readyz")));
        string[] samples = [.. metrics.Split('\n').Where(static l => l.Length > 0 && l[0] != '#')];
        Assert.All(samples, line => Assert.Matches(@"^mesh_[a-z_]+(\{[a-z]+=""[^""]*""\})? [0-9.eE+-]+$", line));
        string[] families = [.. metrics.Split('\n').Where(static l => l.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(static l => l.Split(' ')[2])];
        Assert.All(samples, line => Assert.Contains(families, family => line.StartsWith(family, StringComparison.Ordinal)));
    }
}
