using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.World;

namespace Mesh.Bench.Tests.Lab;

/// <summary>The checks of the lab breaker hold for right numbers and fail for wrong ones; its readers read what the pages and logs say.</summary>
public sealed class BreakerCheckTests
{
    private const string ForAll = "circuit_open; rule=default/partner#spec.failureRateThreshold; limit=50; now=100; scope=mesh";
    private static readonly DateTimeOffset At = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly CircuitView Closed = new("closed", 7, 100, 60, "c", TimeSpan.Zero, 3, []);
    private static readonly CircuitView OnTrial = Closed with { State = "half_open", Sick = null, Probers = ["a", "b", "c"] };

    [Theory]
    [InlineData("", 30, 200, 503, "c", 60, 0)]
    [InlineData("calls of the others that failed", 30, 500, 503, "c", 60, 0)]
    [InlineData("calls of the others", 19, 200, 503, "c", 60, 0)]
    [InlineData("calls of the sick one that went well", 30, 200, 200, "c", 60, 0)]
    [InlineData("failed calls of all callers together", 30, 200, 503, "c", 49, 0)]
    [InlineData("times that the circuit opened", 30, 200, 503, "c", 60, 1)]
    [InlineData("names c", 30, 200, 503, "a", 60, 0)]
    [InlineData("names c", 30, 200, 503, null, 60, 0)]
    public void OneSick(string wrong, int calls, int others, int sick, string? named, double rate, long opened) => Expect(
        wrong, BreakerChecks.OneSick([.. Answers(calls, others, null), new("c", At, sick, "connect_failure")], "c", 50, Closed with { Sick = named, FailureRate = rate }, opened));

    [Fact]
    public void OneSick_ACallIsRefusedByTheCircuit_Fails() => Expect(
        "calls that the circuit refused", BreakerChecks.OneSick([.. Answers(30, 200, null), new("c", At, 503, ForAll)], "c", 50, Closed, 0));

    [Theory]
    [InlineData("", 0, 1.9, 1.0)]
    [InlineData("the last one's circuit opened", 0, 2.1, 1.0)]
    [InlineData("callers whose circuit opened", 0, 1.9, -1.0)]
    [InlineData("the last one's circuit opened", -1, 1.9, 1.0)]
    public void Everywhere(string wrong, double cause, double first, double second) => Expect(wrong, BreakerChecks.Everywhere("opened", Time(cause), [Time(first), Time(second)]));

    [Theory]
    [InlineData("", 30, 503, ForAll, 8, 2)]
    [InlineData("calls at the destination while open: 4 for each trial", 30, 503, ForAll, 9, 2)]
    [InlineData("calls at the destination while open", 30, 503, ForAll, 0, 2)]
    [InlineData("trials that began", 30, 503, ForAll, 0, 0)]
    [InlineData("refused calls", 19, 503, ForAll, 8, 2)]
    [InlineData("calls neither refused for all nor on trial", 30, 503, "circuit_open; scope=sidecar", 8, 2)]
    [InlineData("calls neither refused for all nor on trial", 30, 200, null, 8, 2)]
    public void LeftAlone(string wrong, int calls, int code, string? reason, long seen, int trials) => Expect(
        wrong, BreakerChecks.LeftAlone([.. Answers(calls, code, reason), new("a", At, 500, null)], seen, 4, trials), exact: code == 503 && calls == 30);

    [Theory]
    [InlineData("", 8, 2, 4)]
    [InlineData("calls at the destination while open", 13, 2, 4)]
    [InlineData("trials that began", 4, 0, 4)]
    public void Replaced(string wrong, long seen, int trials, int lost) => Expect(wrong, BreakerChecks.Replaced(Looks(OnTrial, OnTrial), seen, 4, trials, lost));

    [Fact]
    public void Replaced_NobodyMayTry_Fails() => Expect("of these, without a prober", BreakerChecks.Replaced(Looks(OnTrial, OnTrial, OnTrial with { Probers = [] }), 8, 4, 2, 0));

    [Fact]
    public void Replaced_AlwaysTheSameTry_Fails() =>
        Expect("callers that tried", BreakerChecks.Replaced(Looks(OnTrial with { Probers = ["a"] }, OnTrial with { Probers = ["b"] }), 8, 4, 2, 0));

    [Fact]
    public void Replaced_NeverOnTrial_Fails() => Expect("looks at a trial under way", BreakerChecks.Replaced(Looks(OnTrial), 8, 4, 2, 0));

    [Fact]
    public void Replaced_FoundClosed_Fails() => Expect("looks that found the circuit closed", BreakerChecks.Replaced(Looks(OnTrial, OnTrial, Closed), 8, 4, 2, 0));

    [Theory]
    [InlineData("", "b", 8.9, "half_open")]
    [InlineData("without a prober that lives", "b", 9.0, "half_open")]
    [InlineData("without a prober that lives", "b", 9.0, "open")] // the trial ended at the last moment it was seen not to have
    [InlineData("", "a", 9.0, "half_open")]
    public void Replaced_ProberIsDead(string wrong, string living, double seconds, string next)
    {
        CircuitView byOne = OnTrial with { Probers = ["a"] };
        CircuitLook dead = new(At.AddSeconds(1), byOne, new HashSet<string> { living });
        CircuitLook[] looks =
        [
            .. Looks(OnTrial),
            dead,
            dead with { At = dead.At.AddSeconds(seconds / 2) },
            dead with { At = dead.At.AddSeconds(seconds), View = byOne with { State = next, Probers = ["b"] }, Living = new HashSet<string> { "b" } },
            dead with { At = dead.At.AddSeconds(12), View = byOne with { Probers = ["b"] }, Living = new HashSet<string> { "b" } },
        ];

        Expect(wrong, BreakerChecks.Replaced(looks, 8, 4, 2, 0));
    }

    [Theory]
    [InlineData("", 30, ForAll, 5.9)]
    [InlineData("calls refused while its last word held", 19, ForAll, 5.9)]
    [InlineData("other answers meanwhile", 30, "circuit_open; scope=sidecar", 5.9)]
    [InlineData("the last one, after its end", 30, ForAll, 6.1)]
    [InlineData("callers that are on their own", 30, ForAll, -1.0)]
    [InlineData("the first one, milliseconds after its end", 30, ForAll, 2.9)]
    public void LastWord(string wrong, int calls, string reason, double second) => Expect(
        wrong, BreakerChecks.LastWord(At, [Time(3), Time(second)], TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(6), Answers(calls, 503, reason)), exact: reason == ForAll);

    [Theory]
    [InlineData(8, 9, true)]
    [InlineData(8, 7, false)]
    [InlineData(0, 9, false)]
    public void NoStaleEpoch(long first, long second, bool holds) => Assert.Equal(holds, BreakerChecks.NoStaleEpoch(7, [first, second]).Passed);

    [Fact]
    public void BreakerLine_IsFoundAmongOtherLines()
    {
        BreakerLine line = Assert.Single(BreakerLine.Parse("""
            info: started
            {"type":"CONSECUTIVE_5XX","cluster_name":"c"}
            {"type":"CIRCUIT_BREAKER","cluster_name":"c","from":"closed","to":"open","reason":"mesh","calls":3,"by":"mesh","epoch":7,"enforced":true,"timestamp":"2030-01-01T00:00:00.000Z","rule":"default/cb#spec"}
            {"type":"CIRCUIT_BREAKER","cluster_na
            """));

        Assert.Equal(new BreakerLine(At, "open", "mesh", 7), line);
    }

    [Fact]
    public void CircuitView_IsReadFromThePage()
    {
        const string Page = """
            {"circuits":[{"cluster":"other","decided":false},
            {"cluster":"c","decided":true,"state":"half_open","epoch":9,"calls":3,"failureRate":33.3,"sick":null,"retryAfterMilliseconds":1500,
             "callers":[{"id":"a","prober":true},{"id":"b","prober":false},{"id":"d"}]}],"events":[]}
            """;

        CircuitView view = CircuitView.Parse(Page, "c")!;

        Assert.Equal(("half_open", 9, 3, 33.3, null, 1500.0, 3), (view.State, view.Epoch, view.Calls, view.FailureRate, view.Sick, view.Left.TotalMilliseconds, view.Callers));
        Assert.Equal("a", Assert.Single(view.Probers));
        Assert.Null(CircuitView.Parse(Page, "x"));
    }

    private static DateTimeOffset? Time(double seconds) => seconds < 0 ? null : At.AddSeconds(seconds);

    private static CircuitLook[] Looks(params CircuitView[] views) => [.. views.Select(static (view, i) => new CircuitLook(At.AddSeconds(i), view, new HashSet<string> { "a", "b", "c" }))];

    private static CallerAnswer[] Answers(int count, int code, string? reason) => [.. Enumerable.Range(0, count).Select(i => new CallerAnswer(i % 2 == 0 ? "a" : "b", At, code, reason))];

    private static void Expect(string wrong, IEnumerable<LabCheck> checks, bool exact = true)
    {
        string[] failed = [.. checks.Where(static c => !c.Passed).Select(static c => c.Name)];
        if (wrong.Length == 0)
        {
            Assert.Empty(failed);
            return;
        }

        Assert.Contains(failed, name => name.Contains(wrong, StringComparison.Ordinal));
        Assert.True(!exact || failed.Length <= 2, string.Join("; ", failed));
    }
}
