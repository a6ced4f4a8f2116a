namespace Mesh.Proxy.RateLimits;

/// <summary>How many tokens are asked for in each interval of a limit, as far as the last while tells. Not thread-safe.</summary>
/// <param name="perSecond">What it is thought to be at first, in tokens a second.</param>
/// <param name="since">Timestamp of the beginning.</param>
internal sealed class AskedRate(double perSecond = 0, long since = 0)
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    private long _asked;
    private long _since = since;
    private double _perSecond = perSecond;
    private long _askedAt = since;

    /// <summary>A token was asked for in the last while, as far as was known at the last <see cref="Read"/>. The rate itself takes longer to be nothing.</summary>
    public bool IsRecent { get; private set; }

    /// <summary>A token was asked for, whatever came of it.</summary>
    public void Count() => _asked++;

    /// <summary>Tokens for an interval. A rate that asks for few is watched for longer, or it would seem to come and go.</summary>
    /// <param name="tokens">Tokens of the limit in an <paramref name="interval"/>.</param>
    /// <param name="interval">The limit's interval.</param>
    /// <param name="now">Timestamp.</param>
    /// <param name="frequency">Timestamps a second.</param>
    public long Read(int tokens, TimeSpan interval, long now, long frequency)
    {
        double seconds = (now - _since) / (double)frequency;
        if (seconds >= Shortest.TotalSeconds / 2) // reports that come sooner have the last figure
        {
            double memory = Math.Clamp(10 * interval.TotalSeconds / tokens, Shortest.TotalSeconds, Longest.TotalSeconds);
            _perSecond += Math.Min(1, seconds / memory) * ((_asked / seconds) - _perSecond);
            _askedAt = _asked > 0 ? now : _askedAt;
            IsRecent = _asked > 0 || (IsRecent && now - _askedAt < memory * frequency);
            (_asked, _since) = (0, now);
        }

        return (long)Math.Ceiling(Math.Min(_perSecond * interval.TotalSeconds, int.MaxValue) - 1e-6);
    }
}
