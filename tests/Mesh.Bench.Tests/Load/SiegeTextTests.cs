using System.Text;
using Mesh.Load.CommandLine;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Bench.Tests.Load;

public sealed class SiegeTextTests
{
    [Fact]
    public void Summary_Report_IsSiegesTwelveLines()
    {
        const string Expected = """
            Lifting the server siege...
            Transactions:                       3 hits
            Availability:                   75.00 %
            Elapsed time:                    2.00 secs
            Data transferred:                1.00 MB
            Response time:                   0.25 secs
            Transaction rate:                1.50 trans/sec
            Throughput:                      0.50 MB/sec
            Concurrency:                     0.50
            Successful transactions:            3
            Failed transactions:                1
            Longest transaction:             0.40
            Shortest transaction:            0.10

            """;
        Assert.Equal(Expected, SiegeText.Summary(Report()));
    }

    [Fact]
    public void Details_Report_HasPercentilesCodesAndReasons()
    {
        string text = SiegeText.Details(Report());
        Assert.Contains("200.703 ms\n", text, StringComparison.Ordinal);
        Assert.Matches("(?m)^Code 503 +1$", text);
        Assert.Matches("(?m)^Reason pending_overflow +1$", text);
        Assert.Equal(1, Report().Overloaded);
        Assert.Equal(0, Report().UnexplainedRefusals);
    }

    [Fact]
    public void Line_Sample_IsSiegesLine()
    {
        LoadOptions options = new() { Url = new Uri("http://orders:8080/orders"), Method = HttpMethod.Post };
        LoadSample sample = new(201, 424, null, false, null, TimeSpan.FromMilliseconds(80));
        Assert.Equal("HTTP/1.1 201     0.08 secs:     424 bytes ==> POST http://orders:8080/orders", SiegeText.Line(sample, options));
    }

    [Fact]
    public void Json_Report_HasTheCounts()
    {
        using MemoryStream json = new();
        JsonReport.Write(Report(), json);
        string text = Encoding.UTF8.GetString(json.ToArray());
        Assert.Contains("\"requests\": 4", text, StringComparison.Ordinal);
        Assert.Contains("\"pending_overflow\": 1", text, StringComparison.Ordinal);
        Assert.Contains("\"p99.9\": 400", text, StringComparison.Ordinal);
    }

    private static LoadReport Report()
    {
        LoadRecorder recorder = new();
        foreach (int milliseconds in (int[])[200, 300, 400])
        {
            recorder.Add(new LoadSample(201, 349_525, null, false, null, TimeSpan.FromMilliseconds(milliseconds)));
        }

        recorder.Add(new LoadSample(503, 1, "pending_overflow", true, null, TimeSpan.FromMilliseconds(100)));
        return recorder.Report(TimeSpan.FromSeconds(2), 0);
    }
}
