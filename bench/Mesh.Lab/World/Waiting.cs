namespace Mesh.Lab.World;

/// <summary>Waits for something observable.</summary>
/// <param name="time">Clock.</param>
internal sealed class Waiting(TimeProvider time)
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(20);

    /// <summary>Asks again and again until <paramref name="isDone"/> or the limit. Returns how long it took, or null when it never was.</summary>
    public async Task<TimeSpan?> UntilAsync(Func<Task<bool>> isDone, TimeSpan limit, CancellationToken stop)
    {
        long start = time.GetTimestamp();
        do
        {
            if (await IsDoneAsync(isDone))
            {
                return time.GetElapsedTime(start);
            }

            await Task.Delay(Step, time, stop);
        }
        while (time.GetElapsedTime(start) < limit);
        return null;
    }

    /// <summary>Lets time pass.</summary>
    public Task PauseAsync(TimeSpan duration, CancellationToken stop) => Task.Delay(duration, time, stop);

    // A process that is just starting refuses connections; that is a no, not an end.
    private static async Task<bool> IsDoneAsync(Func<Task<bool>> isDone)
    {
        try
        {
            return await isDone();
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
