using System.Text;
using Mesh.Peers.Backend;
using Mesh.Peers.Load;
using Mesh.Peers.Processes;

namespace Mesh.Bench.Tests.Peers;

public sealed class ReadingTests
{
    private const string Wrk = """
        Running 2s test @ http://127.0.0.1:24100/1024
          1 threads and 64 connections
          Thread Stats   Avg      Stdev     Max   +/- Stdev
            Latency   629.23us  123.43us   5.42ms   95.05%
            Req/Sec   100.83k     2.03k  103.60k    85.00%
          Latency Distribution
             50%  604.00us
             75%  660.00us
             90%  711.00us
             99%    1.09ms
          200631 requests in 2.00s, 30.41MB read
        Requests/sec: 100187.96
        Transfer/sec:     15.19MB
        """;

    [Fact]
    public void Wrk_GoodRun_IsRead() => Assert.Equal(new WrkReport(200_631, 100_187.96, 0.604, 1.09, 0), WrkReport.Parse(Wrk));

    [Fact]
    public void Wrk_Errors_AreAdded()
    {
        string text = Wrk.Replace(
            "Requests/sec", "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 90\nRequests/sec", StringComparison.Ordinal);

        Assert.Equal(100, WrkReport.Parse(text).Errors);
    }

    [Theory]
    [InlineData("1.50s", 1500)]
    [InlineData("0.50m", 30_000)]
    [InlineData("90.00us", 0.09)]
    public void Wrk_Units_BecomeMilliseconds(string latency, double milliseconds) =>
        Assert.Equal(milliseconds, WrkReport.Parse(Wrk.Replace("1.09ms", latency, StringComparison.Ordinal)).P99Ms, 6);

    [Fact]
    public void Wrk_SomethingElse_IsSaid() =>
        Assert.Contains("requests in", Assert.Throws<FormatException>(static () => WrkReport.Parse("unable to connect")).Message, StringComparison.Ordinal);

    [Fact]
    public void RateLog_Lines_GivePercentilesAndErrors()
    {
        IEnumerable<string> lines = Enumerable.Range(1, 200).Select(static i => $"1795251646091040\t{(i == 7 ? 503 : 200)}\t{i * 1000}");

        RateLog log = RateLog.Parse(string.Join('\n', lines.Append("1795251646091041\t-1\t201000\n")));

        Assert.Equal(new RateLog(201, 2, 101, 199), log);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1\t200")]
    [InlineData("1\t200\tfast")]
    public void RateLog_SomethingElse_IsRefused(string text) => Assert.Throws<FormatException>(() => RateLog.Parse(text));

    [Theory]
    [InlineData("100.00    0.123456           3    400123         7 total")]
    [InlineData("100.00    0.123456           3    400123           total")]
    public void Syscalls_OfStrace_AreTheSum(string line) =>
        Assert.Equal(400_123, SyscallCount.Parse($" 60.00    0.1   3   99  7 sendto\n------ -------\n{line}\n"));

    [Fact]
    public void Syscalls_WithoutTotal_AreRefused() => Assert.Throws<FormatException>(static () => SyscallCount.Parse("strace: attach: Operation not permitted"));

    [Fact]
    public void Stat_NameWithBlanksAndParentheses_DoesNotMislead()
    {
        const string Stat = "4711 (a) b (c) S 815 4711 1 0 -1 4194304 100 200 0 0 123 45 6 7 20 0 9 0 100 200 300";

        Assert.Equal(new CpuTime(1_230_000, 450_000), ProcText.Cpu(Stat));
        Assert.Equal(815, ProcText.Parent(Stat));
    }

    [Fact]
    public void Stat_Broken_IsRefused() => Assert.Throws<FormatException>(static () => ProcText.Cpu("4711 (a) S 815"));

    [Fact]
    public void Memory_OfRollup_IsRssAndPss()
    {
        const string Rollup = "55a30f272000-7fffd8a6b000 ---p 00000000 00:00 0    [rollup]\nRss:                1720 kB\nPss:                 405 kB\nPss_Dirty:  112 kB\n";

        Assert.Equal(new MemoryUse(1720, 405), ProcText.Memory(Rollup));
        Assert.Throws<FormatException>(static () => ProcText.Memory("Rss: 1 kB\n"));
    }

    [Fact]
    public void LoadAverage_OfProc_IsTheThreeAverages() => Assert.Equal("0.08 0.02 0.09", ProcText.LoadAverage("0.08 0.02 0.09 1/99 4711\n"));

    [Theory]
    [InlineData("GET /1024 HTTP/1.1\r\n\r\n", 1024)]
    [InlineData("GET / HTTP/1.1\r\n\r\n", 0)]
    [InlineData("GET /x HTTP/1.1\r\n\r\n", 0)]
    [InlineData("GET", 0)]
    public void BackendSize_OfRequest_IsThePathsNumber(string request, int size) =>
        Assert.Equal(size, BackendServer.SizeOf(Encoding.ASCII.GetBytes(request)));

    [Theory]
    [InlineData("haproxy", "haproxy is not installed and left out: apt-get install haproxy")]
    [InlineData("wrk", "wrk is needed, it makes the load: apt-get install wrk")]
    public void Hint_OfMissingTool_SaysHowToGetIt(string tool, string line) => Assert.Equal(line, Tools.Hint(tool));
}
