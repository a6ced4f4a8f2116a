using System.Text.Json.Nodes;
using Xunit;

namespace Mesh.Injection;

public sealed class ProbeRewriterTests
{
    private const string Pod = """
        spec:
          initContainers:
          - name: cache
            restartPolicy: Always
            readinessProbe: {tcpSocket: {port: 6379}}
          containers:
          - name: app
            ports: [{name: web, containerPort: 8080}]
            livenessProbe:
              httpGet: {path: /live, port: web, scheme: HTTPS, httpHeaders: [{name: X-A, value: b}]}
              timeoutSeconds: 7
              periodSeconds: 20
            readinessProbe: {grpc: {port: 9000, service: ready}}
            startupProbe: {exec: {command: ["true"]}}
            lifecycle: {preStop: {httpGet: {path: /bye, port: 8080}}}
        """;

    [Fact]
    public void Inject_Probes_AskTheSidecar()
    {
        InjectionResult result = Pods.Inject(Pod);

        JsonObject app = result.Container("containers", "app");
        Assert.Equal(
            """{"timeoutSeconds":7,"periodSeconds":20,"httpGet":{"path":"/app-health/app/livez","port":15020}}""", app["livenessProbe"]!.ToJsonString());
        Assert.Equal("""{"httpGet":{"path":"/app-health/app/readyz","port":15020}}""", app["readinessProbe"]!.ToJsonString());
        Assert.Equal("""{"exec":{"command":["true"]}}""", app["startupProbe"]!.ToJsonString());
        Assert.Equal("""{"httpGet":{"path":"/app-health/app/prestopz","port":15020}}""", app.Map("lifecycle")!["preStop"]!.ToJsonString());
        Assert.Equal("/app-health/cache/readyz", result.Container("initContainers", "cache").Map("readinessProbe").Map("httpGet").Text("path"));
    }

    [Fact]
    public void Inject_Originals_AreHandedToTheSidecarWithPortNumbers()
    {
        JsonObject originals = Pods.Yaml(Pods.Inject(Pod).Container("initContainers", "mesh-proxy").Variable(ProbeRewriter.Variable)!);

        Assert.Equal(
            ["/app-health/app/livez", "/app-health/app/readyz", "/app-health/app/prestopz", "/app-health/cache/readyz"], originals.Select(static o => o.Key));
        Assert.True(JsonNode.DeepEquals(
            JsonNode.Parse("""{"httpGet":{"path":"/live","port":8080,"scheme":"HTTPS","httpHeaders":[{"name":"X-A","value":"b"}]},"timeoutSeconds":7}"""),
            originals["/app-health/app/livez"]));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"grpc":{"port":9000,"service":"ready"}}"""), originals["/app-health/app/readyz"]));
    }

    [Theory]
    [InlineData("port: web, scheme", "port: nowhere, scheme", 1)]
    [InlineData("port: web, scheme", "port: web, host: example.com, scheme", 0)]
    public void Inject_ProbeThatCannotBeMade_StaysAsItIs(string old, string @new, int warnings)
    {
        InjectionResult result = Pods.Inject(Pod.Replace(old, @new, StringComparison.Ordinal));

        Assert.Equal("/live", result.Container("containers", "app").Map("livenessProbe").Map("httpGet").Text("path"));
        Assert.Equal(warnings, result.Warnings.Length);
    }

    [Fact]
    public void Inject_SwitchedOff_LeavesProbesAlone()
    {
        string pod = "metadata: {annotations: {sidecar.istio.io/rewriteAppHTTPProbers: 'false'}}\n" + Pod;
        InjectionResult result = Pods.Inject(pod);

        Assert.True(JsonNode.DeepEquals(Pods.Yaml(Pod)["spec"]!["containers"], result.Spec!["containers"]));
        Assert.Null(result.Container("initContainers", "mesh-proxy").Variable(ProbeRewriter.Variable));
    }
}
