namespace Mesh.Proxy.RateLimits;

/// <summary>
/// A token bucket as one number, the time at which it will be full again: a token taken moves it on by what a token takes to come. Over any stretch of time it gives no more
/// than the burst and what comes meanwhile. Needs no timer; a clock that stands still or goes back gives nothing away. Not thread-safe.
/// </summary>
internal sealed class TokenBucket(TokenRate rate)
{
    private Int128 _fullAt = Int128.MinValue; // long ago

    /// <summary>Takes a token, one that is still to come too if that is soon enough.</summary>
    /// <param name="now">Timestamp.</param>
    /// <param name="longest">How long it may take to come, in timestamps; 0 for a token that is there.</param>
    /// <param name="dueAt">When the token is there: <paramref name="now"/>, or later. Told of one that is not taken too.</param>
    public bool TryTake(long now, long longest, out long dueAt)
    {
        Int128 at = rate.Parts(now);
        Int128 fullAt = Int128.Max(_fullAt, at) + rate.PerToken;
        dueAt = fullAt - rate.Full <= at ? now : rate.Timestamp(fullAt - rate.Full);
        if (dueAt - now > longest)
        {
            return false;
        }

        _fullAt = fullAt;
        return true;
    }

    /// <summary>Gives the token back that came, or would come, last.</summary>
    public void GiveBack() => _fullAt -= rate.PerToken;

    /// <summary>Tokens that are there.</summary>
    public long Count(long now)
    {
        Int128 missing = Int128.Max(_fullAt - rate.Parts(now), 0);
        return missing >= rate.Full ? 0 : (long)((rate.Full - missing) / rate.PerToken);
    }
}
