using Xunit;

namespace Mesh.Cli;

/// <summary><c>shadow</c>.</summary>
public sealed class ShadowTests
{
    private const string Admin = "http://127.0.0.1:15000";
    private const string Page = """
        {"sidecar":"orders-1","shadows":[
        {"cluster":"outbound|80||a","rule":"default/try#spec.trafficPolicy.connectionPool","field":"http.http1MaxPendingRequests","limit":1,"max_seen":3,"evaluated":120,"would":"refuse","count":41,"last":"2030-01-02T03:04:05.678Z"},
        {"cluster":"outbound|80||a","rule":"default/try#spec.trafficPolicy.outlierDetection","field":"","limit":null,"max_seen":1,"evaluated":99,"would":"eject","count":0,"last":null},
        {"cluster":"outbound|80||a","rule":"default/p#spec","field":"retries","limit":null,"max_seen":null,"evaluated":null,"would":"not_retry","count":2,"last":"2030-01-02T03:04:06.000Z"}]}
        """;

    [Fact]
    public void Shadow_IsATable()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/shadow", Page);

        Invocation run = Invocation.Asking(pages, "shadow");

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.Equal(
            """
            SIDECAR   CLUSTER         RULE         FIELD                                        WOULD      COUNT  EVALUATED  SEEN/LIMIT  LAST
            orders-1  outbound|80||a  default/try  connectionPool.http.http1MaxPendingRequests  refuse     41     120        3/1         2030-01-02T03:04:05.678Z
            orders-1  outbound|80||a  default/try  outlierDetection                             eject      0      99         1
            orders-1  outbound|80||a  default/p    retries                                      not retry  2                             2030-01-02T03:04:06.000Z

            """, run.Output);
    }

    [Fact]
    public void Shadow_OfSeveralSidecars_NamesEach_AndWhoIsSilent()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/shadow", Page).Add("http://127.0.0.2:15000/shadow", Page.Replace("orders-1", "orders-2", StringComparison.Ordinal));

        Invocation run = Invocation.Asking(pages, "shadow", "--admin", $"{Admin},127.0.0.2:15000,127.0.0.3:15000");

        Assert.Equal((0, 3, 3), (run.Code, run.Lines.Count(static l => l.StartsWith("orders-1", StringComparison.Ordinal)), run.Lines.Count(static l => l.StartsWith("orders-2", StringComparison.Ordinal))));
        Assert.Contains("127.0.0.3:15000/shadow: Connection refused", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Shadow_WithoutRules_SaysHowToPutOneThere()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/shadow", """{"sidecar":"o","shadows":[]}""");

        Assert.Contains("mesh.dev/mode: shadow", Invocation.Asking(pages, "shadow").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Shadow_AsJson_IsThePages()
    {
        using StubPages pages = new StubPages().Add($"{Admin}/shadow", Page);

        Assert.Contains("\"max_seen\": 3", Invocation.Asking(pages, "shadow", "-o", "json").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("it", "'it' is not understood")]
    [InlineData("--admin=ftp://x", "is no address")]
    [InlineData("--output=sarif", "is no format of shadow")]
    [InlineData("--all", "there is no such option; 'shadow' knows")]
    public void Shadow_WrongUsage_IsSaid(string argument, string message)
    {
        Invocation run = Invocation.Of("shadow", argument);

        Assert.Equal(2, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }
}
