using System.Text.Json.Nodes;
using Xunit;

namespace Mesh.Injection;

public sealed class PodMetadataTests
{
    [Fact]
    public void Inject_Prometheus_IsLedToTheMergedPage()
    {
        string pod = Pods.With("prometheus.io/port", "8080").Replace("  annotations:", "  annotations:\n    prometheus.io/scrape: 'true'", StringComparison.Ordinal);
        InjectionResult result = Pods.Inject(pod);

        Dictionary<string, string> annotations = result.Metadata.Map("annotations").Texts();
        Assert.Equal(
            ("true", "15020", "/stats/prometheus"),
            (annotations["prometheus.io/scrape"], annotations["prometheus.io/port"], annotations["prometheus.io/path"]));
        Assert.Equal("""{"scrape":"true","path":"","port":"8080"}""", result.Container("initContainers", "mesh-proxy").Variable(PodMetadata.MetricsVariable));
    }

    [Theory]
    [InlineData("prometheus.io/scrape", "false")]
    [InlineData("prometheus.istio.io/merge-metrics", "false")]
    public void Inject_PrometheusNotWanted_StaysAsItIs(string key, string value)
    {
        InjectionResult result = Pods.Inject(Pods.With(key, value));

        Assert.Null(result.Metadata.Map("annotations").Text("prometheus.io/port"));
        Assert.Null(result.Container("initContainers", "mesh-proxy").Variable(PodMetadata.MetricsVariable));
    }

    [Theory]
    [InlineData("{app: orders, version: v2}", "orders", "v2")]
    [InlineData("{app.kubernetes.io/name: a, app: b, app.kubernetes.io/version: '1', version: '2'}", "a", "1")]
    [InlineData("{service.istio.io/canonical-name: own, service.istio.io/canonical-revision: r}", "own", "r")]
    [InlineData("{}", "orders", "latest")]
    public void Inject_CanonicalLabels_AsIstio(string labels, string name, string revision)
    {
        InjectionResult result = Pods.Inject($"metadata: {{labels: {labels}}}\nspec: {{containers: [{{name: app}}]}}");

        Assert.Equal((name, revision), (result.Metadata.Map("labels").Text(Names.CanonicalName), result.Metadata.Map("labels").Text(Names.CanonicalRevision)));
    }

    [Fact]
    public void Inject_Status_NamesWhatWasAdded()
    {
        Assert.Equal(
            """{"initContainers":["mesh-init","mesh-proxy"],"containers":[],"volumes":["mesh-state","mesh-token","mesh-root","mesh-pod"],"revision":"default"}""",
            Pods.Inject(Pods.Plain).Metadata.Map("annotations").Text(Names.StatusKey));
    }

    [Theory]
    [InlineData("""{"generateName":"orders-7d9c-","labels":{"pod-template-hash":"7d9c"},"ownerReferences":[{"name":"orders-7d9c","controller":true}]}""", "orders")]
    [InlineData("""{"generateName":"db-","ownerReferences":[{"name":"x"},{"name":"db","controller":true}]}""", "db")]
    [InlineData("""{"generateName":"one-off-"}""", "one-off")]
    [InlineData("""{"name":"alone"}""", "alone")]
    [InlineData("{}", "")]
    public void Of_Pod_IsTheWorkload(string metadata, string workload) => Assert.Equal(workload, WorkloadName.Of(JsonNode.Parse(metadata) as JsonObject));
}
