using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Retries that leave their priority (semantics 4.6: Envoy's previous_priorities, each second attempt).</summary>
public sealed class RemoteRetryTests
{
    private static readonly EndpointConfig Near = new("10.0.0.1:80");
    private static readonly EndpointConfig Far = new("10.0.1.1:80") { Priority = 1 };
    private static readonly EndpointConfig Farther = new("10.0.2.1:80") { Priority = 2 };

    [Theory]
    [InlineData(false, 5, "10.0.0.1:80")]
    [InlineData(true, 1, "10.0.0.1:80")]
    [InlineData(true, 2, "10.0.1.1:80")] // its third attempt is the first elsewhere
    [InlineData(true, 3, "10.0.1.1:80")]
    [InlineData(true, 4, "10.0.2.1:80")]
    [EffectOf("VirtualService", "http.retries.retryRemoteLocalities")]
    public async Task Retries_GoToPrioritiesThatWereNotTried(bool isAllowed, int attempts, string last)
    {
        await using Pipeline pipeline = new(retry: Retry(isAllowed, attempts));

        Assert.Equal(last, await LastHostAsync(pipeline, Near, Far, Farther));
    }

    [Fact]
    public async Task Retries_StayWhereNobodyElseIsHealthy()
    {
        await using Pipeline pipeline = new(retry: Retry(isAllowed: true, attempts: 3));

        Assert.Equal(Near.Address, await LastHostAsync(pipeline, Near, Far with { IsHealthy = false }));
    }

    [Theory]
    [InlineData(2, "10.0.1.1:80")]
    [InlineData(3, "10.0.1.2:80")]
    public async Task Elsewhere_AnEndpointThatWasNotTried_IsPreferred(int attempts, string last)
    {
        await using Pipeline pipeline = new(retry: Retry(isAllowed: true, attempts));

        Assert.Equal(last, await LastHostAsync(pipeline, Near, Far, Far with { Address = "10.0.1.2:80" }));
    }

    private static RetryConfig Retry(bool isAllowed, int attempts) =>
        new() { Conditions = RetryConditions.ConnectFailure, Attempts = attempts, ReachesRemoteLocalities = isAllowed };

    private static async Task<string?> LastHostAsync(Pipeline pipeline, params EndpointConfig[] endpoints)
    {
        pipeline.Clusters.AddOrUpdate([(pipeline.Cluster.Config, [.. endpoints])]);
        pipeline.Upstreams.Refuses = "Connection refused";
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        return (await pipeline.Sink.NextAsync()).UpstreamHost;
    }
}
