namespace Mesh.Benchmarks;

/// <summary>Chance that is the same in every run.</summary>
internal static class Chance
{
    /// <summary>A generator with a fixed seed; used by one thread.</summary>
#pragma warning disable RS0030 // seeded, and this is where the program gets it
    public static Random Seeded() => new(1);
#pragma warning restore RS0030
}
