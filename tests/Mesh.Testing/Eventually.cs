namespace Mesh.Testing;

/// <summary>Waits for what other threads or the network bring about. For tests over real sockets; tests on fakes never need it.</summary>
public static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Returns once <paramref name="condition"/> holds; fails after ten seconds.</summary>
    public static async Task HoldsAsync(Func<bool> condition, string what)
    {
        using CancellationTokenSource deadline = new(Patience, TimeProvider.System);
        while (!condition())
        {
            if (deadline.IsCancellationRequested)
            {
                throw new TimeoutException($"did not happen within {Patience.TotalSeconds} s: {what}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, CancellationToken.None);
        }
    }
}
