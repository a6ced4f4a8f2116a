using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Infrastructure;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Dns;

/// <summary>
/// Keeps the addresses of names fresh in the background: again when the TTL is over, after a failure with growing pauses, and the last good answer stays meanwhile.
/// A name that several clusters use is asked for once. Thread-safe; watchers are called outside the lock.
/// </summary>
internal sealed partial class DnsResolver(ProxyRuntime runtime, IDnsClient client, Ticker ticker, BackgroundWork background, ILogger logger)
{
    private static readonly TimeSpan ShortestTtl = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestTtl = TimeSpan.FromHours(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60); // Istio's dnsRefreshRate

    private readonly Lock _gate = new();
    private readonly Dictionary<string, DnsName> _names = [];

    /// <summary>Watches a name from now on; the first answer comes later, unless the name is known already.</summary>
    public DnsName Watch(string name, IDnsWatcher watcher)
    {
        DnsName? known;
        bool isNew;
        lock (_gate)
        {
            isNew = !_names.TryGetValue(name, out known);
            if (known is null)
            {
                _names.Add(name, known = new DnsName(name, Refresh));
            }

            known.Watchers.Add(watcher);
        }

        if (isNew)
        {
            Refresh(known);
        }

        return known;
    }

    /// <summary>Ends one watch; the last one's end is the end of the refreshes.</summary>
    public void Unwatch(DnsName name, IDnsWatcher watcher)
    {
        lock (_gate)
        {
            name.Watchers.Remove(watcher);
            if (name.Watchers.Count == 0)
            {
                _names.Remove(name.Name);
            }
        }
    }

    /// <summary>What is known of a name now.</summary>
    public ImmutableArray<IPAddress> AddressesOf(DnsName name)
    {
        lock (_gate)
        {
            return name.Addresses;
        }
    }

    private void Refresh(DnsName name) => background.Start("dns refresh", RefreshAsync, name);

    private async Task RefreshAsync(DnsName name)
    {
        foreach (IDnsWatcher watcher in WatchersOf(name))
        {
            background.Guard("dns watcher", static w => w.OnAsking(), watcher);
        }

        DnsAnswer v4 = DnsAnswer.FailedWith("internal error");
        DnsAnswer v6 = v4;
        try
        {
            Task<DnsAnswer> asksV4 = client.QueryAsync(name.Name, DnsRecordType.A);
            Task<DnsAnswer> asksV6 = client.QueryAsync(name.Name, DnsRecordType.Aaaa);
            v4 = await asksV4;
            v6 = await asksV6;
        }
        finally
        {
            PutInForce(name, v4, v6); // after a bug too: the name must not stay as it is for ever
        }
    }

    private void PutInForce(DnsName name, DnsAnswer v4, DnsAnswer v6)
    {
        if (Take(name, v4, v6) is not { } taken)
        {
            return; // nobody watches any more
        }

        foreach (IDnsWatcher watcher in taken.Watchers)
        {
            background.Guard("dns watcher", static w => w.Watcher.OnAnswer(w.Refresh), (Watcher: watcher, taken.Refresh));
        }

        name.Done();
        ticker.ScheduleNoLaterThan(name.Due, runtime.Time.GetTimestamp() + (long)(taken.Pause.TotalSeconds * runtime.Time.TimestampFrequency));
    }

    private IDnsWatcher[] WatchersOf(DnsName name)
    {
        lock (_gate)
        {
            return [.. name.Watchers];
        }
    }

    private (IDnsWatcher[] Watchers, DnsRefresh Refresh, TimeSpan Pause)? Take(DnsName name, DnsAnswer v4, DnsAnswer v6)
    {
        (IDnsWatcher[] Watchers, DnsRefresh, TimeSpan) taken;
        bool hasTurned;
        int known;
        lock (_gate)
        {
            if (name.Watchers.Count == 0)
            {
                return null;
            }

            DnsHealth before = name.Health;
            DnsRefresh refresh = name.Take(v4, v6);
            hasTurned = name.Health != before;
            known = name.Addresses.Length;
            name.Setbacks = refresh.IsEmpty || (!v4.IsAnswered && !v6.IsAnswered) ? name.Setbacks + 1 : 0; // one family alone has its time to live
            taken = ([.. name.Watchers], refresh, name.Setbacks == 0 ? Ttl(v4, v6) : Pause(name.Setbacks));
        }

        hasTurned &= Array.Exists(taken.Watchers, static w => w.WantsLog);
        if (hasTurned && name.Problem is { } problem)
        {
            LogProblem(logger, problem, known);
        }
        else if (hasTurned)
        {
            LogRecovered(logger, name.Name, known);
        }

        return taken;
    }

    private static TimeSpan Ttl(DnsAnswer v4, DnsAnswer v6)
    {
        TimeSpan shortest = v4.Addresses.IsEmpty ? v6.Ttl : v6.Addresses.IsEmpty || v4.Ttl < v6.Ttl ? v4.Ttl : v6.Ttl;
        return shortest < ShortestTtl ? ShortestTtl : shortest > LongestTtl ? LongestTtl : shortest;
    }

    // 1 s, 2 s, 4 s … 60 s, up to a quarter less: a thousand sidecars must not ask in step.
    private TimeSpan Pause(int setbacks)
    {
        double seconds = Math.Min(LongestPause.TotalSeconds, Math.Pow(2, Math.Min(setbacks, 10) - 1));
        return TimeSpan.FromSeconds(seconds * (1 - (runtime.Random.NextDouble() / 4)));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Problem}; address(es) in use: {Known}")]
    private static partial void LogProblem(ILogger logger, string problem, int known);

    [LoggerMessage(Level = LogLevel.Information, Message = "dns: {Name} has {Known} address(es) again")]
    private static partial void LogRecovered(ILogger logger, string name, int known);
}
