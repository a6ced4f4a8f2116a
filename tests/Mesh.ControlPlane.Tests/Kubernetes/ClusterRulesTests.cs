using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class ClusterRulesTests : IDisposable
{
    private static readonly RuleKey A = new("DestinationRule", "shop", "a");
    private readonly RecordingLoggerFactory _logs = new();
    private readonly ClusterRules _rules;
    private readonly List<JsonObject> _statuses = [];

    public ClusterRulesTests() =>
        _rules = new ClusterRules(_logs.CreateLogger<ClusterRules>())
        {
            StatusWanted = (_, _, status) =>
            {
                _statuses.Add(status);
                return true;
            },
        };

    public void Dispose() => _logs.Dispose();

    private IWatchSink Sink => _rules.Tables.Single(static t => t.Kind == RuleKinds.DestinationRule).Sink;

    [Fact]
    public async Task Current_RuleOfTheCluster_IsThereAndWakesWhoWaits()
    {
        Task changed = _rules.WaitForChangeAsync(0, default);
        Assert.False(changed.IsCompleted);

        Sink.Set(Rule("7", "{host: products}"));
        await changed.WaitAsync(TimeSpan.FromSeconds(10));

        StoredRule rule = _rules.Current.Rules[A];
        Assert.Equal((7, 3), (rule.ResourceVersion, rule.Document.Generation));
        Assert.Equal("products", Assert.IsType<DestinationRule>(rule.Document.Spec).Host);
        Assert.Null(rule.Object["metadata"]!["managedFields"]);
        await _rules.WaitForChangeAsync(0, default).WaitAsync(TimeSpan.FromSeconds(10)); // it has happened already
    }

    [Fact]
    public void Current_ListWithoutIt_DropsIt()
    {
        Sink.List(Rule("7", "{host: products}"), Rule("8", "{host: orders}", name: "b"));
        long revision = _rules.Current.Revision;

        Sink.List(Rule("8", "{host: orders}", name: "b"));

        Assert.Equal("b", Assert.Single(_rules.Current.Rules).Key.Name);
        Assert.Equal(revision + 1, _rules.Current.Revision);
    }

    [Fact]
    public void Current_SameVersionAgain_IsNoChange()
    {
        Sink.Set(Rule("7", "{host: products}"));
        RuleStoreState before = _rules.Current;

        Sink.List(Rule("7", "{host: products}"));

        Assert.Same(before, _rules.Current);
    }

    [Fact]
    public void Current_RuleBroken_KeepsTheLastGoodOne()
    {
        Sink.Set(Rule("7", "{host: products}"));

        Sink.Set(Rule("9", "{hosst: products}", generation: 4));

        Assert.Equal(7, _rules.Current.Rules[A].ResourceVersion);
        Assert.Contains("hosst", Assert.Single(_rules.Current.Refused).Value.Findings[0].Message, StringComparison.Ordinal);
        Assert.Contains("DestinationRule/shop/a is refused", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
        Sink.Set(Rule("10", "{host: orders}", generation: 5));
        Assert.Empty(_rules.Current.Refused);
        Assert.Equal(10, _rules.Current.Rules[A].ResourceVersion);
    }

    [Fact]
    public void Current_FieldNewerThanUs_IsTakenWithoutItAndSaid()
    {
        Sink.Set(Rule("7", "{host: products, trafficPolicy: {fieldOfTomorrow: 1, connectionPool: {tcp: {maxConnections: 3}}}}"));

        StoredRule rule = _rules.Current.Rules[A];
        Assert.Empty(_rules.Current.Refused);
        Assert.Equal(3, Assert.IsType<DestinationRule>(rule.Document.Spec).TrafficPolicy!.ConnectionPool!.Tcp!.MaxConnections);
        Assert.Equal("""{"host":"products","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":3}}}}""", rule.Object["spec"]!.ToJsonString()); // sidecars would refuse it
        Assert.Equal("7", (string?)rule.Object["metadata"]!["resourceVersion"]);
        Diagnostic finding = Assert.Single(rule.Findings);
        Assert.Equal((Severity.Warning, "spec.trafficPolicy.fieldOfTomorrow"), (finding.Severity, finding.Path));
    }

    [Fact]
    public void Current_BrokenRuleOfAnotherUid_HasNoLastGoodOne()
    {
        Sink.Set(Rule("7", "{host: products}"));

        Sink.Set(Rule("9", "{hosst: products}", uid: "u2"));

        Assert.Empty(_rules.Current.Rules);
        Assert.Single(_rules.Current.Refused);
    }

    [Fact]
    public void Current_Deleted_TakesRuleAndRefusalAlong()
    {
        Sink.Set(Rule("7", "{host: products}"));
        Sink.Set(Rule("9", "{hosst: products}"));

        Sink.Remove(Rule("7", "{host: products}"));

        Assert.Empty(_rules.Current.Rules);
        Assert.Empty(_rules.Current.Refused);
    }

    [Theory]
    [InlineData("u1", true)]
    [InlineData("u2", false)]
    public void TrySetStatus_OfThatUid_IsPassedOn(string uid, bool expected)
    {
        Sink.Set(Rule("7", "{host: products}"));

        Assert.Equal(expected, _rules.TrySetStatus(A, uid, new JsonObject { ["x"] = 1 }));

        Assert.Equal(expected ? 1 : 0, _statuses.Count);
        Assert.Null(_rules.Current.Rules[A].Object["status"]); // only the server's word counts
    }

    private static string Rule(string version, string spec, string uid = "u1", string name = "a", int generation = 3) => $$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: {{name}}, namespace: shop, uid: {{uid}}, resourceVersion: '{{version}}', generation: {{generation}}, managedFields: [{manager: kubectl}]}
        spec: {{spec}}
        """;
}
