using Xunit.Sdk;

namespace Mesh.Integration.Tests;

/// <summary>Polls for an effect in another process. The wait is generous: a slow machine must not fail a test.</summary>
internal static class Eventually
{
    public static async Task TrueAsync(Func<Task<bool>> holds, Func<string> otherwise)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!await holds())
        {
            if (TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromSeconds(30))
            {
                throw new XunitException(otherwise());
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    public static Task TrueAsync(Func<bool> holds, Func<string> otherwise) => TrueAsync(() => Task.FromResult(holds()), otherwise);
}
