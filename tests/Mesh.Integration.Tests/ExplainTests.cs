using System.Net;
using Mesh.Cli;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>From a refusal at a real sidecar to the words about it: the id in the answer is all that its caller needs.</summary>
public sealed class ExplainTests : IDisposable
{
    private static readonly Uri Partner = new("http://partner.example/hello?card=4711");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Refusal_ForAFullQueue_IsExplainedDownToTheLine()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        upstream.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _scratch.Folder("rules");
        _scratch.File("rules/0.yaml", Rules.Partner(upstream.Address));
        string limits = _scratch.File("rules/1.yaml", Rules.Limits("partner.example", 1, 1));
        await using MeshProcess sidecar = MeshProcess.Sidecar("--rules", Path.Combine(_scratch.Path, "rules"), "--service", "caller:8080", "--app", "127.0.0.1:9", "--dns", "127.0.0.1:9");
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));
        Uri metrics = await sidecar.AddressAsync("metrics");
        string admin = (await sidecar.AddressAsync("admin")).ToString();

        Task<HttpResponseMessage> first = client.GetAsync(Partner);
        await Eventually.TrueAsync(() => upstream.Active == 1, () => "the first request did not arrive");
        Task<HttpResponseMessage> second = client.GetAsync(Partner);
        await Eventually.TrueAsync(
            async () => await Proxied.MetricAsync(metrics, "envoy_cluster_upstream_rq_pending_active", "partner.example") == 1,
            () => "the second request does not wait");
        using HttpResponseMessage third = await client.GetAsync(Partner);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, third.StatusCode);
        string id = third.Headers.GetValues("x-request-id").Single();
        (int code, string text) = Explain(id, "--admin", admin, "-f", limits);
        Assert.Equal(0, code);
        Assert.StartsWith($"request {id}  GET partner.example/hello   outbound at sidecar caller", text, StringComparison.Ordinal); // without the query
        Assert.Contains("503 UO pending_overflow, after ", text, StringComparison.Ordinal);
        Assert.Contains($"DestinationRule default/limits#spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests = 1   {limits}:9\n", text, StringComparison.Ordinal);
        Assert.Contains("connections 1/1   waiting 1/1   in progress 1/unlimited", text, StringComparison.Ordinal);
        Assert.Contains("would pass if  http.http1MaxPendingRequests were at least 2\n", text, StringComparison.Ordinal);

        (code, text) = Explain("host", "partner.example", "--admin", admin);
        Assert.Equal(0, code);
        Assert.Matches(@"http\.http1MaxPendingRequests +1 +now 1 +DestinationRule default/limits#spec\.trafficPolicy\.connectionPool\n", text);
        Assert.Contains($"{id}  refused  pending_overflow: ", text, StringComparison.Ordinal);

        (code, text) = Explain("rule", "dr/limits", "--admin", admin);
        Assert.Equal(0, code);
        Assert.Contains("in force at sidecar caller for cluster outbound|80||partner.example\n", text, StringComparison.Ordinal);
        Assert.Contains("decided once at sidecar caller: pending_overflow, refused, by http.http1MaxPendingRequests, scope sidecar\n", text, StringComparison.Ordinal);
        Assert.Equal(1, await Proxied.MetricAsync(metrics, "mesh_decisions_total", "verdict=\"refused\""));

        Assert.Equal(1, Explain("no-such-id", "--admin", admin).Code);
        upstream.Gate.SetResult();
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.OK], [(await first).StatusCode, (await second).StatusCode]);
        await Proxied.AssertNoBugAsync(sidecar);
    }

    private static (int Code, string Output) Explain(params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = Application.Run(["explain", .. arguments], TextReader.Null, output, error);
        return (code, output.ToString());
    }
}
