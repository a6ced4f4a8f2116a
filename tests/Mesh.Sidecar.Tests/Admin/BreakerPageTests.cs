using System.Buffers;
using System.Text;
using System.Text.Json;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Sidecar.Admin;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

/// <summary>Circuit breakers of single endpoints on the pages.</summary>
public sealed class BreakerPageTests : IDisposable
{
    private readonly ClusterManager _clusters;
    private readonly SnapshotApplier _applier;

    public BreakerPageTests()
    {
        ProxyRuntime runtime = new(new FakeTimeProvider(), new Random(1), NullLoggerFactory.Instance);
        ProxyStats stats = new();
        _clusters = new ClusterManager(runtime, new FakeConnector(), static _ => { }, stats);
        _applier = new SnapshotApplier(_clusters, null, runtime, stats);
    }

    [Fact]
    public async Task Clusters_TellTheStateOfEachEndpoint()
    {
        Cluster cluster = await ApplyAsync(BreakerMode.ForcedOpen);

        string text = BreakerPage.Text(cluster);

        Assert.Contains("outbound|80||a.test::10.0.0.1:80::breaker::state::forced_open\n", text, StringComparison.Ordinal);
        Assert.Contains("outbound|80||a.test::10.0.0.2:80::breaker::rule::default/cb#spec\n", text, StringComparison.Ordinal);
        Assert.Contains("\"breaker of endpoint 10.0.0.2:80\":{\"state\":\"forced_open\",\"calls\":0", Written(json => BreakerPage.WriteState(json, cluster)), StringComparison.Ordinal);
        Assert.Contains("\"per\":\"endpoint\"", Written(json => BreakerPage.WriteConfig(json, cluster.Config)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(BreakerMode.Auto, "all 2 closed", "closed")]
    [InlineData(BreakerMode.ForcedOpen, "2 of 2 not closed: 10.0.0.1:80 forced_open, 10.0.0.2:80 forced_open", "forced_open")]
    public async Task Policies_SayItOnce_WithTheEndpointsThatAreNotClosed(BreakerMode mode, string endpoints, string state)
    {
        Cluster cluster = await ApplyAsync(mode);

        PolicyValue[] values = [.. PolicyValues.Of(cluster).Where(static v => v.Kind == "CircuitBreaker")];

        Assert.Equal(("endpoint", endpoints), Assert.Single(values, static v => v.Field == "per") is var per ? (per.Value, per.Now) : default);
        Assert.Equal(state, Assert.Single(values, static v => v.Field == "state").Now);
    }

    public void Dispose()
    {
        _applier.Dispose();
        _clusters.Dispose();
    }

    private async Task<Cluster> ApplyAsync(BreakerMode mode)
    {
        ClusterConfig config = new()
        {
            Name = "outbound|80||a.test",
            ServiceHost = "a.test",
            Port = 80,
            Breaker = new BreakerConfig { IsPerEndpoint = true, Mode = mode, Source = "default/cb#spec" },
        };
        ProxySnapshot snapshot = ProxySnapshot.Empty with
        {
            Version = "1",
            Clusters = ProxySnapshot.Empty.Clusters.Add(config.Name, config),
            Endpoints = ProxySnapshot.Empty.Endpoints.Add(config.Name, [new EndpointConfig("10.0.0.1:80"), new EndpointConfig("10.0.0.2:80")]),
        };
        Assert.True((await _applier.ApplyAsync(snapshot)).IsAccepted);
        return _clusters.Find(config.Name)!;
    }

    private static string Written(Action<Utf8JsonWriter> write)
    {
        ArrayBufferWriter<byte> written = new();
        using (Utf8JsonWriter json = new(written))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(written.WrittenSpan);
    }
}
