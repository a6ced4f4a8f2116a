using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What the tests of redirected connections share.</summary>
internal static class Redirected
{
    private const string Get = "GET / HTTP/1.1\r\nHost: {0}\r\n\r\n";

    public static ListenerSide OfPod(Pipeline pipeline) => pipeline.Inbound with { Cluster = BuiltInClusters.InboundPassthrough, IsIntercepted = true };

    public static string Request(string host) => Get.Replace("{0}", host, StringComparison.Ordinal);

    public static ListenerConfig Service(string cluster, string address) => new(cluster, address, 3306, cluster, "ServiceEntry/default/db");

    public static async Task AnswerAsync(MemoryConnection upstream, MemoryConnection client)
    {
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 204 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }
}
