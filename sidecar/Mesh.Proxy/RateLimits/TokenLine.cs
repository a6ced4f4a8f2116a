using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.RateLimits;

/// <summary>A request's place in the line for a token. Kept from request to request; its owner waits, everything else is the limiter's.</summary>
internal sealed class LinePlace(TimeProvider time)
{
    /// <summary>Ends when the token is there. Begun and moved by the limiter, ended early by anybody.</summary>
    public Pause Pause { get; } = new(time);

    /// <summary>Timestamp at which the token is there; goes down when somebody before leaves, and either way with another rate.</summary>
    public long DueAt { get; set; }

    /// <summary>Timestamp at which the hours begin in which requests are let through; the token may be there before.</summary>
    public long NotBefore { get; set; }

    /// <summary>Timestamp at which the wait began.</summary>
    public long JoinedAt { get; set; }

    /// <summary>Timestamp at which it has lasted as long as one may.</summary>
    public long LeavesAt { get; set; }

    /// <summary>Timestamp at which the request may go.</summary>
    public long GoesAt => Math.Max(DueAt, NotBefore);

    /// <summary>Timestamp at which the wait ends, with the token or without.</summary>
    public long EndsAt => Math.Min(GoesAt, LeavesAt);

    /// <summary>Where the request waits; null when it does not.</summary>
    public TokenLine? Line { get; set; }

    /// <summary>Who comes before.</summary>
    public LinePlace? Before { get; set; }

    /// <summary>Who comes after.</summary>
    public LinePlace? Behind { get; set; }
}

/// <summary>
/// A bucket and those who wait for its tokens, first come, first served. Each has taken a token that is still to come, so that nobody has to be woken but by time; who leaves
/// without it hands it to the one behind, and so on. Not thread-safe.
/// </summary>
internal sealed class TokenLine(TokenRate rate)
{
    private LinePlace? _last;

    /// <summary>The bucket.</summary>
    public TokenBucket Bucket { get; } = new(rate);

    /// <summary>Of a key with a share of its own: that share; else null.</summary>
    public SharedKey? Shared { get; set; }

    /// <summary>How many wait.</summary>
    public int Length { get; private set; }

    /// <summary>The token due at <paramref name="dueAt"/> was taken for <paramref name="place"/>.</summary>
    public void Join(LinePlace place, long dueAt)
    {
        (place.Line, place.DueAt, place.Before, place.Behind) = (this, dueAt, _last, null);
        if (_last is not null)
        {
            _last.Behind = place;
        }

        _last = place;
        Length++;
    }

    /// <summary>Another rate: all move, in the same order.</summary>
    public void Change(TokenRate next, long now)
    {
        Bucket.Change(next, now);
        MoveAll();
    }

    private void MoveAll()
    {
        int before = 0;
        for (LinePlace? place = _last; place is not null; place = place.Before)
        {
            place.DueAt = Bucket.DueAt(before++);
            place.Pause.MoveTo(place.EndsAt);
        }
    }

    /// <summary>A token that was there and taken is not used: those who wait move up.</summary>
    public void Return(long now)
    {
        Bucket.GiveBack(now);
        MoveAll();
    }

    /// <summary>The place is free again.</summary>
    /// <param name="place">A place of this line.</param>
    /// <param name="hasToken">Its token was there and is used; else those behind move up.</param>
    public void Leave(LinePlace place, bool hasToken)
    {
        if (!hasToken)
        {
            long free = place.DueAt;
            for (LinePlace? next = place.Behind; next is not null; next = next.Behind)
            {
                (next.DueAt, free) = (free, next.DueAt);
                next.Pause.MoveTo(next.EndsAt);
            }

            Bucket.GiveBack();
        }

        if (place.Before is not null)
        {
            place.Before.Behind = place.Behind;
        }

        if (place.Behind is not null)
        {
            place.Behind.Before = place.Before;
        }
        else
        {
            _last = place.Before;
        }

        (place.Line, place.Before, place.Behind) = (null, null, null);
        Length--;
    }
}
