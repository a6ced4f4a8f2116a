using System.Net;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Routing;

public sealed class ConnectionRoutesTests
{
    [Theory]
    [InlineData("a.b.x", "exact")]
    [InlineData("c.b.x", "*.b.x")]
    [InlineData("d.c.b.x", "*.b.x")]
    [InlineData("b.x", "*.x")]
    [InlineData("x", "*")]
    [InlineData(".b.x", "*.x")]
    [InlineData("other", "*")]
    [InlineData("..", "*")]
    [InlineData(null, "any")]
    [InlineData("", "any")]
    public void Find_ServerName_TheMostExactCounts(string? name, string expected)
    {
        ConnectionRoutes routes = new([Route("any"), Route("*", "*"), Route("*.x", "*.x"), Route("*.b.x", "*.b.x"), Route("exact", "a.b.x"), Route("late", "a.b.x")]);

        Assert.Equal(expected, Find(routes, name));
    }

    [Theory]
    [InlineData("10.1.2.3", "a.x", "host")]
    [InlineData("10.1.9.9", "a.x", "narrow")]
    [InlineData("10.9.9.9", "a.x", "wide")]
    [InlineData("192.0.2.1", "a.x", "name")]
    [InlineData("192.0.2.1", "b.x", "-")]
    [InlineData("fd00::1", "b.x", "six")]
    [InlineData(null, "b.x", "-")]
    public void Find_Destination_TheNarrowestCountsBeforeTheName(string? destination, string name, string expected)
    {
        ConnectionRoutes routes = new(
            [Route("name", "a.x"), Route("wide", at: "10.0.0.0/8"), Route("narrow", "*.x", "10.1.0.0/16"), Route("host", "*", "10.1.2.3/32"), Route("six", at: "fd00::/64")]);

        Assert.Equal(expected, Find(routes, name, destination));
    }

    [Theory]
    [InlineData("10.1.2.3", "near")]
    [InlineData("10.2.2.3", "rest")]
    [InlineData(null, "rest")]
    public void Find_Caller_TheFirstThatFitsCounts(string? caller, string expected) =>
        Assert.Equal(expected, Find(new([Route("near", of: "10.1.0.0/16"), Route("rest"), Route("late", of: "10.2.0.0/16")]), "a.x", caller: caller));

    [Fact]
    public void Find_NameThatIsTooLong_NamesNobody() => Assert.Equal("any", Find(new([Route("any"), Route("*", "*")]), new string('a', 256)));

    [Fact]
    public void Find_AllocatesNothing()
    {
        ConnectionRoutes routes = new([Route("name", "a.x"), Route("wide", at: "10.0.0.0/8"), Route("*", "*.x")]);
        ConnectionView view = new("c.b.x", IPAddress.Parse("10.1.1.1"), IPAddress.Loopback);
        routes.Find(view);
        long before = GC.GetAllocatedBytesForCurrentThread();

        ConnectionRouteConfig? found = null;
        for (int i = 0; i < 1000; i++)
        {
            found = routes.Find(view);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal("wide", found?.Clusters[0].Cluster);
    }

    private static string Find(ConnectionRoutes routes, string? name, string? destination = "127.0.0.1", string? caller = "127.0.0.1") =>
        routes.Find(new ConnectionView(name, Parse(destination), Parse(caller)))?.Clusters[0].Cluster ?? "-";

    private static IPAddress? Parse(string? address) => address is null ? null : IPAddress.Parse(address);

    private static ConnectionRouteConfig Route(string cluster, string name = "", string? at = null, string? of = null) => new()
    {
        ServerName = name,
        Destination = at is null ? null : IPNetwork.Parse(at),
        Caller = of is null ? null : IPNetwork.Parse(of),
        Clusters = [new WeightedClusterConfig(cluster)],
    };
}
