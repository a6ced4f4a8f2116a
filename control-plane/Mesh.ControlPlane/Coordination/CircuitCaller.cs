using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>One caller's side of a shared circuit. Not thread-safe.</summary>
/// <param name="reporter">Who it is.</param>
internal sealed class CircuitCaller(Reporter reporter)
{
    private CallCounts? _total; // since its process began
    private int _granted; // calls on trial of this epoch, also those that were taken back: they may have been under way

    /// <summary>Who it is.</summary>
    public Reporter Reporter { get; } = reporter;

    /// <summary>When it reported last.</summary>
    public DateTimeOffset ReportedAt { get; private set; }

    /// <summary>Epoch of the order that it has in force.</summary>
    public long Epoch { get; private set; }

    /// <summary>Its calls since its process began, but those on trial.</summary>
    public CallCounts Total => _total ?? default;

    /// <summary>Whether it ever called.</summary>
    public bool HasCalled => _total is { Calls: > 0 };

    /// <summary>Its calls in the window; kept by <see cref="SharedWindow"/>.</summary>
    public CallCounts InWindow { get; set; }

    /// <summary>Its reports there; kept by <see cref="SharedWindow"/>.</summary>
    public int ReportsInWindow { get; set; }

    /// <summary>True after it left: what it saw counts no more.</summary>
    public bool IsGone { get; set; }

    /// <summary>It tries while the circuit is half-open.</summary>
    public bool IsProber { get; private set; }

    /// <summary>Calls that it may make on trial in this epoch, all in all.</summary>
    public int Quota { get; private set; }

    /// <summary>Those of them that have ended.</summary>
    public CallCounts Trials { get; private set; }

    /// <summary>Calls on trial that it still may make or that have not ended.</summary>
    public int Unused => Math.Max(0, Quota - (int)Trials.Calls);

    /// <summary>Takes its report. The first is what all later ones are compared with, and so is one whose counts went back: another process counts anew.</summary>
    /// <returns>Calls since the one before.</returns>
    public CallCounts Take(CircuitReport report, DateTimeOffset now)
    {
        CallCounts total = CallCounts.Of(report);
        CallCounts news = _total is { } before ? total - before : default;
        (_total, ReportedAt, Epoch) = (total, now, report.Epoch);
        return news is { Calls: >= 0, Failures: >= 0, Slow: >= 0 } ? news : default;
    }

    /// <summary>Takes what it says of the trial that is under way. Of calls that nobody granted it says nothing: one caller must not decide for all.</summary>
    public void TakeTrials(CircuitReport report)
    {
        CallCounts trials = CallCounts.TrialsOf(report);
        trials = new CallCounts(Math.Min(trials.Calls, _granted), Math.Min(trials.Failures, _granted), Math.Min(trials.Slow, _granted));
        Trials = trials.Calls >= Trials.Calls ? trials : Trials;
    }

    /// <summary>A trial begins, or ended.</summary>
    public void ClearTrials() => (IsProber, Quota, Trials, _granted) = (false, 0, default, 0);

    /// <summary>It may make <paramref name="more"/> calls on trial.</summary>
    public void Grant(int more)
    {
        (IsProber, Quota) = (true, Quota + more);
        _granted = Math.Max(_granted, Quota);
    }

    /// <summary>It may make no more than it has made.</summary>
    public void Revoke() => (IsProber, Quota) = (false, (int)Trials.Calls);
}
