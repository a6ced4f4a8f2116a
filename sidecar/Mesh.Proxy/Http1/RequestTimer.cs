using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Http1;

/// <summary>A limit of time of one request.</summary>
internal enum TimeLimit : byte
{
    /// <summary>All attempts and pauses together.</summary>
    Route,

    /// <summary>One attempt, until the head of its answer.</summary>
    PerTry,

    /// <summary>The upstream takes no byte of the request.</summary>
    Write,
}

/// <summary>
/// The limits of time of one request, with one timer that is moved, not made, for each request. When the first of them passes it ends what the request waits for: the
/// upstream connection, the wait for one, or, once the answer has begun, the client's. As a <see cref="Deadline"/> it passes once, for ever: whoever is told
/// that nothing has passed can use what was in danger again, and after a limit that a retry survives a new timer takes over. The reader of the answer and the sender
/// of the request may move it at the same time.
/// </summary>
internal sealed class RequestTimer : IDisposable
{
    private const long Never = long.MaxValue;
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Deadline _deadline;
    private readonly CancellationTokenSource _stop;
    private UpstreamConnection? _upstream; // read by the timer
    private volatile ConnectionContext? _answered;
    private long _routeDueAt = Never;
    private long _tryDueAt = Never;
    private long _writeDueAt = Never;
    private TimeSpan _route;
    private TimeSpan _perTry;
    private TimeSpan _try; // this attempt's
    private TimeSpan _write;
    private TimeSpan _shadowWrite; // longest write of a policy in shadow mode; zero for none
    private ShadowStats? _shadow;
    private long? _shadowSince;
    private bool _isComplete;
    private bool _hasAttempt;

    /// <param name="time">Clock.</param>
    /// <param name="stop">Cancelled when the route's time has passed: ends pauses and waits for a connection.</param>
    public RequestTimer(TimeProvider time, CancellationTokenSource stop)
    {
        _time = time;
        _stop = stop;
        _deadline = new Deadline(time, static t => ((RequestTimer)t).OnPassed(), this);
    }

    /// <summary>True from the moment in which a limit has passed; <see cref="Passed"/> says which.</summary>
    public bool HasPassed => _deadline.HasPassed;

    /// <summary>The limit that has passed, after anything here has returned false.</summary>
    public TimeLimit Passed
    {
        get
        {
            lock (_gate)
            {
                return _routeDueAt <= Math.Min(_tryDueAt, _writeDueAt) ? TimeLimit.Route : _tryDueAt <= _writeDueAt ? TimeLimit.PerTry : TimeLimit.Write;
            }
        }
    }

    /// <summary>Time for all attempts; zero for no limit, as the two that follow.</summary>
    public TimeSpan RouteLimit => _route;

    /// <summary>Time for one attempt: the one that runs, or was the last.</summary>
    public TimeSpan PerTryLimit => _try;

    /// <summary>Whether that is a trial's.</summary>
    public bool IsTrialsLimit => _try != _perTry;

    /// <summary>Time in which the upstream must take bytes.</summary>
    public TimeSpan WriteLimit => _write;

    /// <summary>Whether this one can serve a request that is ended by <paramref name="stop"/>.</summary>
    public bool Serves(CancellationTokenSource stop) => !HasPassed && ReferenceEquals(_stop, stop);

    /// <summary>A request begins; zero for no limit.</summary>
    public void Begin(TimeSpan route, TimeSpan perTry, TimeSpan write, bool isComplete, long now)
    {
        (_route, _perTry, _try, _write) = (route, perTry, perTry, write);
        _isComplete = isComplete;
        Move(ref _routeDueAt, Later(now, route));
    }

    /// <summary>Counts, beside the limits in force, writes that last as long as <paramref name="write"/>; zero for none. After each <see cref="Begin"/>.</summary>
    public void Watch(TimeSpan write, ShadowStats? stats) => (_shadowWrite, _shadow, _shadowSince) = (write, stats, null);

    /// <summary>Takes the place of one that has passed, for the next attempt of the same request.</summary>
    public void ContinueAfter(RequestTimer passed)
    {
        (_route, _perTry, _try, _write, _isComplete) = (passed._route, passed._perTry, passed._perTry, passed._write, passed._isComplete);
        Move(ref _routeDueAt, passed._routeDueAt);
        Watch(passed._shadowWrite, passed._shadow);
    }

    /// <summary>Milliseconds that the upstream may take, at least 1: one attempt's, else what is left of the route's; 0 when there is no limit.</summary>
    public long ExpectedMilliseconds(long now)
    {
        long left = _routeDueAt == Never ? (long)_route.TotalMilliseconds : (long)_time.GetElapsedTime(now, _routeDueAt).TotalMilliseconds;
        return _try > TimeSpan.Zero ? Math.Max(1, (long)_try.TotalMilliseconds) : _route > TimeSpan.Zero ? Math.Max(1, left) : 0;
    }

    /// <summary>An attempt begins on <paramref name="upstream"/>; false when time is over. A call on trial may have a limit of its own, zero is none.</summary>
    public bool BeginAttempt(UpstreamConnection upstream, long now, TimeSpan trial)
    {
        _try = trial > TimeSpan.Zero && (_perTry == TimeSpan.Zero || trial < _perTry) ? trial : _perTry;
        Interlocked.Exchange(ref _upstream, upstream); // before the look at the deadline, as in EndAttempt
        _hasAttempt = true;
        return MoveTry(_isComplete ? Later(now, _try) : Never);
    }

    /// <summary>The client still owes bytes of the request: the time that this takes is not the upstream's.</summary>
    public void WaitForClient()
    {
        if (_isComplete)
        {
            return; // it stays so
        }

        lock (_gate)
        {
            if (!_isComplete)
            {
                Move(ref _routeDueAt, Never);
            }
        }
    }

    /// <summary>The request has been received to its end: from here on its time counts.</summary>
    public void RequestComplete()
    {
        if (_isComplete)
        {
            return;
        }

        lock (_gate)
        {
            if (_isComplete)
            {
                return;
            }

            _isComplete = true;
            long now = _time.GetTimestamp();
            if (_routeDueAt == Never)
            {
                Move(ref _routeDueAt, Later(now, _route));
            }

            if (_hasAttempt)
            {
                MoveTry(Later(now, _try));
            }
        }
    }

    /// <summary>Bytes are to leave, and the upstream does not take them at once.</summary>
    public void BeginWrite()
    {
        if (_write > TimeSpan.Zero)
        {
            Move(ref _writeDueAt, Later(_time.GetTimestamp(), _write));
        }

        _shadowSince = _shadow is null ? null : _time.GetTimestamp();
    }

    /// <summary>The upstream has taken them. False when a limit has passed.</summary>
    public bool EndWrite()
    {
        if (_shadowSince is { } since)
        {
            _shadowSince = null;
            if (_time.GetElapsedTime(since) >= _shadowWrite)
            {
                _shadow!.WriteTimeout.Add(_time.GetUtcNow());
            }
        }

        return _write > TimeSpan.Zero ? Move(ref _writeDueAt, Never) : !HasPassed;
    }

    /// <summary>The head of the answer is there: the time of the attempt is over, the route's goes on. False when it comes too late.</summary>
    public bool HeadReceived()
    {
        _hasAttempt = false;
        return MoveTry(Never);
    }

    /// <summary>The answer goes out: from here on <paramref name="client"/> is cut off with it. False when time is over.</summary>
    public bool AnswerBegins(ConnectionContext client)
    {
        _answered = client;
        return !HasPassed;
    }

    /// <summary>The attempt is over, the route's time goes on. False when a limit has passed: then its connection is not to be used again.</summary>
    public bool EndAttempt()
    {
        _hasAttempt = false;
        Interlocked.Exchange(ref _upstream, null); // before the look at the deadline: what passes after it finds nothing to abort
        return MoveTry(Never) && EndWrite();
    }

    /// <summary>Nothing is limited any more. False when a limit has passed.</summary>
    public bool End()
    {
        _answered = null;
        return EndAttempt() && Move(ref _routeDueAt, Never);
    }

    /// <inheritdoc/>
    public void Dispose() => _deadline.Dispose();

    private long Later(long now, TimeSpan delay)
    {
        double ticks = delay.TotalSeconds * _time.TimestampFrequency;
        return delay > TimeSpan.Zero && ticks < Never / 4 ? now + (long)ticks : Never;
    }

    // A limit that is not there moves nothing: most requests have only that of their route.
    private bool MoveTry(long value) => _try > TimeSpan.Zero ? Move(ref _tryDueAt, value) : !HasPassed;

    // A field that could not be moved keeps its old value, so that Passed stays true.
    private bool Move(ref long dueAt, long value)
    {
        lock (_gate)
        {
            long old = dueAt;
            dueAt = value;
            if (_deadline.SetAt(Math.Min(_routeDueAt, Math.Min(_tryDueAt, _writeDueAt))))
            {
                return true;
            }

            dueAt = old;
            return false;
        }
    }

    private void OnPassed()
    {
        bool isForGood = Passed == TimeLimit.Route;
        Volatile.Read(ref _upstream)?.Abort();
        if (isForGood)
        {
            _stop.Cancel();
            _answered?.Abort(new ConnectionAbortedException("The request took longer than its route allows."));
        }
    }
}
