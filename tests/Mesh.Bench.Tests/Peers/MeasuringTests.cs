using System.Text.Json;
using Mesh.Peers.Measuring;
using Mesh.Peers.Output;
using Mesh.Peers.Processes;

namespace Mesh.Bench.Tests.Peers;

public sealed class MeasuringTests
{
    private static readonly LoadCase Few = new(1024, 16);
    private static readonly LoadCase Many = new(1024, 64);

    [Theory]
    [InlineData(2.0, 1.0, 3.0, 3.0, 2.0, 1.0)]
    [InlineData(2.5, 1.0, 4.0, 4.0, 3.0, 2.0, 1.0)]
    [InlineData(7.0, 7.0, 7.0, 7.0)]
    public void Summary_OfValues_IsMiddleLowestHighest(double median, double lowest, double highest, params double[] values) =>
        Assert.Equal(new Summary(median, lowest, highest), Summary.Of(values));

    [Fact]
    public void Summary_OfNothing_IsRefused() => Assert.Throws<ArgumentException>(static () => Summary.Of([]));

    [Fact]
    public void Sample_OfRun_DividesByItsRequests()
    {
        Sample sample = Sample.Of(new CpuTime(2000, 8000), new CpuTime(100, 300), 5000, 1000, 500, 1.5, 3.5, 2);

        Assert.Equal((2.0, 8.0, 10.0), (sample.UserMicros, sample.SystemMicros, sample.CpuMicros));
        Assert.Equal((5.0, 0.4, 2L), (sample.BytesPerRequest!.Value, sample.BackendMicros, sample.Errors));
    }

    [Fact]
    public void Sample_WithoutAnswers_IsNotInfinite() =>
        Assert.Equal(10_000, Sample.Of(new CpuTime(2000, 8000), default, null, 0, 0, 0, 0, 64).CpuMicros);

    [Fact]
    public void Sample_WhenReadingThePageCostMoreThanTheRun_AllocatesNothing() =>
        Assert.Equal(0, Sample.Of(default, default, -100, 10, 0, 0, 0, 0).BytesPerRequest);

    [Fact]
    public void Ratios_TwoCases_AreTheMedianRoundOfTheWorse()
    {
        // Round by round 0.75, 0.8 and 0.5, though the machine was half as fast in the third.
        CaseResult[] results =
        [
            Result("direct", Few, 0, 0, 0), Result("haproxy", Few, 20, 20, 40), Result("sidecar", Few, 15, 16, 20),
            Result("direct", Many, 0), Result("haproxy", Many, 20), Result("sidecar", Many, 14),
        ];

        KeyValuePair<string, double> only = Assert.Single(Ratios.Of(results));
        Assert.Equal(("haproxy", 0.75), (only.Key, only.Value));
    }

    [Fact]
    public void Ratios_OtherCases_DoNotCount()
    {
        LoadCase big = new(10_240, 64);
        LoadCase slow = new(1024, 16, 2000);

        Assert.Empty(Ratios.Of([Result("nginx", big, 20), Result("sidecar", big, 18), Result("nginx", slow, 20), Result("sidecar", slow, 18)]));
    }

    [Fact]
    public void Ratios_WithoutSidecar_AreNone() => Assert.Empty(Ratios.Of([Result("nginx", Few, 20)]));

    [Fact]
    public void PerConnection_SeveralNumbers_IsTheLastStep()
    {
        Footprint footprint = new("a", default, new MemoryUse(900, 500), new Dictionary<int, MemoryUse>
        {
            [10_000] = new(90_000, 38_500),
            [1000] = new(9000, 2500),
        });

        Assert.Equal(4, footprint.PerConnection());
        Assert.Equal(0, (footprint with { WithConnections = new Dictionary<int, MemoryUse>() }).PerConnection());
    }

    [Fact]
    public void BusiestShare_ThreadsOldAndNew_IsOfWhatTheyUsedMeanwhile()
    {
        Dictionary<string, CpuTime> before = new() { ["1"] = new(1000, 1000), ["2"] = new(0, 0) };
        Dictionary<string, CpuTime> after = new() { ["1"] = new(1500, 1500), ["2"] = new(1000, 1000), ["3"] = new(500, 500) };

        Assert.Equal(0.5, FullMeasures.BusiestShare(before, after));
        Assert.Equal(0, FullMeasures.BusiestShare(before, before));
    }

    [Theory]
    [InlineData(false, "ratios")]
    [InlineData(true, "nativeRatios")]
    public void Json_OfFindings_HasRatiosAndCases(bool isNative, string name)
    {
        Findings findings = new();
        findings.Cases.AddRange([Result("haproxy", Few, 20), Result("sidecar", Few, 15)]);
        MemoryStream stream = new();

        PeersJson.Write(findings, isNative, stream);

        using JsonDocument json = JsonDocument.Parse(stream.ToArray());
        Assert.Equal(0.75, json.RootElement.GetProperty(name).GetProperty("haproxy").GetDouble());
        JsonElement own = json.RootElement.GetProperty("cases")[1];
        Assert.Equal(("sidecar", "jit"), (own.GetProperty("peer").GetString(), own.GetProperty("runtime").GetString()));
        Assert.Equal((1024, 16), (own.GetProperty("size").GetInt32(), own.GetProperty("connections").GetInt32()));
        Assert.Equal((15.0, 2.0), (own.GetProperty("cpuMicros").GetDouble(), own.GetProperty("p99Ms").GetDouble()));
    }

    [Fact]
    public void Text_OfCase_ShowsSpreadRatioAndErrors()
    {
        CaseResult bad = Result("haproxy", Few, 20, 10, 40);
        bad = bad with { Samples = [.. bad.Samples.Select(static s => s with { Errors = 1 })] };

        string text = PeersText.Case(Few, [bad, Result("sidecar", Few, 15, 15, 15)]);

        Assert.Contains("20.0 [10.0-40.0]", text, StringComparison.Ordinal);
        Assert.Contains("0.75 x [0.38-1.50]  3 ERRORS", text, StringComparison.Ordinal);
    }

    private static CaseResult Result(string peer, LoadCase one, params double[] micros) =>
        new(peer, "jit", one, [.. micros.Select(static m => new Sample(m / 4, m * 3 / 4, 1000, 1, 2, null, 0, 0))]);
}
