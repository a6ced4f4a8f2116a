using System.Net;
using System.Text;
using Mesh.Testing;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>A control plane and three sidecars that share a circuit: one caller's failures open it for all, and it outlives neither the last word nor the control plane that gave it.</summary>
public sealed class SharedCircuitTests : IDisposable
{
    private const string Circuit = """
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: CircuitBreaker
        metadata: {name: partner}
        spec:
          host: partner.example
          scope: mesh
          slidingWindowSize: 10
          minimumNumberOfCalls: 10
          permittedNumberOfCallsInHalfOpenState: 2
          waitDurationInOpenState: 2s
        """;

    private static readonly Uri Partner = new("http://partner.example/");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    [EffectOf("CircuitBreaker", "scope")]
    public async Task OneCallersFailures_OpenForAll_AndTheLastWordEndsOnTime()
    {
        await using EchoUpstream partner = await EchoUpstream.StartAsync();
        MeshProcess control = ControlPlane("127.0.0.1:0");
        Uri api = await control.AddressAsync("api");
        await using MeshProcess one = Sidecar("one:8080", api);
        await using MeshProcess two = Sidecar("two:8080", api);
        await using MeshProcess three = Sidecar("three:8080", api);
        MeshProcess[] all = [one, two, three];
        using HttpClient first = Proxied.Client(await one.AddressAsync("outbound"));
        using HttpClient second = Proxied.Client(await two.AddressAsync("outbound"));
        long epoch;
        await using (control)
        {
            await ApplyAsync(api, Rules.Partner(partner.Address), "/apis/networking.istio.io/v1/namespaces/default/serviceentries/partner");
            await ApplyAsync(api, Circuit, "/apis/resilience.mesh.dev/v1alpha1/namespaces/default/circuitbreakers/partner");
            await StateAsync(all, "envoy_cluster_breaker_mesh_epoch", static epoch => epoch > 0, "all follow the control plane");

            partner.Status = 500;
            await CallUntilAsync(first, HttpStatusCode.ServiceUnavailable);
            await StateAsync(all, "envoy_cluster_breaker_state", static state => state == 1, "it is open for all");
            int served = partner.Served;
            using HttpResponseMessage refused = await second.GetAsync(Partner);
            Assert.Equal((HttpStatusCode.ServiceUnavailable, served), (refused.StatusCode, partner.Served)); // the second has never seen it fail
            Assert.Matches("^circuit_open; rule=default/partner#spec.failureRateThreshold; limit=50; now=100; scope=mesh$", refused.Headers.GetValues("x-mesh-reason").Single());

            partner.Status = 200;
            await Eventually.TrueAsync(
                async () =>
                {
                    (await first.GetAsync(Partner)).Dispose(); // the prober: nobody else may make the calls on trial
                    return await IsAsync(all, "envoy_cluster_breaker_state", static state => state == 0);
                },
                () => "it is not closed for all");
            Assert.Equal(HttpStatusCode.OK, (await second.GetAsync(Partner)).StatusCode);

            partner.Status = 500;
            await CallUntilAsync(first, HttpStatusCode.ServiceUnavailable);
            await StateAsync(all, "envoy_cluster_breaker_state", static state => state == 1, "it is open again");
            epoch = (long)await Proxied.MetricAsync(await two.AddressAsync("metrics"), "envoy_cluster_breaker_mesh_epoch", "partner.example");
            await control.KillAsync();
        }

        await StateAsync(all, "envoy_cluster_breaker_mesh_expired", static count => count > 0, "the last word is over");
        await StateAsync(all, "envoy_cluster_breaker_state", static state => state == 0, "each is on its own, and begins closed");
        Assert.Equal(HttpStatusCode.InternalServerError, (await second.GetAsync(Partner)).StatusCode);

        partner.Status = 200;
        await using MeshProcess next = ControlPlane(api.Authority);
        await StateAsync(all, "envoy_cluster_breaker_mesh_epoch", value => value > epoch, "all follow the next control plane");
        Assert.Equal(HttpStatusCode.OK, (await second.GetAsync(Partner)).StatusCode);
        foreach (MeshProcess sidecar in all)
        {
            await Proxied.AssertNoBugAsync(sidecar);
        }
    }

    private static Task CallUntilAsync(HttpClient client, HttpStatusCode status) => Eventually.TrueAsync(
        async () =>
        {
            using HttpResponseMessage answer = await client.GetAsync(Partner);
            return answer.StatusCode == status;
        },
        () => $"no call was answered {status}");

    private static Task StateAsync(MeshProcess[] sidecars, string metric, Func<double, bool> isReached, string otherwise) =>
        Eventually.TrueAsync(() => IsAsync(sidecars, metric, isReached), () => $"not so: {otherwise}");

    private static async Task<bool> IsAsync(MeshProcess[] sidecars, string metric, Func<double, bool> isReached)
    {
        foreach (MeshProcess sidecar in sidecars)
        {
            if (!isReached(await Proxied.MetricAsync(await sidecar.AddressAsync("metrics"), metric, "partner.example")))
            {
                return false;
            }
        }

        return true;
    }

    private static async Task ApplyAsync(Uri api, string yaml, string path)
    {
        using HttpClient kubectl = Proxied.Direct();
        using StringContent body = new(yaml, Encoding.UTF8, "application/apply-patch+yaml");
        using HttpResponseMessage answer = await kubectl.PatchAsync(new Uri(api, path + "?fieldManager=test&force=true"), body);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private MeshProcess ControlPlane(string listen) => MeshProcess.Start("Mesh.ControlPlane", "serve", "--listen", listen, "--metrics-listen", "127.0.0.1:0", "--data", _scratch.Folder("data"));

    private static MeshProcess Sidecar(string service, Uri api) => MeshProcess.Sidecar("--service", service, "--app", "127.0.0.1:9", "--control-plane", api.AbsoluteUri);
}
