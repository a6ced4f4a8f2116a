using System.Net;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Admission;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Tests.Store;
using Mesh.Injection;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Admission;

public sealed class WebhookServerTests
{
    [Fact]
    public async Task Inject_NewPod_IsAnsweredWithAPatchThroughTheBundlesTrust()
    {
        using TemporaryFolder folder = new();
        await using WebhookBench bench = await WebhookBench.StartAsync(folder.Path);
        using HttpResponseMessage answer = await bench.PostAsync("/inject", Reviews.Review("CREATE", "", "pods", Reviews.Pod, dryRun: true).ToJsonString());

        Assert.Equal((HttpStatusCode.OK, "application/json"), (answer.StatusCode, answer.Content.Headers.ContentType!.MediaType));
        JsonNode response = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["response"]!;
        Assert.Equal(("705ab4f5-6393-11e8-b7cc-42010a800002", true), ((string?)response["uid"], (bool)response["allowed"]!));
        Assert.NotNull(response["patch"]);
    }

    [Fact]
    public async Task Validate_BadRule_IsRefused()
    {
        using TemporaryFolder folder = new();
        await using WebhookBench bench = await WebhookBench.StartAsync(folder.Path);
        const string Rule = """{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"r","namespace":"shop"},"spec":{"host":""}}""";
        using HttpResponseMessage answer = await bench.PostAsync("/validate", Reviews.Review("CREATE", "networking.istio.io", "destinationrules", Rule).ToJsonString());

        Assert.False((bool)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["response"]!["allowed"]!);
    }

    [Fact]
    public async Task Post_Calls_AreCountedByTheirResult()
    {
        using TemporaryFolder folder = new();
        await using WebhookBench bench = await WebhookBench.StartAsync(folder.Path);
        const string Rule = """{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"r","namespace":"shop"},"spec":{"host":""}}""";
        (await bench.PostAsync("/inject", Reviews.Review("CREATE", "", "pods", Reviews.Pod).ToJsonString())).Dispose();
        (await bench.PostAsync("/inject", "{}")).Dispose();
        (await bench.PostAsync("/validate", Reviews.Review("CREATE", "networking.istio.io", "destinationrules", Rule).ToJsonString())).Dispose();
        const string Last = "mesh_webhook_requests_total{path=\"/validate\",result=\"refused\"} 1\n";
        await Eventually.HoldsAsync(() => bench.Metrics().Contains(Last, StringComparison.Ordinal), "the last call is counted");

        Assert.Contains("mesh_webhook_requests_total{path=\"/inject\",result=\"allowed\"} 1\n", bench.Metrics(), StringComparison.Ordinal);
        Assert.Contains("mesh_webhook_requests_total{path=\"/inject\",result=\"invalid\"} 1\n", bench.Metrics(), StringComparison.Ordinal);
        Assert.Contains("mesh_webhook_certificate_expiry_seconds 77", bench.Metrics(), StringComparison.Ordinal); // 90 days are 7,776,000 s
    }

    [Theory]
    [InlineData("/inject", "{}", "text/plain", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("/inject", "{}", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("/inject", "no json", "application/json; charset=utf-8", HttpStatusCode.BadRequest)]
    [InlineData("/other", "{}", "application/json", HttpStatusCode.NotFound)]
    public async Task Post_NotAReview_IsAnsweredByWhatIsWrong(string path, string body, string type, HttpStatusCode status)
    {
        using TemporaryFolder folder = new();
        await using WebhookBench bench = await WebhookBench.StartAsync(folder.Path);
        using HttpResponseMessage answer = await bench.PostAsync(path, body, type);

        Assert.Equal(status, answer.StatusCode);
    }

    [Fact]
    public async Task Post_TooLong_Is413()
    {
        using TemporaryFolder folder = new();
        await using WebhookBench bench = await WebhookBench.StartAsync(folder.Path);
        using HttpResponseMessage answer = await bench.PostAsync("/inject", new string(' ', WebhookServer.MaxBodyBytes + 1));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    [Fact]
    public async Task Start_Again_ShowsTheCertificateThatIsKept()
    {
        using TemporaryFolder folder = new();
        await (await WebhookBench.StartAsync(folder.Path)).DisposeAsync();
        string kept = await File.ReadAllTextAsync(folder.File("webhook", "webhook.json"));

        await using WebhookBench bench = await WebhookBench.StartAsync(folder.Path);

        Assert.Equal(kept, await File.ReadAllTextAsync(folder.File("webhook", "webhook.json")));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.File("webhook", "webhook.json")));
        }

        using HttpResponseMessage answer = await bench.PostAsync("/inject", Reviews.Review("DELETE", "", "pods", null).ToJsonString());
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory]
    [InlineData("image: registry.example/sidecar:2", null)]
    [InlineData("imag: x", "imag: there is no such setting")]
    public void ReadSettings_File_IsTakenOrNamed(string text, string? problem)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("settings.yaml"), text);

        (InjectionSettings? settings, string? found) = Webhooks.ReadSettings(new ServeOptions { InjectionSettings = folder.File("settings.yaml") });

        Assert.Equal(problem is null ? "registry.example/sidecar:2" : null, settings?.Image);
        Assert.Equal(problem is not null, found?.StartsWith($"--injection-settings: {folder.File("settings.yaml")}: {problem}", StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public void ReadSettings_NoSuchFile_SaysSo() =>
        Assert.StartsWith("--injection-settings: ", Webhooks.ReadSettings(new ServeOptions { InjectionSettings = "/does/not/exist" }).Problem, StringComparison.Ordinal);
}
