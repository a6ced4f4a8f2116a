using System.Text.Json.Nodes;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Otlp;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Otlp;

public sealed class OtlpMessageTests
{
    private static readonly DateTimeOffset Now = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static readonly CircuitFigures Partner = new("CircuitBreaker/default/partner", "outbound|80||partner.example", CircuitState.HalfOpen,
        [new CallerFigures("a", Now.AddSeconds(-60), new CallCounts(40, 30, 2)), new CallerFigures("b", null, new CallCounts(long.MaxValue, 0, 0))]);

    [Fact]
    public void Write_HasTheShapeOfTheJsonEncoding()
    {
        JsonNode resource = JsonNode.Parse(OtlpMessage.Write([Partner], "0.1.0", Now))!["resourceMetrics"]![0]!;

        Assert.Equal("""[{"key":"service.name","value":{"stringValue":"mesh-control-plane"}},{"key":"service.version","value":{"stringValue":"0.1.0"}}]""", resource["resource"]!["attributes"]!.ToJsonString());
        JsonArray metrics = resource["scopeMetrics"]![0]!["metrics"]!.AsArray();
        Assert.Equal(["mesh.circuit.calls", "mesh.circuit.failures", "mesh.circuit.slow_calls", "mesh.circuit.state"], metrics.Select(static m => (string)m!["name"]!));
        JsonNode sum = metrics[1]!["sum"]!;
        Assert.Equal((2, true), ((int)sum["aggregationTemporality"]!, (bool)sum["isMonotonic"]!));
        Assert.Equal(
            """
            {"attributes":[{"key":"mesh.rule","value":{"stringValue":"CircuitBreaker/default/partner"}},{"key":"mesh.cluster","value":{"stringValue":"outbound|80||partner.example"}},
            {"key":"mesh.sidecar","value":{"stringValue":"a"}}],"startTimeUnixNano":"1893553385000000000","timeUnixNano":"1893553445000000000","asInt":"30"}
            """.Replace("\n", "", StringComparison.Ordinal),
            sum["dataPoints"]![0]!.ToJsonString());
        JsonNode unknown = metrics[0]!["sum"]!["dataPoints"]![1]!;
        Assert.Null(unknown["startTimeUnixNano"]);
        Assert.Equal("9223372036854775807", (string)unknown["asInt"]!); // a string: JSON's numbers end at 2^53
        JsonNode state = Assert.Single(metrics[3]!["gauge"]!["dataPoints"]!.AsArray())!;
        Assert.Equal(("2", 2), ((string)state["asInt"]!, state["attributes"]!.AsArray().Count));
    }
}
