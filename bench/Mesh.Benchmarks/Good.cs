namespace Mesh.Benchmarks;

/// <summary>A benchmark of a wrong answer measures nothing.</summary>
internal static class Good
{
    /// <summary>Throws when what is to be measured does not work.</summary>
    public static void OrThrow(bool works)
    {
        if (!works)
        {
            throw new InvalidOperationException("what is to be measured does not work");
        }
    }
}
