using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Sidecar.Admin;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

public sealed class DecisionPageTests
{
    private static readonly LoggedDecision Refused = new(
        new DecisionRecord(DecisionReason.PendingOverflow, "default/a#spec.trafficPolicy.connectionPool", "http.http1MaxPendingRequests", 1, 1) { Scope = DecisionScope.Mesh },
        new DateTimeOffset(2030, 1, 2, 3, 4, 5, 678, TimeSpan.Zero), "id", "GET", "a.test", "/x")
    {
        Cluster = "outbound|80||a.test",
        Status = 503,
        Flag = ResponseFlag.UO,
        Outcome = "not-sent",
        Attempts = 1,
        Taken = TimeSpan.FromMilliseconds(0.0804),
        Load = new ClusterLoad(1, 1, 2, 0, new CircuitBreakerConfig(1, 1), 5),
    };

    [Fact]
    public void Write_ARefusal_HasAllThatIsKnown_AndLeavesOutWhatIsNot() => Assert.Equal(
        """
        {"time":"2030-01-02T03:04:05.678Z","request_id":"id","side":"outbound","method":"GET","authority":"a.test","path":"/x","cluster":"outbound|80||a.test",
        "verdict":"refused","reason":"pending_overflow","rule":"default/a#spec.trafficPolicy.connectionPool","field":"http.http1MaxPendingRequests","limit":1,"now":1,"scope":"mesh",
        "status":503,"flag":"UO","outcome":"not-sent","attempts":1,"taken_ms":0.08,
        "load":{"connections":1,"max_connections":1,"pending":1,"max_pending":1,"requests":2,"retries":0,"max_requests_per_connection":5}}
        """.Replace("\n", "", StringComparison.Ordinal),
        Page([Refused])["decisions"]![0]!.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));

    [Theory]
    [InlineData(null, null, null, true)]
    [InlineData("A.TEST", null, null, true)]
    [InlineData("b.test", null, null, false)]
    [InlineData(null, "default/a", null, true)]
    [InlineData(null, "default/a#spec.trafficPolicy", null, true)]
    [InlineData(null, "default/", null, false)]
    [InlineData(null, "default", null, false)]
    [InlineData(null, null, "pending_overflow", true)]
    [InlineData(null, null, "circuit_open", false)]
    public void Filter_ByHostRuleAndReason(string? host, string? rule, string? reason, bool fits) =>
        Assert.Equal(fits, new DecisionFilter(null, host, rule, reason).Fits(Refused));

    private static JsonObject Page(IReadOnlyList<LoggedDecision> decisions)
    {
        ArrayBufferWriter<byte> written = new();
        using (Utf8JsonWriter json = new(written))
        {
            DecisionPage.Write(json, "node", decisions, []);
        }

        return JsonNode.Parse(written.WrittenSpan)!.AsObject();
    }
}
