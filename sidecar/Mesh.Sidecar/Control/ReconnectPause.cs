namespace Mesh.Sidecar.Control;

/// <summary>
/// How long a sidecar waits before it comes back. A thousand of them lose the control plane in the same instant, so each wait is half fixed and half chance.
/// Used by one loop.
/// </summary>
/// <param name="random">Chance.</param>
/// <param name="addresses">How many there are to try in turn. One that asks to be left alone does not speak for the others; once all have had their turn, the shortest wish counts.</param>
internal sealed class ReconnectPause(Random random, int addresses = 1)
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWish = TimeSpan.FromSeconds(30);
    private TimeSpan _pause = Shortest;
    private TimeSpan _wish;
    private int _tried;

    /// <summary>The next wait.</summary>
    /// <param name="wasConnected">Whether the session that ended had been heard from.</param>
    /// <param name="retryAfter">What the control plane asked for; zero when it did not. Chance is added: all others were asked for the same.</param>
    public TimeSpan Next(bool wasConnected, TimeSpan retryAfter = default)
    {
        _pause = wasConnected ? Shortest : TimeSpan.FromTicks(Math.Min(_pause.Ticks * 2, Longest.Ticks));
        return WishOfAll(wasConnected, retryAfter) + (_pause * (0.5 + (random.NextDouble() / 2)));
    }

    private TimeSpan WishOfAll(bool wasConnected, TimeSpan retryAfter)
    {
        if (wasConnected && retryAfter == TimeSpan.Zero)
        {
            (_tried, _wish) = (0, TimeSpan.Zero); // it served until now and has refused nothing
            return TimeSpan.Zero;
        }

        retryAfter = retryAfter < LongestWish ? retryAfter : LongestWish;
        _wish = _wish == TimeSpan.Zero || (retryAfter > TimeSpan.Zero && retryAfter < _wish) ? retryAfter : _wish;
        if (++_tried < addresses)
        {
            return TimeSpan.Zero;
        }

        TimeSpan wish = _wish;
        (_tried, _wish) = (0, TimeSpan.Zero);
        return wish;
    }
}
