using System.Text;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Routing;

/// <summary>Authorities taken apart and looked up.</summary>
public sealed class RouteTableTests
{
    private static readonly RouteTable Table = new(new RouteConfig(
    [
        new VirtualHostConfig("a:80", 80, ["a.test", "a", "10.0.0.1", "[::1]"], "a80"),
        new VirtualHostConfig("a:8080", 8080, ["a.test"], "a8080"),
        new VirtualHostConfig("wild", 80, ["*.w.test"], "wild"),
        new VirtualHostConfig("deep", 80, ["*.d.w.test"], "deep"),
        new VirtualHostConfig("one", 80, ["one.w.test"], "one"),
        new VirtualHostConfig("late", 80, ["a.test"], "late"),
        new VirtualHostConfig("any", 7000, ["*"], "any"),
    ]));

    [Theory]
    [InlineData("a.test", "a80")]
    [InlineData("A.Test:80", "a80")]
    [InlineData("a", "a80")]
    [InlineData("a.test:8080", "a8080")]
    [InlineData("a.test:81", null)]
    [InlineData("a:8080", null)]
    [InlineData("10.0.0.1", "a80")]
    [InlineData("[::1]:80", "a80")]
    [InlineData("[::1]", "a80")]
    [InlineData("x.w.test", "wild")]
    [InlineData("y.x.w.test", "wild")]
    [InlineData("x.d.w.test", "deep")]
    [InlineData("one.w.test", "one")]
    [InlineData("w.test", null)]
    [InlineData("xw.test", null)]
    [InlineData("x.w.test:81", null)]
    [InlineData("b.test", null)]
    [InlineData("", null)]
    [InlineData("a.test:", null)]
    [InlineData("a.test.", "a80")]
    [InlineData("A.test.:8080", "a8080")]
    [InlineData("x.w.test.", "wild")]
    [InlineData("a.test..", null)]
    [InlineData(".", null)]
    [InlineData("whoever:7000", "any")]
    [InlineData("b.test:7000", "any")]
    [InlineData("[::1]:7000", "any")]
    public void Find_GivesExactThenLongestSuffix(string authority, string? cluster) =>
        Assert.Equal(cluster, Table.Find(Encoding.ASCII.GetBytes(authority))?.Config.Cluster);

    [Fact]
    public void Find_AllocatesNothing()
    {
        byte[] exact = "A.test:8080"u8.ToArray();
        byte[] suffix = "z.y.x.w.test"u8.ToArray();
        Table.Find(exact);
        Table.Find(suffix);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Table.Find(exact);
            Table.Find(suffix);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Find_LongestAuthority_Fits()
    {
        string longest = new string('x', 255) + ":65535";
        Assert.Null(Table.Find(Encoding.ASCII.GetBytes(longest)));
        Assert.Null(Table.Find(Encoding.ASCII.GetBytes(longest + "0")));
    }

    [Theory]
    [InlineData("name", 0)]
    [InlineData("name:1", 1)]
    [InlineData("1.2.3.4:65535", 65535)]
    [InlineData("[fe80::1]:80", 80)]
    [InlineData("name:0", -1)]
    [InlineData("name:65536", -1)]
    [InlineData("name:+80", -1)]
    [InlineData("name:8a", -1)]
    [InlineData("name:123456", -1)]
    [InlineData(":80", -1)]
    [InlineData("[]:80", -1)]
    [InlineData("[::1", -1)]
    [InlineData("[::1]80", -1)]
    [InlineData("::1", -1)]
    [InlineData("user@name", -1)]
    [InlineData("na me", -1)]
    [InlineData("name/x", -1)]
    public void HostPort_TakesApartOrRefuses(string authority, int port) =>
        Assert.Equal(port, HostPort.TryParse(Encoding.ASCII.GetBytes(authority), out HostPort parsed) ? parsed.Port : -1);
}
