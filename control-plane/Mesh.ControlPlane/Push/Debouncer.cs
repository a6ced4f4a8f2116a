namespace Mesh.ControlPlane.Push;

/// <summary>Waits until changes have paused, so that a burst of them (an apply of many rules) becomes one push. Used by one loop.</summary>
/// <param name="signal">The changes.</param>
/// <param name="time">Clock.</param>
internal sealed class Debouncer(ChangeSignal signal, TimeProvider time)
{
    /// <summary>Pause that ends a burst.</summary>
    public static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(20);

    /// <summary>Longest that a change waits for the burst to end.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(100);

    /// <summary>Waits for a change, and then for a pause.</summary>
    public async Task WaitAsync(CancellationToken stop)
    {
        await signal.WaitAsync(stop);
        long first = time.GetTimestamp();
        await Task.Delay(Quiet, time, stop);
        while (signal.IsSet && time.GetElapsedTime(first) < Longest)
        {
            await signal.WaitAsync(stop);
            await Task.Delay(Quiet, time, stop);
        }
    }
}
