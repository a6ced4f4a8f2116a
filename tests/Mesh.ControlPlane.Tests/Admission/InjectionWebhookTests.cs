using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Admission;
using Mesh.ControlPlane.Api;
using Mesh.Injection;
using Mesh.Injection.Manifests;
using Mesh.Rules.Reading;
using Xunit;

namespace Mesh.ControlPlane.Tests.Admission;

public sealed class InjectionWebhookTests
{
    private static readonly InjectionWebhook Webhook = new(InjectionSettings.Default);

    [Fact]
    public void Answer_NewPod_PatchesAsMeshctlInjects()
    {
        Random random = new(20261121);
        for (int i = 0; i < 300; i++)
        {
            JsonObject pod = RandomPod(random);
            InjectionSettings settings = InjectionSettings.Default with { Native = (NativeSidecar)random.Next(3), HoldsApplication = random.Next(2) == 0 };

            AdmissionAnswer answer = new InjectionWebhook(settings).Answer(Reviews.Request("CREATE", "", "pods", pod.ToJsonString()));
            ManifestResult injected = ManifestInjector.Inject(pod.ToJsonString(), "shop", settings);

            Assert.True(answer.IsAllowed, answer.Message);
            JsonObject patched = MergePatch.Json((JsonObject)pod.DeepClone(), answer.Patch ?? []);
            JsonObject expected = RuleJson.FromManifest(injected.Text).Object!;
            Assert.True(JsonNode.DeepEquals(expected, patched), $"pod {i}: {pod.ToJsonString()}\nwebhook: {patched.ToJsonString()}\nmeshctl: {expected.ToJsonString()}");
        }
    }

    [Fact]
    public void Answer_PodOfADeployment_IsNamedAfterIt()
    {
        JsonObject patched = MergePatch.Json((JsonObject)JsonNode.Parse(Reviews.Pod.Replace("\"app\":\"orders\",", "", StringComparison.Ordinal))!,
            Webhook.Answer(Reviews.Request("CREATE", "", "pods", Reviews.Pod.Replace("\"app\":\"orders\",", "", StringComparison.Ordinal))).Patch!);

        Assert.Equal("orders", (string?)patched["metadata"]!["labels"]!["service.istio.io/canonical-name"]);
    }

    [Theory]
    [InlineData("UPDATE", "", "pods", "")]
    [InlineData("CREATE", "", "pods", "ephemeralcontainers")]
    [InlineData("CREATE", "", "services", "")]
    [InlineData("CREATE", "metrics.k8s.io", "pods", "")]
    public void Answer_AnythingElse_GoesOnAsItIs(string operation, string group, string resource, string subResource)
    {
        AdmissionAnswer answer = Webhook.Answer(Reviews.Request(operation, group, resource, Reviews.Pod, subResource: subResource));

        Assert.True(answer.IsAllowed);
        Assert.Null(answer.Patch);
    }

    [Fact]
    public void Answer_InjectedPod_IsNotPatchedAgain()
    {
        JsonObject once = MergePatch.Json((JsonObject)JsonNode.Parse(Reviews.Pod)!, Webhook.Answer(Reviews.Request("CREATE", "", "pods", Reviews.Pod)).Patch!);

        Assert.Null(Webhook.Answer(Reviews.Request("CREATE", "", "pods", once.ToJsonString())).Patch);
    }

    [Fact]
    public void Answer_WrongAnnotation_RefusesAndSaysWhatToWrite()
    {
        string pod = Reviews.Pod.Replace("\"labels\"", "\"annotations\":{\"sidecar.istio.io/proxyCPU\":\"half\"},\"labels\"", StringComparison.Ordinal);
        JsonObject review = Webhook.Answer(Reviews.Request("CREATE", "", "pods", pod)).ToReview("u");

        Assert.Equal(
            """{"uid":"u","allowed":false,"status":{"status":"Failure","code":400,"reason":"BadRequest","message":"the pod cannot get its sidecar: annotation sidecar.istio.io/proxyCPU: \u0027half\u0027 is not right; write a quantity, for example \u0022100m\u0022 or \u0022128Mi\u0022"}}""",
            review["response"]!.ToJsonString());
    }

    [Fact]
    public void ToReview_Patch_IsBase64AndNamesItsType()
    {
        JsonObject review = Webhook.Answer(Reviews.Request("CREATE", "", "pods", Reviews.Pod)).ToReview("u");

        Assert.Equal(("admission.k8s.io/v1", "AdmissionReview"), ((string?)review["apiVersion"], (string?)review["kind"]));
        JsonNode response = review["response"]!;
        Assert.Equal(("u", true, "JSONPatch"), ((string?)response["uid"], (bool)response["allowed"]!, (string?)response["patchType"]));
        JsonArray patch = (JsonArray)JsonNode.Parse(Encoding.UTF8.GetString(Convert.FromBase64String((string)response["patch"]!)))!;
        Assert.Contains(patch, static o => (string?)o!["path"] == "/spec/initContainers" && (string?)o["op"] == "add");
        Assert.DoesNotContain(patch, static o => (string?)o!["path"] == "/spec/containers");
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("no json")]
    [InlineData("""{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","uid":"v","resource":{}}}""")]
    [InlineData("""{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u","resource":{}}}""")]
    [InlineData("""{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"resource":{}}}""")]
    [InlineData("""{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}""")]
    public void Read_NoReview_SaysWhatIsWrong(string text)
    {
        (AdmissionRequest? request, string? problem) = AdmissionRequest.Read(Encoding.UTF8.GetBytes(text));

        Assert.Null(request);
        Assert.NotEmpty(problem!);
    }

    private static JsonObject RandomPod(Random random)
    {
        JsonObject metadata = new() { ["name"] = "p" };
        AddSome(metadata, "labels", [("app", "orders"), ("version", "v2"), ("a/b~c", "x"), ("sidecar.istio.io/inject", "true"), ("sidecar.istio.io/inject", "false")]);
        AddSome(metadata, "annotations",
        [
            ("prometheus.io/scrape", "false"), ("prometheus.io/port", "80"), ("traffic.sidecar.istio.io/excludeInboundPorts", "22"),
            ("sidecar.istio.io/interceptionMode", "NONE"), ("sidecar.istio.io/userVolume", "{\"u\":{\"emptyDir\":{}}}"), ("other/~key", "line\nline"),
        ]);
        JsonObject spec = new() { ["containers"] = Containers(1 + random.Next(3), "c") };
        if (random.Next(2) == 0)
        {
            spec["initContainers"] = Containers(random.Next(3), "i");
        }

        if (random.Next(3) == 0)
        {
            spec["volumes"] = new JsonArray(new JsonObject { ["name"] = "data", ["emptyDir"] = new JsonObject() });
        }

        if (random.Next(10) == 0)
        {
            spec["hostNetwork"] = true;
        }

        return new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = metadata, ["spec"] = spec };

        JsonArray Containers(int count, string prefix)
        {
            JsonArray containers = [];
            for (int i = 0; i < count; i++)
            {
                JsonObject container = new() { ["name"] = $"{prefix}{i}", ["image"] = "a:1", ["ports"] = new JsonArray(new JsonObject { ["name"] = "web", ["containerPort"] = 80 }) };
                if (random.Next(2) == 0)
                {
                    container["livenessProbe"] = new JsonObject { ["httpGet"] = new JsonObject { ["path"] = "/", ["port"] = random.Next(2) == 0 ? "web" : "none" } };
                }

                if (prefix == "i" && random.Next(2) == 0)
                {
                    container["restartPolicy"] = "Always";
                }

                containers.Add((JsonNode)container);
            }

            return containers;
        }

        void AddSome(JsonObject map, string name, (string Key, string Value)[] pairs)
        {
            foreach ((string key, string value) in pairs.Where(_ => random.Next(4) == 0))
            {
                map[name] ??= new JsonObject();
                map[name]![key] = value;
            }
        }
    }
}
