using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Push;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Registry;

/// <summary>
/// Who is there: sidecars by id, each alive as long as it reports, and the services and endpoints they make up. Learned anew after a restart.
/// Thread-safe; owns one timer, which is armed for the next lease that could end.
/// </summary>
internal sealed class EndpointRegistry : IDisposable
{
    /// <summary>How often a sidecar reports.</summary>
    public static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);

    /// <summary>Silence after which a sidecar's endpoint is gone: three missed reports.</summary>
    public static readonly TimeSpan Lease = 3 * ReportInterval;

    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly IServiceSource? _services;
    private readonly Lock _gate = new();
    private readonly ITimer _timer;
    private readonly Dictionary<string, HashSet<string>> _idsByHost = []; // guarded by the gate, as the three below
    private readonly HashSet<string> _touchedHosts = [];
    private RegistryState _current = RegistryState.Empty;
    private long? _sweepDue;
    private ImmutableDictionary<string, RegisteredSidecar> _sidecars = ImmutableDictionary<string, RegisteredSidecar>.Empty;

    /// <summary>An empty registry.</summary>
    /// <param name="time">Clock.</param>
    /// <param name="random">Chance, for ids.</param>
    /// <param name="services">Who knows the services; null when the sidecars' registrations make them up.</param>
    public EndpointRegistry(TimeProvider time, Random random, IServiceSource? services = null)
    {
        _time = time;
        _random = random;
        _services = services;
        services?.Changed += () => Changed?.Invoke();
        _timer = time.CreateTimer(static me => ((EndpointRegistry)me!).Sweep(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Raised after services, endpoints or the set of sidecars changed; on the thread that changed them, outside the lock.</summary>
    public event Action? Changed;

    /// <summary>Services and endpoints now. Of a thousand sidecars that come at once, only who asks pays, once for each service.</summary>
    public RegistryState Current => _services?.Current ?? CurrentOfSidecars();

    /// <summary>Whether services and endpoints are known without the sidecars: then nothing is missing after a restart.</summary>
    public bool IsComplete => _services is not null;

    /// <summary>All sidecars now.</summary>
    public IReadOnlyCollection<RegisteredSidecar> Sidecars => [.. Volatile.Read(ref _sidecars).Values];

    /// <summary>The sidecar of that id, or null.</summary>
    public RegisteredSidecar? Find(string id) => Volatile.Read(ref _sidecars).GetValueOrDefault(id);

    /// <summary>
    /// Takes a sidecar in; a former one of the same id is replaced. If it is the same process that comes again, it keeps its session.
    /// </summary>
    /// <param name="registration">What it says of itself.</param>
    /// <param name="caller">Who says it; null where callers have no names. Nobody gets the id of another's sidecar, but a pod always gets its own.</param>
    /// <returns>Its id, or what is wrong with the registration; neither when the id is another's.</returns>
    public (SidecarRegistered? Registered, string? Problem) Register(SidecarRegistration registration, Caller? caller = null)
    {
        if (RegistrationCheck.Problem(registration) is { } problem)
        {
            return (null, problem);
        }

        string id;
        lock (_gate)
        {
            id = registration.Node ?? NewIdLocked(registration.Service);
            RegisteredSidecar? former = _sidecars.GetValueOrDefault(id);
            if (former is not null && caller is not null && caller.Node != id && !caller.MaySpeakFor(former.Owner))
            {
                return (null, null);
            }

            string owner = caller?.Owner ?? "";
            bool isSameProcess = former is not null && former.Owner == owner && former.Registration.StartedAt == registration.StartedAt
                && former.Registration.Address == registration.Address && former.Registration.Namespace == registration.Namespace;
            PushSession session = isSameProcess ? former!.Session : new PushSession(id, registration.Namespace);
            PutLocked(id, new RegisteredSidecar(id, registration, session, _time.GetTimestamp()) { Owner = owner });
            ArmLocked();
        }

        Changed?.Invoke();
        return (new SidecarRegistered(id, (int)ReportInterval.TotalMilliseconds, (int)Lease.TotalMilliseconds), null);
    }

    /// <summary>Takes a report; false when the sidecar is not known and must register anew.</summary>
    public bool TryReport(string id, SidecarReport report) => Find(id) is { } sidecar && TryReport(sidecar, report);

    /// <summary>Takes the report of this very sidecar; false when it is no longer there, or another process has its id.</summary>
    public bool TryReport(RegisteredSidecar seen, SidecarReport report)
    {
        bool isChanged;
        lock (_gate)
        {
            if (!IsThereLocked(seen, out RegisteredSidecar? sidecar))
            {
                return false;
            }

            // The version is for people who look: a thousand sidecars report a new one after each push.
            isChanged = sidecar.IsReady != report.Ready;
            PutLocked(seen.Id, sidecar with { LastSeen = _time.GetTimestamp(), IsReady = report.Ready, ReportedVersion = report.Version }, isChanged);
        }

        if (isChanged)
        {
            Changed?.Invoke();
        }

        return true;
    }

    /// <summary>Takes a sidecar out; false when it is not known.</summary>
    public bool Deregister(string id) => Find(id) is { } sidecar && Deregister(sidecar);

    /// <summary>Takes this very sidecar out; false when it is no longer there, or another process has its id.</summary>
    public bool Deregister(RegisteredSidecar seen)
    {
        lock (_gate)
        {
            if (!IsThereLocked(seen, out _))
            {
                return false;
            }

            PutLocked(seen.Id, null);
            ArmLocked();
        }

        Changed?.Invoke();
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    /// <summary>Takes out every sidecar whose lease has ended. Called by the timer.</summary>
    internal void Sweep()
    {
        bool isChanged;
        lock (_gate)
        {
            // If this runs late, the process itself stood still (suspended, starved) and could not hear anybody: that silence is no evidence,
            // and every lease begins anew.
            bool wasDeaf = _sweepDue is { } due && _time.GetElapsedTime(due) > ReportInterval;
            ImmutableDictionary<string, RegisteredSidecar> before = _sidecars;
            foreach ((string id, RegisteredSidecar sidecar) in before)
            {
                if (wasDeaf)
                {
                    PutLocked(id, sidecar with { LastSeen = _time.GetTimestamp() }, isChanged: false);
                }
                else if (_time.GetElapsedTime(sidecar.LastSeen) >= Lease)
                {
                    PutLocked(id, null);
                }
            }

            isChanged = _sidecars.Count != before.Count;
            _sweepDue = null;
            ArmLocked();
        }

        if (isChanged)
        {
            Changed?.Invoke();
        }
    }

    private bool IsThereLocked(RegisteredSidecar seen, [NotNullWhen(true)] out RegisteredSidecar? now) =>
        _sidecars.TryGetValue(seen.Id, out now) && ReferenceEquals(now.Session, seen.Session); // the session lasts as long as the process

    private RegistryState CurrentOfSidecars()
    {
        lock (_gate)
        {
            foreach (string host in _touchedHosts)
            {
                _current = _current.With(host, _idsByHost.TryGetValue(host, out HashSet<string>? ids) ? [.. ids.Select(id => _sidecars[id])] : []);
            }

            _touchedHosts.Clear();
            return _current;
        }
    }

    private void PutLocked(string id, RegisteredSidecar? next, bool isChanged = true)
    {
        RegisteredSidecar? former = _sidecars.GetValueOrDefault(id);
        Volatile.Write(ref _sidecars, next is null ? _sidecars.Remove(id) : _sidecars.SetItem(id, next));
        if (_services is not null || !isChanged)
        {
            return;
        }

        if (former is { Registration.Service.Length: > 0 })
        {
            string host = RegistryState.HostOf(former.Registration);
            _touchedHosts.Add(host);
            if (_idsByHost[host].Remove(id) && _idsByHost[host].Count == 0)
            {
                _idsByHost.Remove(host);
            }
        }

        if (next is { Registration.Service.Length: > 0 }) // one without a service is nobody's endpoint
        {
            string host = RegistryState.HostOf(next.Registration);
            _touchedHosts.Add(host);
            (_idsByHost.TryGetValue(host, out HashSet<string>? ids) ? ids : _idsByHost[host] = []).Add(id);
        }
    }

    // While it is armed, whoever comes later also ends later; and the oldest may have reported again by then, so that the sweep only arms it once more.
    private void ArmLocked()
    {
        if (_sidecars.IsEmpty)
        {
            _sweepDue = null;
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
        else if (_sweepDue is null)
        {
            TimeSpan left = Lease - _time.GetElapsedTime(_sidecars.Values.Min(static s => s.LastSeen));
            left = left < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : left;
            _sweepDue = _time.GetTimestamp() + Ticks(left);
            _timer.Change(left, Timeout.InfiniteTimeSpan);
        }
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * _time.TimestampFrequency);

    private string NewIdLocked(string service)
    {
        const string Letters = "bcdfghjklmnpqrstvwxz2456789"; // as Kubernetes' suffixes: no vowels, so no words
        string id;
        do
        {
            id = $"{service}-{_random.GetString(Letters, 5)}";
        }
        while (_sidecars.ContainsKey(id));

        return id;
    }
}
