using System.Collections.Immutable;
using System.Text;
using Mesh.ControlPlane.Coordination;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;

namespace Mesh.Integration.Tests.Shares;

/// <summary>The rate limiters of some sidecars and the control plane that divides a limit for each user among them, on a clock that is moved by hand.</summary>
internal sealed class KeyShareScene
{
    private const string Cluster = "outbound|80||partner.test";

    private readonly FakeTimeProvider _time = new();
    private readonly RateLimitConfig _config;
    private readonly SharedLimits _limits;
    private readonly List<Member> _members = [];
    private readonly List<(Member To, LimitOrder Order)> _underWay = [];
    private readonly Dictionary<string, List<TimeSpan>> _passed = [];
    private readonly long _begin;
    private TimeSpan _runBegan;
    private int _joined;

    /// <param name="sidecars">How many there are at first.</param>
    /// <param name="tokens">Tokens of each user a second, and its burst.</param>
    public KeyShareScene(int sidecars, int tokens)
    {
        _config = new RateLimitConfig { Tokens = tokens, Burst = tokens, IsMesh = true, Rule = "RateLimit/default/users", KeySource = RateLimitKeySource.Header, KeyName = "x-user" };
        _limits = new SharedLimits(_ => tokens, _time);
        _begin = _time.GetTimestamp();
        for (int i = 0; i < sidecars; i++)
        {
            Join();
        }
    }

    /// <summary>Sidecars now.</summary>
    public int Sidecars => _members.Count;

    /// <summary>Time since the beginning.</summary>
    public TimeSpan Now => _time.GetElapsedTime(_begin);

    /// <summary>Refused requests of all.</summary>
    public int Refused { get; private set; }

    /// <summary>Most that one report said.</summary>
    public int LongestReport { get; private set; }

    /// <summary>A step each 10 ms, and each second a report of every sidecar with its answer.</summary>
    public void Run(TimeSpan length, Action<KeyShareScene, int> step)
    {
        _runBegan = Now;
        for (int at = 0; at < length.TotalMilliseconds / 10; at++)
        {
            step(this, at);
            _time.Advance(TimeSpan.FromMilliseconds(10));
            if (at % 100 == 99)
            {
                for (int i = 0; i < _members.Count; i++)
                {
                    ReportLater(i);
                    DeliverAll();
                }
            }
        }
    }

    /// <summary>A user's request through one sidecar.</summary>
    public void Call(int sidecar, string user)
    {
        if (_members[sidecar].Limiter.Take(Encoding.ASCII.GetBytes(user), _time.GetTimestamp(), null).Answer != LimitAnswer.Passes)
        {
            Refused++;
            return;
        }

        if (!_passed.TryGetValue(user, out List<TimeSpan>? times))
        {
            _passed.Add(user, times = []);
        }

        times.Add(Now);
    }

    /// <summary>How many requests of a user have passed in the last run.</summary>
    /// <param name="user">The user.</param>
    /// <param name="since">Seconds of the run that do not count: shares were on their way.</param>
    public int Passed(string user, int since) => Passes(user).Count(t => t >= _runBegan + TimeSpan.FromSeconds(since));

    /// <summary>When a user's requests have passed.</summary>
    public TimeSpan[] Passes(string user) => [.. _passed.GetValueOrDefault(user, [])];

    public void Advance(TimeSpan time) => _time.Advance(time);

    public void Join() => _members.Add(new Member(new Reporter($"s{_joined++}", "", "", ""), new RateLimiter(_config, _time.TimestampFrequency, new RateLimitStats(), _time)));

    public void Leave(int sidecar)
    {
        _limits.Forget(_members[sidecar].Reporter, _time.GetTimestamp());
        _members.RemoveAt(sidecar);
    }

    /// <summary>What a sidecar says now. An order for a key is not later than the key takes to be forgotten and come back.</summary>
    public SidecarReport Report(int sidecar)
    {
        Member member = _members[sidecar];
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        member.Limiter.Report(Cluster, _time.GetTimestamp(), reports);
        LongestReport = Math.Max(LongestReport, reports.Count);
        _underWay.RemoveAll(o => o.To == member && !reports.Any(r => r.Key == o.Order.Key));
        return new SidecarReport { Limits = reports.ToImmutable() };
    }

    /// <summary>A sidecar reports, and orders go out to all, as the streams would bring them.</summary>
    public void ReportLater(int sidecar)
    {
        _limits.Report(_members[sidecar].Reporter, Report(sidecar), _time.GetTimestamp());
        foreach (Member member in _members)
        {
            SidecarOrders orders = new();
            _limits.AddOrders(member.Reporter, orders, _time.GetTimestamp());
            _underWay.AddRange(orders.Limits.Select(o => (member, o)));
        }
    }

    public void DeliverAll()
    {
        _underWay.ForEach(o => o.To.Limiter.Follow(o.Order, _time.GetTimestamp()));
        _underWay.Clear();
    }

    /// <summary>Some order arrives, not always the oldest; others are lost.</summary>
    public void DeliverAny(Random dice)
    {
        for (int i = dice.Next(8); i > 0 && _underWay.Count > 0; i--)
        {
            int which = dice.Next(_underWay.Count);
            _underWay[which].To.Limiter.Follow(_underWay[which].Order, _time.GetTimestamp());
            _underWay.RemoveAt(which);
        }

        while (_underWay.Count > 60)
        {
            _underWay.RemoveAt(dice.Next(_underWay.Count));
        }
    }

    private sealed record Member(Reporter Reporter, RateLimiter Limiter);
}
