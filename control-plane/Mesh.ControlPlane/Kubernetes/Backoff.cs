namespace Mesh.ControlPlane.Kubernetes;

/// <summary>Pauses that grow from failure to failure, with jitter, so that many clients of a server that comes back do not come all at once. Used by one loop.</summary>
/// <param name="random">Chance; one draw a pause.</param>
internal sealed class Backoff(Random random)
{
    /// <summary>The first pause lasts half of this to this.</summary>
    public static readonly TimeSpan First = TimeSpan.FromSeconds(1);

    /// <summary>No pause is longer.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private int _failures;

    /// <summary>The next pause.</summary>
    public TimeSpan Next()
    {
        TimeSpan most = First * (1L << Math.Min(_failures++, 10));
        return Jitter(most < Longest ? most : Longest);
    }

    /// <summary>It works again.</summary>
    public void Reset() => _failures = 0;

    /// <summary>Between half of <paramref name="most"/> and all of it.</summary>
    public TimeSpan Jitter(TimeSpan most) => (most / 2) + (most / 2 * random.NextDouble());
}
