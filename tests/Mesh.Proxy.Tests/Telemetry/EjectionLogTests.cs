using Mesh.Proxy.Telemetry;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.Proxy.Tests.Telemetry;

public sealed class EjectionLogTests
{
    private static readonly DateTimeOffset At = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Ejection_HasEnvoysKeysAndOurs() => Assert.Equal(
        """{"type":"CONSECUTIVE_5XX","cluster_name":"c","upstream_url":"10.0.0.1:80","action":"EJECT","num_ejections":1,"enforced":true,"secs_since_last_action":-1,"timestamp":"2030-01-01T00:00:00.000Z","until":"2030-01-01T00:00:30.000Z","reason":"consecutive_5xx","rule":"default/products#spec.trafficPolicy.outlierDetection"}""",
        EjectionLog.Format(new EjectionEvent(
            At, "c", "10.0.0.1:80", true, "consecutive_5xx", 1, true, null, At.AddSeconds(30), "default/products#spec.trafficPolicy.outlierDetection")));

    [Fact]
    public void Return_HasTheTypeOfItsEjectionAndNoUntil() => Assert.Equal(
        """{"type":"CONSECUTIVE_GATEWAY_FAILURE","cluster_name":"c","upstream_url":"10.0.0.1:80","action":"UNEJECT","num_ejections":1,"enforced":true,"secs_since_last_action":31,"timestamp":"2030-01-01T00:00:00.000Z","until":null,"reason":"time","rule":null}""",
        EjectionLog.Format(new EjectionEvent(At, "c", "10.0.0.1:80", false, "time", 1, true, TimeSpan.FromSeconds(31.9), null, null) { Detector = "consecutive_gateway_failure" }));

    [Theory]
    [InlineData("failureRateThreshold", ""","field":"failureRateThreshold","limit":50,"now":81""")]
    [InlineData("", "")]
    public void ChangeOfASharedCircuit_SaysWhoDecidedAndWhy(string field, string passed)
    {
        BreakerEvent change = new(At, "c", "closed", "open", "mesh", 3, 100, 0, "default/cb#spec", true);
        CircuitOrder order = new("CircuitBreaker/default/cb", "c", CircuitState.Open, 7, 10_000, 0, 0, field, 50, 81);

        Assert.Equal(
            """{"type":"CIRCUIT_BREAKER","cluster_name":"c","from":"closed","to":"open","reason":"mesh","calls":3,"failure_rate":100,"slow_call_rate":0,"by":"mesh","epoch":7,"trials":0"""
            + passed + ""","enforced":true,"timestamp":"2030-01-01T00:00:00.000Z","rule":"default/cb#spec"}""",
            EjectionLog.Format(change with { Order = order }));
        Assert.Contains("\"by\":\"sidecar\",\"enforced\"", EjectionLog.Format(change), StringComparison.Ordinal);
    }

    [Fact]
    public void LimitChange_SaysWhyInWordsAndNumbers_AndIsWrittenButNotKept()
    {
        List<string> written = [];
        EjectionLog log = new(written.Add);
        log.Add(new ConcurrencyEvent(At, "c", 25, 14, "slower", TimeSpan.FromMilliseconds(317.25), TimeSpan.FromMilliseconds(99.5), 80, 25, "default/rp#spec"));

        Assert.Equal(
            """{"type":"CONCURRENCY_LIMIT","cluster_name":"c","from":25,"to":14,"reason":"slower","why":"answers take longer than usual","latency_ms":317.25,"usual_ms":99.5,"answers":80,"most_active":25,"timestamp":"2030-01-01T00:00:00.000Z","rule":"default/rp#spec"}""",
            Assert.Single(written));
        Assert.Empty(log.Last);
    }

    [Fact]
    public void Log_WritesEachAndKeepsTheLastHundred()
    {
        List<string> written = [];
        EjectionLog log = new(written.Add);
        for (int i = 0; i < 150; i++)
        {
            log.Add(new EjectionEvent(At, $"c{i}", "10.0.0.1:80", false, "time", 1, true, null, null, null));
        }

        Assert.Equal(150, written.Count);
        Assert.Equal(written[50..], log.Last);
    }
}
