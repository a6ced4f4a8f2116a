using Mesh.Lab.Checks;
using Mesh.Lab.CommandLine;
using Mesh.Lab.Metrics;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Bench.Tests.Lab;

/// <summary>The checks of the labs window, canary and failover hold for right numbers and fail for wrong ones.</summary>
public sealed class ScenarioCheckTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);
    private static readonly Upload Told = new(504, WindowChecks.Reason, "unknown", TimeSpan.FromSeconds(1.1));
    private static readonly ShopAnswer[] Old = [Of(1), Of(3)];
    private static readonly AccessLogEntry Logged = new(default, 504, "UT", "c", "127.0.0.1:1", WindowChecks.Reason);

    [Fact]
    public void EachIsTold_AllAgree_Holds() => Assert.All(Told504([Told, Told], [Logged, Logged]), static check => Assert.True(check.Passed, check.Name));

    [Fact]
    public void EachIsTold_OtherStatus_Fails() => Fails(Told504([Told, Told with { Code = 503 }], [Logged, Logged]), "callers answered 504");

    [Fact]
    public void EachIsTold_OtherReason_Fails() => Fails(Told504([Told, Told with { Reason = "route_timeout" }], [Logged, Logged]), "x-mesh-reason");

    [Fact]
    public void EachIsTold_OtherOutcome_Fails() => Fails(Told504([Told, Told with { Outcome = "not-sent" }], [Logged, Logged]), "x-mesh-outcome");

    [Fact]
    public void EachIsTold_TooEarly_Fails() => Fails(Told504([Told, Told with { Took = TimeSpan.FromSeconds(0.9) }], [Logged, Logged]), "before the limit");

    [Fact]
    public void EachIsTold_TooLate_Fails() => Fails(Told504([Told, Told with { Took = TimeSpan.FromSeconds(4) }], [Logged, Logged]), "the last answer");

    [Fact]
    public void EachIsTold_OtherFlagInLog_Fails() => Fails(Told504([Told, Told], [Logged, Logged with { Flags = "UC" }]), "lines of the log");

    [Fact]
    public void EachIsTold_CountedOnce_Fails() => Fails(Told504([Told, Told], [Logged, Logged], counted: 1), "upstream_rq_write_timeout");

    [Fact]
    public void EachIsTold_SlotStillHeld_Fails() => Fails(Told504([Told, Told], [Logged, Logged], active: 1), "upstream_rq_active");

    [Theory]
    [InlineData(0, 2, 0, true)]
    [InlineData(504, 2, 0, false)]
    [InlineData(0, 1, 0, false)]
    [InlineData(0, 2, 1, false)]
    public void NobodyIsToldAnything_AnAnswerAFreeSlotOrATimeout_Fails(int code, long held, long timeouts, bool holds)
    {
        Upload waits = new(0, null, null, TimeSpan.FromSeconds(5));
        Assert.Equal(holds, WindowChecks.NobodyIsToldAnything([waits, waits with { Code = code }], held, Counters(timeouts, 0)).All(static c => c.Passed));
    }

    [Fact]
    public void Stale_AllAgree_Holds() => Assert.All(StaleFor(Old, 2, 1), static check => Assert.True(check.Passed, check.Name));

    [Fact]
    public void Stale_RefusedOnce_Fails() => Fails(StaleFor([Old[0], Old[1] with { Code = 503 }], 2, 1), "answers 200");

    [Fact]
    public void Stale_AgeOfHeaderAndWordDiffer_Fails() => Fails(StaleFor([Old[0], Old[1] with { Age = 4 }], 2, 1), "say that they are old");

    [Fact]
    public void Stale_LiveInBetween_Fails() => Fails(StaleFor([Old[0] with { Fallback = null }, Old[1]], 2, 1), "say that they are old");

    [Fact]
    public void Stale_OtherBody_Fails() => Fails(StaleFor([Old[0], Old[1] with { Body = "x" }], 2, 1), "different bodies");

    [Fact]
    public void Stale_AgeGoesBack_Fails() => Fails(StaleFor([Old[1], Of(5), Old[1]], 3, 1), "ages that go back");

    [Fact]
    public void Stale_TooOld_Fails() => Fails(StaleFor([Old[0], Of(20)], 2, 1), "age of the last answer");

    [Fact]
    public void Stale_CountedOtherwise_Fails()
    {
        Fails(StaleFor(Old, 1, 1), "fallback_stale");
        Fails(StaleFor(Old, 2, 0), "fallback_static");
    }

    [Fact]
    public void Live_AnOldAnswer_Fails()
    {
        ShopAnswer live = new(200, null, null, "a");
        Assert.All(FallbackChecks.Live([live]), static check => Assert.True(check.Passed, check.Name));
        Fails(FallbackChecks.Live([live, Old[0]]), "stand in for another");
        Fails(FallbackChecks.Live([live with { Code = 500 }]), "answers 200");
    }

    [Theory]
    [InlineData(14, true)]
    [InlineData(15, false)]
    public void LeftAlone_MoreThanTrials_Fails(long seen, bool holds) =>
        Assert.Equal(holds, FallbackChecks.LeftAlone(seen, 10, 2, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3)).Passed);

    [Theory]
    [InlineData(1000, 0.1, 100, true)]
    [InlineData(1000, 0.1, 156, true)]
    [InlineData(1000, 0.1, 157, false)]
    [InlineData(1000, 0.1, 43, false)]
    [InlineData(1000, 1, 1000, true)]
    [InlineData(1000, 1, 999, false)]
    [InlineData(1000, 0, 1, false)]
    [InlineData(0, 0, 0, false)]
    public void Drawn_OutsideOfChance_Fails(long calls, double share, long got, bool holds) => Assert.Equal(holds, ShareChecks.Drawn("x", share, calls, got).Passed);

    [Fact]
    public void AllArrived_OneLostOrTwice_Fails()
    {
        Assert.True(ShareChecks.AllArrived(3, [1, 2]).Passed);
        Assert.False(ShareChecks.AllArrived(3, [1, 1]).Passed);
        Assert.False(ShareChecks.AllArrived(3, [2, 2]).Passed);
    }

    [Theory]
    [InlineData(0, 700, 300, 0, true)]
    [InlineData(0, 1000, 0, 0, false)]
    [InlineData(0, 500, 500, 0, false)]
    [InlineData(1, 699, 300, 0, false)]
    [InlineData(0, 700, 299, 1, false)]
    public void Regions_EjectedWrongShareOrThirdRegion_Fails(long first, long other, long second, long third, bool holds)
    {
        Dictionary<string, InstanceCounts> counts = new()
        {
            ["near-1"] = Own(first),
            ["near-2"] = Own(other),
            ["second"] = Own(second),
            ["third"] = Own(third),
        };
        Assert.Equal(holds, FailoverChecks.Regions(Load(1000), 0.7, ["near-1"], counts).All(static c => c.Passed));
    }

    [Fact]
    public void Parse_Head_ReadsStatusReasonAndOutcome()
    {
        Upload upload = Uploads.Parse("HTTP/1.1 504 Gateway Timeout\r\nX-Mesh-Reason: upstream_write_timeout; limit=1000\r\nx-mesh-outcome: unknown", Limit);
        Assert.Equal(Told with { Took = Limit }, upload);
        Assert.Equal(new Upload(0, null, null, Limit), Uploads.Parse("", Limit));
    }

    [Fact]
    public void ScaleAllArrived_AClusterOrAnEndpointMissing_Fails()
    {
        string full = ScalePage(3, 20);
        Assert.All(ScaleChecks.AllArrived(full, 1), static check => Assert.True(check.Passed, check.Name));
        Assert.Contains(ScaleChecks.AllArrived(ScalePage(2, 20), 1), static check => !check.Passed);
        Assert.Contains(ScaleChecks.AllArrived(ScalePage(3, 19), 1), static check => !check.Passed);
        Assert.Contains(ScaleChecks.AllArrived(full, 2), static check => !check.Passed);
    }

    [Fact]
    public void ScaleTouchedClusters_Log_HasANumberForEachConfiguration() => Assert.Equal(
        [30, 3], ScaleChecks.TouchedClusters("info: Snapshot v1 in force: 30 clusters new or changed, 0 removed\nnoise\ninfo: Snapshot v2 in force: 3 clusters new or changed, 1 removed\n"));

    [Theory]
    [InlineData("window", "window")]
    [InlineData("all", "shop partner retries window canary failover fallback breaker limits pacing scale")]
    public void Options_Name_IsThatLabOrAll(string name, string labs) =>
        Assert.Equal(labs, string.Join(' ', LabOptions.Parse([name], out _)!.ToScenarios().Select(static s => s.Name)));

    [Theory]
    [InlineData("--keep leaves one lab running", "all", "--keep")]
    [InlineData("--duration belongs to shop", "canary", "--duration", "5s")]
    [InlineData("there is no scenario 'canari'; there are: shop, partner, retries, window, canary, failover, fallback, breaker, limits, pacing, scale, all", "canari")]
    public void Options_Wrong_SayWhat(string message, params string[] args)
    {
        Assert.Null(LabOptions.Parse(args, out string error));
        Assert.StartsWith(message, error, StringComparison.Ordinal);
    }

    private static string ScalePage(int clusters, int endpoints) =>
        $$"""{"cluster_statuses":[{{string.Join(',', Enumerable.Range(0, clusters).Select(i => Cluster(i == 0 ? endpoints : 0)))}},{"name":"inbound|80||","host_statuses":[{}]}]}""";

    private static string Cluster(int endpoints) =>
        $$"""{"name":"outbound|80||s.scale.lab","host_statuses":[{{string.Join(',', Enumerable.Repeat("{}", endpoints))}}]}""";

    private static IEnumerable<LabCheck> Told504(IReadOnlyList<Upload> uploads, IReadOnlyList<AccessLogEntry> log, long counted = 2, long active = 0) =>
        WindowChecks.EachIsTold(uploads, Limit, TimeSpan.FromSeconds(4), log, Counters(counted, active));

    private static void Fails(IEnumerable<LabCheck> checks, string name) =>
        Assert.Contains(name, Assert.Single(checks, static check => !check.Passed).Name, StringComparison.Ordinal);

    private static ClusterCounters Counters(long timeouts, long active) =>
        new(new Dictionary<string, long> { ["upstream_rq_write_timeout"] = timeouts, ["upstream_rq_active"] = active });

    private static InstanceCounts Own(long requests) => new(requests, new Dictionary<int, long> { [200] = requests }, 1, 0);

    private static LoadReport Load(int calls)
    {
        LoadRecorder recorder = new();
        for (int i = 0; i < calls; i++)
        {
            recorder.Add(new LoadSample(200, 0, null, false, null, TimeSpan.FromMilliseconds(1)));
        }

        return recorder.Report(TimeSpan.FromSeconds(1), 0);
    }

    private static ShopAnswer Of(int age) => new(200, $"stale; age={age}; reason=circuit_open", age, "a");

    private static IEnumerable<LabCheck> StaleFor(IReadOnlyList<ShopAnswer> answers, long stale, long fixedAnswers) => FallbackChecks.Stale(
        answers, 10, new ClusterCounters(new Dictionary<string, long> { ["fallback_stale"] = stale, ["fallback_static"] = fixedAnswers }));
}
