using System.Collections.Immutable;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// Decides what all callers share: takes their reports, gives each its orders, and wakes the streams when a decision cannot wait for the next report. A caller that is silent for
/// a lease has left. Callers report each second, so what happens, happens with them; <see cref="RunAsync"/> is there for what happens without any. Thread-safe.
/// </summary>
/// <param name="time">Clock.</param>
/// <param name="parts">What is shared; asked one after the other.</param>
/// <param name="replicas">Where several replicas share the work: whether this one decides, and what it has instead of <paramref name="parts"/> while it does not. Null where there is one.</param>
internal sealed class MeshCoordinator(TimeProvider time, ImmutableArray<ICoordinated> parts, (Func<bool> Leads, ICoordinated Relay)? replicas = null)
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromMilliseconds(200); // a thousand callers need not look at each other a thousand times a second

    /// <summary>Longest time until what ends by itself ends; shorter than the silence from which it is known that this process stood still.</summary>
    public static readonly TimeSpan AdvanceInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Seen> _seen = new(StringComparer.Ordinal);
    private TaskCompletionSource _changed = NewSource();
    private long _heardAt;
    private long _sweptAt;
    private bool _leads = replicas is null;
    private ImmutableArray<ICoordinated> _active = replicas is { } others ? [others.Relay] : parts;

    /// <summary>Whether this replica decides.</summary>
    public bool Leads => replicas?.Leads() ?? true;

    /// <summary>A task that completes when orders change between two reports. Ask for it before <see cref="OrdersFor"/>, or a change is missed.</summary>
    public Task Watch()
    {
        lock (_gate)
        {
            return _changed.Task;
        }
    }

    /// <summary>Takes a report.</summary>
    /// <returns>What is decided for the sidecar; null for one that shares nothing.</returns>
    public SidecarOrders? Report(RegisteredSidecar sidecar, SidecarReport report) => Report(Reporter.Of(sidecar), report);

    /// <summary>The same for a sidecar of another replica.</summary>
    public SidecarOrders? Report(Reporter reporter, SidecarReport report)
    {
        lock (_gate)
        {
            long now = time.GetTimestamp();
            bool isChanged = AdvanceLocked(now);
            Seen? seen = _seen.GetValueOrDefault(reporter.Id);
            bool shares = !report.Circuits.IsEmpty || !report.Limits.IsEmpty;
            if (seen is not null && (!shares || seen.Reporter != reporter))
            {
                isChanged |= ForgetLocked(seen.Reporter, now);
                seen = null;
            }

            SidecarOrders? orders = null;
            if (shares)
            {
                seen ??= _seen[reporter.Id] = new Seen(reporter);
                seen.At = now;
                foreach (ICoordinated part in _active)
                {
                    isChanged |= part.Report(seen.Reporter, report, now);
                }

                orders = OrdersLocked(seen.Reporter, now);
            }

            WakeLocked(isChanged);
            return orders;
        }
    }

    /// <summary>A sidecar leaves.</summary>
    public void Forget(string id)
    {
        lock (_gate)
        {
            if (_seen.TryGetValue(id, out Seen? seen))
            {
                WakeLocked(ForgetLocked(seen.Reporter, time.GetTimestamp()));
            }
        }
    }

    /// <summary>What is decided for a sidecar now; null for one that shares nothing.</summary>
    public SidecarOrders? OrdersFor(string id)
    {
        lock (_gate)
        {
            return _seen.TryGetValue(id, out Seen? seen) ? OrdersLocked(seen.Reporter, time.GetTimestamp()) : null;
        }
    }

    /// <summary>Takes what another replica hands on.</summary>
    /// <returns>Orders for its sidecars; null when this replica does not decide either.</returns>
    public ReplicaOrders? Relay(ReplicaReport report)
    {
        if (!Leads)
        {
            return null;
        }

        foreach (string id in report.Gone.Where(static id => id is not null))
        {
            Forget(id);
        }

        Dictionary<string, SidecarOrders> orders = new(StringComparer.Ordinal);
        foreach (ReplicaCaller caller in report.Callers.Where(static c => c is not null))
        {
            SidecarReport? said = caller.Report is { } full ? ReportCheck.WithoutExcess(full) : null;
            if (said is not null && ReportCheck.Problem(said) is not null)
            {
                continue; // one bad caller is not the others' trouble
            }

            SidecarOrders? own = said is not null
                ? Report(new Reporter(caller.Id, caller.Zone, caller.StartedAt, caller.Address), said)
                : OrdersFor(caller.Id);
            orders[caller.Id] = own ?? new SidecarOrders();
        }

        return new ReplicaOrders { Orders = orders.ToImmutableDictionary() };
    }

    /// <summary>Runs <paramref name="act"/> on a part, alone and with everything brought up to now; streams are woken if it says that orders changed.</summary>
    /// <param name="act">Given the timestamp; gives back what to return, and whether orders changed.</param>
    public T Run<T>(Func<long, (T Result, bool IsChanged)> act)
    {
        lock (_gate)
        {
            long now = time.GetTimestamp();
            bool isChanged = AdvanceLocked(now);
            foreach (ICoordinated part in _active)
            {
                isChanged |= part.Advance(now);
            }

            (T result, bool isChangedToo) = act(now);
            WakeLocked(isChanged || isChangedToo);
            return result;
        }
    }

    /// <summary>Lets happen what time alone brings where nobody reports or looks: what was said by hand ends in the status too. Runs once, until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(AdvanceInterval, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Run(static _ => (true, false));
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private SidecarOrders OrdersLocked(Reporter reporter, long now)
    {
        SidecarOrders orders = new();
        foreach (ICoordinated part in _active)
        {
            part.AddOrders(reporter, orders, now);
        }

        return orders;
    }

    private bool AdvanceLocked(long now)
    {
        if (Leads == _leads)
        {
            return ForgetSilentLocked(now);
        }

        foreach (Seen seen in _seen.Values.ToArray())
        {
            ForgetLocked(seen.Reporter, now);
        }

        _leads = !_leads;
        _active = _leads ? parts : [replicas!.Value.Relay];
        foreach (ICoordinated part in parts.Add(replicas!.Value.Relay))
        {
            part.Restart(now);
        }

        return true;
    }

    // Where neither a report nor our own beat came for so long, it was us who stood still: then silence is no evidence, and every lease begins anew.
    private bool ForgetSilentLocked(long now)
    {
        bool wasDeaf = time.GetElapsedTime(_heardAt, now) > EndpointRegistry.ReportInterval * 1.5;
        _heardAt = now;
        if (!wasDeaf && time.GetElapsedTime(_sweptAt, now) < SweepInterval)
        {
            return false;
        }

        _sweptAt = now;
        bool isChanged = false;
        foreach (Seen seen in _seen.Values.ToArray())
        {
            if (wasDeaf)
            {
                seen.At = now;
            }
            else if (time.GetElapsedTime(seen.At, now) >= EndpointRegistry.Lease)
            {
                isChanged |= ForgetLocked(seen.Reporter, now);
            }
        }

        return isChanged;
    }

    private bool ForgetLocked(Reporter reporter, long now)
    {
        _seen.Remove(reporter.Id);
        bool isChanged = false;
        foreach (ICoordinated part in _active)
        {
            isChanged |= part.Forget(reporter, now);
        }

        return isChanged;
    }

    private void WakeLocked(bool isChanged)
    {
        if (isChanged)
        {
            TaskCompletionSource waiters = _changed;
            _changed = NewSource();
            waiters.SetResult();
        }
    }

    private sealed class Seen(Reporter reporter)
    {
        public Reporter Reporter { get; } = reporter;

        public long At { get; set; }
    }
}
