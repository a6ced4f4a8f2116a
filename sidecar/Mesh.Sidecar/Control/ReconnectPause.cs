namespace Mesh.Sidecar.Control;

/// <summary>
/// How long a sidecar waits before it comes back. A thousand of them lose the control plane in the same instant, so each wait is half fixed and half chance.
/// Used by one loop.
/// </summary>
/// <param name="random">Chance.</param>
internal sealed class ReconnectPause(Random random)
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWish = TimeSpan.FromSeconds(30);
    private TimeSpan _pause = Shortest;

    /// <summary>The next wait.</summary>
    /// <param name="wasConnected">Whether the session that ended had been heard from.</param>
    /// <param name="retryAfter">What the control plane asked for; zero when it did not. Chance is added: all others were asked for the same.</param>
    public TimeSpan Next(bool wasConnected, TimeSpan retryAfter = default)
    {
        _pause = wasConnected ? Shortest : TimeSpan.FromTicks(Math.Min(_pause.Ticks * 2, Longest.Ticks));
        return (retryAfter < LongestWish ? retryAfter : LongestWish) + (_pause * (0.5 + (random.NextDouble() / 2)));
    }
}
