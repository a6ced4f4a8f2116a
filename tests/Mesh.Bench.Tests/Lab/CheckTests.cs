using System.Text;
using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.Output;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Bench.Tests.Lab;

/// <summary>Each check holds for right numbers and fails for wrong ones.</summary>
public sealed class CheckTests
{
    private const string Sick = "127.0.0.1:2";
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(3, 0, true)]
    [InlineData(3, 1, false)]
    [InlineData(0, 0, false)]
    public void NobodyFails_AnyFailureOrNoCall_Fails(int ok, int failed, bool holds) =>
        Assert.Equal(holds, PoolChecks.NobodyFails("x", Load(ok, 201, failed, 500)).Passed);

    [Theory]
    [InlineData(2, 1, true)]
    [InlineData(1, 1, false)]
    [InlineData(3, 1, false)]
    public void AllAccountedFor_PendingAndOverflow_MustBeTheCalls(long pending, long overflow, bool holds) => Assert.Equal(holds, PoolChecks.AllAccountedFor(
        Layer([Ok(), Ok(), Refused()], ("upstream_rq_pending_total", pending), ("upstream_rq_pending_overflow", overflow))).Passed);

    [Theory]
    [InlineData(1, 1, 1, true)]
    [InlineData(2, 1, 1, false)]
    [InlineData(2, 1, 2, true)]
    public void HoldsConnections_Most_MustNotExceedLimitAndEndpoints(long most, long limit, int endpoints, bool holds) =>
        Assert.Equal(holds, PoolChecks.HoldsConnections(Layer([]) with { MostConnections = most }, limit, endpoints).Passed);

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void RefusalsAreCounted_CounterAndLog_MustAgree(long counted, bool holds) =>
        Assert.Equal(holds, PoolChecks.RefusalsAreCounted(Layer([Refused(), Ok()], ("upstream_rq_pending_overflow", counted))).Passed);

    [Theory]
    [InlineData(503, "pending_overflow", true)]
    [InlineData(503, "request_overflow", true)]
    [InlineData(503, null, false)]
    [InlineData(500, "pending_overflow", false)]
    [InlineData(500, "request_overflow", false)]
    public void RefusalsSayWhy_EachRefusal_Needs503AndReason(int code, string? reason, bool holds) =>
        Assert.Equal(holds, PoolChecks.RefusalsSayWhy(Layer([Refused() with { Code = code, Reason = reason }])).Passed);

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(1, 0, false)]
    [InlineData(0, 1, false)]
    public void OverflowEjectsNobody_AnyEjection_Fails(long detected, long enforced, bool holds) => Assert.Equal(holds, PoolChecks.OverflowEjectsNobody(
        Layer([], ("outlier_detection_ejections_detected_consecutive_5xx", detected), ("outlier_detection_ejections_enforced_total", enforced))).Passed);

    [Theory]
    [InlineData(500, true)]
    [InlineData(503, false)]
    [InlineData(0, false)]
    public void UserSeesOnly201And500_OtherAnswers_Fail(int failure, bool holds) =>
        Assert.Equal(holds, PoolChecks.UserSeesOnly201And500(Load(2, 201, 1, failure)).Passed);

    [Theory]
    [InlineData("pending_overflow", true, true)]
    [InlineData(null, true, false)]
    [InlineData("pending_overflow", false, false)]
    public void RefusedCallersAreTold_503_NeedsBothHeaders(string? reason, bool overloaded, bool holds) => Assert.Equal(holds, PoolChecks.RefusedCallersAreTold(
        Recorded(new LoadSample(503, 0, reason, overloaded, null, default))).Passed);

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public void ServerServedOnlyAdmitted_OwnCount_MustBeTheSidecarsOk(long served, bool holds)
    {
        Measurement run = new(Load(1, 201, 0, 0), [Layer([Ok(), Refused()]), Layer([Ok()])], [], new Dictionary<string, InstanceCounts> { ["p"] = Own(served, 0) }, 0);
        Assert.Equal(holds, PoolChecks.ServerServedOnlyAdmitted(run).Passed);
    }

    [Fact]
    public void OneEjection_AllAgree_Holds() => Assert.All(OutlierChecks.OneEjection(SickLayer(), Events(), Sick), static check => Assert.True(check.Passed, check.Name));

    [Fact]
    public void OneEjection_SixthFailure_Fails() => Fails(SickLayer([Failed(31)]), Events(), "answers 500 from the sick instance");

    [Fact]
    public void OneEjection_CallDuringEjection_Fails() => Fails(SickLayer([Ok() with { UpstreamHost = Sick, Start = Start.AddSeconds(12) }]), Events(), "until baseEjectionTime is over");

    [Fact]
    public void OneEjection_ReturnTooEarly_Fails() => Fails(SickLayer(), [Events()[0], Events()[1] with { Timestamp = Start.AddSeconds(20) }], "returns at the first sweep");

    [Fact]
    public void OneEjection_NoReturn_Fails() => Fails(SickLayer(), [Events()[0]], "returns at the first sweep");

    [Fact]
    public void OneEjection_WrongInstance_Fails() => Fails(SickLayer(), [Events()[0] with { Upstream = "127.0.0.1:1" }, Events()[1]], "names the sick instance");

    [Fact]
    public void OneEjection_TwoEvents_Fails() => Fails(SickLayer(), [Events()[0], Events()[0], Events()[1]], "ejection events");

    [Fact]
    public void OneEjection_NoEventAtAll_Fails() => Fails(SickLayer(), [], "until baseEjectionTime is over");

    [Fact]
    public void OneEjection_CounterIsZero_Fails() =>
        Fails(SickLayer() with { Added = new ClusterCounters(new Dictionary<string, long>()) }, Events(), "ejections_enforced_total");

    [Fact]
    public void PaidAndOwnCount_OtherThanFiveEach_Fail()
    {
        Assert.True(OutlierChecks.UserPaidOncePerCaller(10, 2).Passed);
        Assert.False(OutlierChecks.UserPaidOncePerCaller(11, 2).Passed);
        Assert.True(OutlierChecks.InstanceAgrees(Own(10, 10), 2).Passed);
        Assert.False(OutlierChecks.InstanceAgrees(Own(10, 9), 2).Passed);
    }

    [Fact]
    public void Within_LateOrNever_Fails()
    {
        Assert.True(LabCheck.Within("x", TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(999)).Passed);
        Assert.False(LabCheck.Within("x", TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1)).Passed);
        Assert.False(LabCheck.Within("x", TimeSpan.FromSeconds(1), null).Passed);
    }

    [Fact]
    public void Phase_NoCheckOrOneFailing_IsNotPassed()
    {
        PhaseResult phase = new("n", "t");
        Assert.False(phase.Passed);
        phase.Checks.Add(LabCheck.Equal("a", 1, 1));
        Assert.True(phase.Passed);
        phase.Checks.Add(LabCheck.Equal("b", 1, 2));
        Assert.False(phase.Passed);
    }

    [Fact]
    public void Output_FailingPhase_SaysExpectedAndFoundInTextAndJson()
    {
        PhaseResult phase = new("pool", "Pool");
        phase.Add("2 users", new Measurement(Load(3, 201, 1, 500), [Layer([Ok(), Refused()])], [], new Dictionary<string, InstanceCounts> { ["p"] = Own(3, 0) }, 2));
        phase.Checks.Add(LabCheck.Equal("b", 1, 2));
        string text = PhaseText.Of(phase, 2);
        Assert.Contains("== Phase 2: Pool", text, StringComparison.Ordinal);
        Assert.Contains("user of orders sees                          4       3        0       1", text, StringComparison.Ordinal);
        Assert.Contains("  FAIL  b\n          expected 1, found 2\n", text, StringComparison.Ordinal);
        using MemoryStream json = new();
        LabJson.Write([phase], false, TimeSpan.FromSeconds(1), json);
        string written = Encoding.UTF8.GetString(json.ToArray());
        Assert.Contains("\"passed\": false", written, StringComparison.Ordinal);
        Assert.Contains("\"overflow\": 1", written, StringComparison.Ordinal);
        Assert.Contains("\"requests\": 4", written, StringComparison.Ordinal);
    }

    private static void Fails(LayerNumbers layer, IReadOnlyList<EjectionLine> events, string name) => Assert.Contains(
        OutlierChecks.OneEjection(layer, events, Sick), check => !check.Passed && check.Name.Contains(name, StringComparison.Ordinal));

    private static EjectionLine[] Events() =>
    [
        new(Start.AddSeconds(10), "c", Sick, true, "consecutive_5xx", 1, true, Start.AddSeconds(40)),
        new(Start.AddSeconds(40.5), "c", Sick, false, "time", 1, true, null),
    ];

    private static LayerNumbers SickLayer(params AccessLogEntry[] more) => Layer(
        [.. Enumerable.Range(1, 5).Select(Failed), .. more],
        ("outlier_detection_ejections_enforced_total", 1), ("outlier_detection_ejections_enforced_consecutive_5xx", 1));

    private static LayerNumbers Layer(IReadOnlyList<AccessLogEntry> log, params (string Name, long Value)[] counters) =>
        new("orders", log, new ClusterCounters(counters.ToDictionary(static c => c.Name, static c => c.Value)), 0);

    private static AccessLogEntry Ok() => new(Start, 200, "-", "c", "127.0.0.1:1", null);

    private static AccessLogEntry Refused() => new(Start, 503, "UO", "c", "", "pending_overflow");

    private static AccessLogEntry Failed(int second) => new(Start.AddSeconds(second), 500, "-", "c", Sick, null);

    private static InstanceCounts Own(long requests, long failed) => new(requests, new Dictionary<int, long> { [200] = requests - failed, [500] = failed }, 1, 0);

    private static LoadReport Load(int ok, int okCode, int failed, int failedCode) => Recorded(
        [.. Enumerable.Repeat(Sample(okCode), ok), .. Enumerable.Repeat(Sample(failedCode), failed)]);

    private static LoadSample Sample(int code) => new(code, 0, null, false, code == 0 ? "Timeout" : null, TimeSpan.FromMilliseconds(1));

    private static LoadReport Recorded(params LoadSample[] samples)
    {
        LoadRecorder recorder = new();
        foreach (LoadSample sample in samples)
        {
            recorder.Add(sample);
        }

        return recorder.Report(TimeSpan.FromSeconds(1), 0);
    }
}
