namespace Mesh.Testing;

/// <summary>
/// The test runner gives each test a synchronisation context, and awaits inside the code under test would post their continuations to it.
/// Our processes have none: without it, what a fake completes has happened when the call returns.
/// </summary>
public static class NoSynchronizationContext
{
    /// <summary>From here to the end of the test. Call it before the first await.</summary>
    public static void Use() => SynchronizationContext.SetSynchronizationContext(null);
}
