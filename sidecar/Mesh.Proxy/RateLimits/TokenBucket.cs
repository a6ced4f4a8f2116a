namespace Mesh.Proxy.RateLimits;

/// <summary>
/// A token bucket as one number, the time at which it will be full again: a token taken moves it on by what a token takes to come. Over any stretch of time it gives no more
/// than the burst and what comes meanwhile. Needs no timer; a clock that stands still or goes back gives nothing away. Not thread-safe.
/// </summary>
/// <param name="first">Its rate and size.</param>
internal sealed class TokenBucket(TokenRate first)
{
    private TokenRate _rate = first;
    private Int128 _fullAt = Int128.MinValue; // long ago

    /// <summary>Rate and size.</summary>
    public TokenRate Rate => _rate;

    /// <summary>Takes a token, one that is still to come too if that is soon enough.</summary>
    /// <param name="now">Timestamp.</param>
    /// <param name="longest">How long it may take to come, in timestamps; 0 for a token that is there.</param>
    /// <param name="dueAt">When the token is there: <paramref name="now"/>, or later. Told of one that is not taken too.</param>
    public bool TryTake(long now, long longest, out long dueAt)
    {
        Int128 at = _rate.Parts(now);
        Int128 fullAt = Int128.Max(_fullAt, at) + _rate.PerToken;
        dueAt = fullAt - _rate.Full <= at ? now : _rate.Timestamp(fullAt - _rate.Full);
        if (dueAt - now > longest)
        {
            return false;
        }

        _fullAt = fullAt;
        return true;
    }

    /// <summary>Gives the token back that came, or would come, last.</summary>
    public void GiveBack() => _fullAt -= _rate.PerToken;

    /// <summary>Gives a token back that was there; a bucket that is full by now stays so.</summary>
    public void GiveBack(long now) => _fullAt = Int128.Max(_fullAt, _rate.Parts(now) + _rate.PerToken) - _rate.PerToken;

    /// <summary>Another rate and size, of the same interval. No token comes with it or goes, but for those beyond the new size.</summary>
    public void Change(TokenRate next, long now)
    {
        Int128 at = _rate.Parts(now);
        Int128 there = _rate.Full - (Int128.Max(_fullAt, at) - at); // less than nothing where tokens to come are taken
        _fullAt = next.Parts(now) + Int128.Max(next.Full - there, 0);
        _rate = next;
    }

    /// <summary>When the token is there that was taken so many before the last.</summary>
    public long DueAt(int before) => _rate.Timestamp(_fullAt - _rate.Full - (before * _rate.PerToken));

    /// <summary>Tokens that are there.</summary>
    public long Count(long now)
    {
        Int128 missing = Int128.Max(_fullAt - _rate.Parts(now), 0);
        return missing >= _rate.Full ? 0 : (long)((_rate.Full - missing) / _rate.PerToken);
    }
}
