namespace Mesh.Testing;

/// <summary>
/// Chance that follows a script: each draw takes the next number (for <c>Next(max)</c> modulo max). When the script is over it answers 0.
/// </summary>
public sealed class ScriptedRandom(params int[] script) : Random
{
    private int _next = -1;

    /// <summary>Draws so far.</summary>
    public int Draws => Volatile.Read(ref _next) + 1;

    public override int Next() => Take();

    public override int Next(int maxValue) => Take() % maxValue;

    public override int Next(int minValue, int maxValue) => minValue + (Take() % (maxValue - minValue));

    public override long NextInt64(long maxValue) => Take() % maxValue;

    public override double NextDouble() => Take() / 100.0;

    private int Take()
    {
        int index = Interlocked.Increment(ref _next);
        return index < script.Length ? script[index] : 0;
    }
}
