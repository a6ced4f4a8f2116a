using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>One caller's side of a shared circuit. Not thread-safe.</summary>
/// <param name="reporter">Who it is.</param>
internal sealed class CircuitCaller(Reporter reporter)
{
    /// <summary>Who has called in this time has traffic now: two reports, and what the way of one may take.</summary>
    public static readonly TimeSpan Lately = 2.5 * EndpointRegistry.ReportInterval;

    private const double SmallLoad = 4; // requests: below that nobody is busy
    private const double Smoothing = 4; // reports that a load is the mean of, about

    private CallCounts? _total; // since its process began
    private long _refused; // since its process began
    private DateTimeOffset? _calledAt;
    private DateTimeOffset _triedAt; // when it was last asked to try, or last said that it had begun to
    private bool _isFormerProber; // of the trial before
    private CallCounts _trialsBefore; // of this epoch, that it made before we knew it, or before it was silent for a lease: they count where they were counted then
    private long _ahead; // how much higher its numbers are than others'
    private int _granted; // calls on trial of this epoch, also those that were taken back: they may have been under way

    /// <summary>Who it is.</summary>
    public Reporter Reporter { get; } = reporter;

    /// <summary>When it reported last.</summary>
    public DateTimeOffset ReportedAt { get; private set; }

    /// <summary>Epoch of the order that it has in force.</summary>
    public long Epoch { get; private set; }

    /// <summary>Its calls since its process began, but those on trial.</summary>
    public CallCounts Total => _total ?? default;

    /// <summary>Whether it ever called; who is refused has called too.</summary>
    public bool HasCalled => _total is { Calls: > 0 } || _refused > 0;

    /// <summary>Requests in progress at its sidecar, about the mean of its last reports; infinite for one that does not say.</summary>
    public double Load { get; private set; } = double.PositiveInfinity;

    /// <summary>What an election compares. One who was elected before counts half of it, so that callers which are busy alike do not take turns.</summary>
    public double Burden => (Load + SmallLoad) / (IsProber || _isFormerProber ? 2 : 1);

    /// <summary>Its calls in the window; kept by <see cref="SharedWindow"/>.</summary>
    public CallCounts InWindow { get; set; }

    /// <summary>Its reports there; kept by <see cref="SharedWindow"/>.</summary>
    public int ReportsInWindow { get; set; }

    /// <summary>True after it left: what it saw counts no more.</summary>
    public bool IsGone { get; set; }

    /// <summary>Its calls on trial all failed while another's went well: it may be sick itself, and does not try again while others can.</summary>
    public bool IsDoubted { get; set; }

    /// <summary>It tries while the circuit is half-open.</summary>
    public bool IsProber { get; private set; }

    /// <summary>Calls that it may make on trial in this epoch, all in all.</summary>
    public int Quota { get; private set; }

    /// <summary>The same, as it counts them itself: with those that are none of ours.</summary>
    public int Granted => Quota == 0 ? 0 : (int)Math.Min(int.MaxValue, _trialsBefore.Calls + Quota);

    /// <summary>Those of them that have ended.</summary>
    public CallCounts Trials { get; private set; }

    /// <summary>Calls on trial that it still may make or that have not ended.</summary>
    public int Unused => Math.Max(0, Quota - (int)Trials.Calls);

    /// <summary>Those of them that had gone out when it reported last.</summary>
    public int UnderWay { get; private set; }

    /// <summary>Whether it has traffic: a call of it was counted, or refused.</summary>
    public bool CallsNow(DateTimeOffset now) => now - _calledAt <= Lately;

    /// <summary>It could try and does not: a report's time after it was asked to, or began a call last, it has said that nothing of it is under way.</summary>
    public bool IsIdle => IsProber && Unused > 0 && UnderWay == 0 && ReportedAt - _triedAt >= EndpointRegistry.ReportInterval;

    /// <summary>The number by which it knows the decision that has number <paramref name="epoch"/>.</summary>
    public long NumberOf(long epoch) => epoch + _ahead;

    /// <summary>It follows a number above all that clocks show: what it is told from now on, when others are told <paramref name="epoch"/>, is higher.</summary>
    public void Catch(long said, long epoch) => _ahead = said > NumberOf(epoch) ? said - epoch + 1 : _ahead;

    /// <summary>Takes its report. The first is what all later ones are compared with, and so is one whose counts went back: another process counts anew.</summary>
    /// <param name="report">The report.</param>
    /// <param name="load">Requests in progress at its sidecar; null when it does not say.</param>
    /// <param name="now">Time.</param>
    /// <returns>Calls since the one before.</returns>
    public CallCounts Take(CircuitReport report, int? load, DateTimeOffset now)
    {
        CallCounts total = CallCounts.Of(report);
        CallCounts news = _total is { } before ? total - before : default;
        bool hasCalled = news.Calls > 0 || (_total is not null && report.Refused > _refused);
        _calledAt = hasCalled ? now : _calledAt;
        (_total, _refused, ReportedAt, Epoch) = (total, report.Refused, now, report.Epoch);
        double requests = load is { } said ? Math.Max(0, said) : double.PositiveInfinity;
        Load = double.IsInfinity(requests + Load) ? requests : Load + ((requests - Load) / Smoothing);
        return news is { Calls: >= 0, Failures: >= 0, Slow: >= 0 } ? news : default;
    }

    /// <summary>Takes what it says of the trial that is under way. Of calls that nobody granted it says nothing: one caller must not decide for all.</summary>
    /// <param name="report">The report.</param>
    /// <param name="isFirst">True for its first one.</param>
    public void TakeTrials(CircuitReport report, bool isFirst)
    {
        long begun = Trials.Calls + UnderWay;
        _trialsBefore = isFirst ? CallCounts.TrialsOf(report) : _trialsBefore;
        CallCounts trials = CallCounts.TrialsOf(report) - _trialsBefore;
        trials = new CallCounts(Math.Min(trials.Calls, _granted), Math.Clamp(trials.Failures, 0, _granted), Math.Clamp(trials.Slow, 0, _granted));
        Trials = trials.Calls >= Trials.Calls ? trials : Trials;
        UnderWay = Math.Clamp(report.TrialsUnderWay, 0, _granted - (int)Trials.Calls);
        _triedAt = Trials.Calls + UnderWay > begun ? ReportedAt : _triedAt;
    }

    /// <summary>A trial begins.</summary>
    public void ClearTrials() => (_isFormerProber, IsProber, Quota, Trials, _trialsBefore, UnderWay, _granted) = (IsProber, false, 0, default, default, 0, 0);

    /// <summary>It may make <paramref name="more"/> calls on trial.</summary>
    public void Grant(int more, DateTimeOffset now)
    {
        (IsProber, Quota, _triedAt) = (true, Quota + more, now);
        _granted = Math.Max(_granted, Quota);
    }

    /// <summary>It may make no more than it has made.</summary>
    public void Revoke() => (_isFormerProber, IsProber, Quota) = (false, false, (int)Trials.Calls);
}
