using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Routing;

/// <summary>Which route a request takes (semantics 6.2).</summary>
public sealed class VirtualHostTests
{
    [Theory]
    [InlineData(StringMatchKind.Exact, "/foo", "/foo", true)]
    [InlineData(StringMatchKind.Exact, "/foo", "/foo?a=b", true)]
    [InlineData(StringMatchKind.Exact, "/foo", "/foobar", false)]
    [InlineData(StringMatchKind.Exact, "/foo", "/Foo", false)]
    [InlineData(StringMatchKind.Prefix, "/foo", "/foobar", true)]
    [InlineData(StringMatchKind.Prefix, "/foo", "/fo", false)]
    [InlineData(StringMatchKind.Prefix, "/a b", "/a%20b", false)]
    [InlineData(StringMatchKind.Prefix, "/", "", true)]
    [InlineData(StringMatchKind.Regex, "/f.*r", "/foobar", true)]
    [InlineData(StringMatchKind.Regex, "/f.*r", "/foobars", false)]
    [InlineData(StringMatchKind.Regex, "/a|/b", "/bc", false)]
    [InlineData(StringMatchKind.Regex, "/(?P<id>[0-9]+)", "/77?x", true)]
    [InlineData(StringMatchKind.Regex, "(?=x)", "/", false)]
    public void Path_Compares(StringMatchKind kind, string value, string target, bool fits) =>
        Assert.Equal(fits, Fits(new HttpMatchConfig { Path = new(kind, value) }, target: target));

    [Theory]
    [InlineData(StringMatchKind.Exact, "/FOO", "/foo", true)]
    [InlineData(StringMatchKind.Prefix, "/foo", "/FOOBAR", true)]
    [InlineData(StringMatchKind.Prefix, "/foo", "/bar", false)]
    public void Path_InAnyCase_Compares(StringMatchKind kind, string value, string target, bool fits) =>
        Assert.Equal(fits, Fits(new HttpMatchConfig { Path = new(kind, value), IgnorePathCase = true }, target: target));

    [Fact]
    public void Regex_OnALongPath_Compares() => Assert.True(
        Fits(new HttpMatchConfig { Path = new(StringMatchKind.Regex, "/x+") }, target: "/" + new string('x', 5000)));

    [Theory]
    [InlineData("POST", "a.test", "http", true)]
    [InlineData("GET", "a.test", "http", false)]
    [InlineData("POST", "A.test", "http", false)]
    [InlineData("POST", "a.test", "https", false)]
    public void MethodAuthorityAndScheme_AllMustFit(string method, string authority, string scheme, bool fits) => Assert.Equal(fits, Fits(
        new HttpMatchConfig { Method = Exact("POST"), Authority = new(StringMatchKind.Prefix, "a."), Scheme = Exact("http") }, method, "/", authority, scheme));

    [Theory]
    [InlineData(StringMatchKind.Exact, "v", false, "X-A: v", true)]
    [InlineData(StringMatchKind.Exact, "v", false, "x-a: w", false)]
    [InlineData(StringMatchKind.Exact, "v", false, "", false)]
    [InlineData(StringMatchKind.Exact, "v,w", false, "x-a: v|x-b: 1|x-a: w", true)]
    [InlineData(StringMatchKind.Prefix, "", false, "", false)]
    [InlineData(StringMatchKind.Regex, "v+", false, "x-a: vvv", true)]
    [InlineData(StringMatchKind.Present, "", false, "x-a: ", true)]
    [InlineData(StringMatchKind.Present, "", false, "x-b: v", false)]
    [InlineData(StringMatchKind.Present, "", true, "x-b: v", true)]
    [InlineData(StringMatchKind.Present, "", true, "x-a: v", false)]
    [InlineData(StringMatchKind.Exact, "v", true, "", true)]
    [InlineData(StringMatchKind.Exact, "v", true, "x-a: v", false)]
    [InlineData(StringMatchKind.Exact, "", true, "", false)]
    public void Header_Compares(StringMatchKind kind, string value, bool isInverted, string headers, bool fits) => Assert.Equal(fits, Fits(
        new HttpMatchConfig { Headers = [new NamedMatch("x-a", new(kind, value), isInverted)] }, headers: headers));

    [Theory]
    [InlineData(StringMatchKind.Exact, "v", "/?b=1&a=v", true)]
    [InlineData(StringMatchKind.Exact, "v", "/?a=w&a=v", false)]
    [InlineData(StringMatchKind.Exact, "", "/?a", true)]
    [InlineData(StringMatchKind.Exact, "b c", "/?a=b%20c", false)]
    [InlineData(StringMatchKind.Present, "", "/?xa=1&a", true)]
    [InlineData(StringMatchKind.Present, "", "/a", false)]
    [InlineData(StringMatchKind.Regex, "[0-9]+", "/?a=12", true)]
    public void QueryParameter_Compares(StringMatchKind kind, string value, string target, bool fits) => Assert.Equal(fits, Fits(
        new HttpMatchConfig { QueryParameters = [new NamedMatch("a", new(kind, value))] }, target: target));

    [Theory]
    [InlineData("/first/x", "first")]
    [InlineData("/second", "first")] // its second match
    [InlineData("/fir", "all")]
    public void Route_TheFirstThatFits(string target, string name)
    {
        VirtualHost host = new(new VirtualHostConfig("a:80", 80, ["a"], "c")
        {
            Routes =
            [
                RouteTo("first", new HttpMatchConfig { Path = new(StringMatchKind.Prefix, "/first") }, new HttpMatchConfig { Path = Exact("/second") }),
                RouteTo("late", new HttpMatchConfig { Path = Exact("/second") }),
                RouteTo("all"),
            ],
        });

        Assert.Equal(name, host.Find(View("GET", target, "a", "http", ""))?.Route.Config.Name);
    }

    [Fact]
    public void Pick_FollowsWeights_WithOneDraw()
    {
        Random random = new(7);
        Route route = new(new HttpRouteConfig { Name = "r", Clusters = [new("stable", 90), new("canary", 10)] });
        int canaries = Enumerable.Range(0, 10_000).Count(_ => route.Pick(random)!.Cluster == "canary");
        Assert.InRange(canaries, 900, 1100); // more than three standard deviations either way

        Mesh.Testing.ScriptedRandom scripted = new(89, 90);
        Assert.Equal(["stable", "canary"], [route.Pick(scripted)!.Cluster, route.Pick(scripted)!.Cluster]);
        Assert.Equal(2, scripted.Draws);
    }

    [Fact]
    public void Find_AllocatesNothing()
    {
        VirtualHost host = new(new VirtualHostConfig("a:80", 80, ["a"], "c")
        {
            Routes =
            [
                RouteTo("header", new HttpMatchConfig { Headers = [new NamedMatch("x-a", Exact("v,x"))] }),
                RouteTo("regex", new HttpMatchConfig { Path = new(StringMatchKind.Regex, "/a+") }),
                RouteTo("query", new HttpMatchConfig { QueryParameters = [new NamedMatch("q", Exact("1"))] }),
                RouteTo("all"),
            ],
        });
        Fields fields = new("x-a: v|x-a: w");
        byte[] target = "/b?q=2"u8.ToArray();
        Find();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Find();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Find() => host.Find(new RequestView("GET"u8, target, "a"u8, "http"u8, fields));
    }

    private static StringMatch Exact(string value) => new(StringMatchKind.Exact, value);

    private static HttpRouteConfig RouteTo(string name, params ImmutableArray<HttpMatchConfig> matches) => new() { Name = name, Matches = matches };

    private static bool Fits(
        HttpMatchConfig match, string method = "GET", string target = "/", string authority = "a.test", string scheme = "http", string headers = "") =>
        new Route(new HttpRouteConfig { Name = "r", Matches = [match] }).Matches[0].Fits(View(method, target, authority, scheme, headers));

    private static RequestView View(string method, string target, string authority, string scheme, string headers) => new(
        Encoding.ASCII.GetBytes(method), Encoding.ASCII.GetBytes(target), Encoding.ASCII.GetBytes(authority), Encoding.ASCII.GetBytes(scheme), new Fields(headers));

    private sealed class Fields(string lines) : IHeaderFields
    {
        private readonly (byte[] Name, byte[] Value)[] _fields =
        [
            .. lines.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(static l => l.Split(':'))
                .Select(static p => (Encoding.ASCII.GetBytes(p[0]), Encoding.ASCII.GetBytes(p[1].Trim()))),
        ];

        public int Count => _fields.Length;

        public ReadOnlySpan<byte> Name(int index) => _fields[index].Name;

        public ReadOnlySpan<byte> Value(int index) => _fields[index].Value;
    }
}
