using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Admission;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Tests.Coordination;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

public sealed class MetricsPageTests : IDisposable
{
    /// <summary>All families that the page can have. Dashboards and alerts of users go by these names: one that changes or goes is a decision.</summary>
    private const string Names = """
        mesh_circuit_callers gauge
        mesh_circuit_calls gauge
        mesh_circuit_changes_total counter
        mesh_circuit_failures gauge
        mesh_circuit_forced gauge
        mesh_circuit_number_trouble gauge
        mesh_circuit_sick_caller gauge
        mesh_circuit_slow_calls gauge
        mesh_circuit_state gauge
        mesh_door_refusals_total counter
        mesh_endpoints gauge
        mesh_kubernetes_lists_total counter
        mesh_kubernetes_trouble gauge
        mesh_kubernetes_watches_total counter
        mesh_leader gauge
        mesh_push_ack_seconds histogram
        mesh_push_acks_total counter
        mesh_push_nacks_total counter
        mesh_pushes_total counter
        mesh_rejected_writes_total counter
        mesh_root_configmap_writes_total counter
        mesh_root_configmaps_missing gauge
        mesh_rule_rejections_total counter
        mesh_rules gauge
        mesh_rules_refused gauge
        mesh_rules_rejected gauge
        mesh_sidecars_connected gauge
        mesh_sidecars_registered gauge
        mesh_status_writes_total counter
        mesh_store_revision gauge
        mesh_token_review_failures_total counter
        mesh_token_reviews_total counter
        mesh_webhook_certificate_expiry_seconds gauge
        mesh_webhook_request_seconds histogram
        mesh_webhook_requests_total counter
        """;

    private static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly PushBench _bench = new();
    private readonly TestAuthority _authority = new();

    public void Dispose()
    {
        _bench.Dispose();
        _authority.Dispose();
    }

    [Fact]
    public void Write_All_HasTheNamesThatUsersKnow()
    {
        using ClusterSource cluster = new(new ApiServer(new Uri("http://127.0.0.1:1")), "me", (_bench.Time, new ScriptedRandom(), NullLoggerFactory.Instance));
        cluster.Roots = new RootConfigMaps(cluster.Client, static () => false, static () => null, [], (_bench.Time, new ScriptedRandom(), NullLogger.Instance));
        using X509Certificate2 certificate = _authority.Issue("localhost");
        MetricsPage page = new(_bench.Store, _bench.Registry, new PushStats(), new DoorStats(), cluster)
        {
            Webhooks = new WebhookStats(() => certificate),
            Shared = static text => CircuitMetrics.Write(text, [new CircuitEntry("CircuitBreaker/default/a", "outbound|80||a", CircuitBench.With(1).Circuit)]),
        };

        string text = page.Write(Now);

        Assert.Contains("\nmesh_circuit_changes_total{rule=\"CircuitBreaker/default/a\",cluster=\"outbound|80||a\",to=\"half_open\"} 0\n", text, StringComparison.Ordinal);
        Assert.Equal(Names.ReplaceLineEndings("\n"), string.Join('\n', Families(text).Order(StringComparer.Ordinal)));
        Assert.All(Regex.Matches(text, @"^([a-z_]+)(?=[{ ])", RegexOptions.Multiline), sample => // no sample without its family
            Assert.Contains(Families(text), family => sample.Value.StartsWith(family.Split(' ')[0], StringComparison.Ordinal)));
    }

    [Fact]
    public void Write_Webhooks_CountsByPathAndResult()
    {
        WebhookStats stats = new(static () => null);
        stats.Count("/inject", WebhookResult.Allowed, TimeSpan.FromMilliseconds(3));
        stats.Count("/inject", WebhookResult.Allowed, TimeSpan.FromSeconds(30));
        stats.Count("/validate", WebhookResult.Refused, TimeSpan.FromMilliseconds(1));

        string text = new MetricsPage(_bench.Store, _bench.Registry, new PushStats(), new DoorStats()) { Webhooks = stats }.Write(Now);

        Assert.Contains("\nmesh_webhook_requests_total{path=\"/inject\",result=\"allowed\"} 2\n", text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_webhook_requests_total{path=\"/inject\",result=\"refused\"} 0\n", text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_webhook_requests_total{path=\"/validate\",result=\"refused\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_webhook_request_seconds_bucket{path=\"/inject\",le=\"0.0025\"} 0\n", text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_webhook_request_seconds_bucket{path=\"/inject\",le=\"0.005\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_webhook_request_seconds_bucket{path=\"/inject\",le=\"+Inf\"} 2\n", text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_webhook_request_seconds_sum{path=\"/inject\"} 30.003\n", text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_webhook_request_seconds_count{path=\"/inject\"} 2\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("certificate_expiry", text, StringComparison.Ordinal); // none is shown yet
    }

    [Fact]
    public void Write_Certificate_SaysHowLongItIsStillGood()
    {
        using X509Certificate2 certificate = _authority.Issue("localhost");
        DateTimeOffset now = new DateTimeOffset(certificate.NotAfter).AddSeconds(-90);

        string text = new MetricsPage(_bench.Store, _bench.Registry, new PushStats(), new DoorStats()) { Webhooks = new WebhookStats(() => certificate) }.Write(now);

        Assert.Contains("\nmesh_webhook_certificate_expiry_seconds 90\n", text, StringComparison.Ordinal);
    }

    private static string[] Families(string page) => [.. Regex.Matches(page, "^# TYPE (\\S+ \\S+)$", RegexOptions.Multiline).Select(static m => m.Groups[1].Value)];
}
