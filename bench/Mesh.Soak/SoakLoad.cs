namespace Mesh.Soak;

/// <summary>Users that call at an even rate, or as fast as they are answered.</summary>
internal sealed class SoakLoad(SoakClient client, int seed, TimeProvider time)
{
    private const int Users = 32;

    /// <summary>Calls until the end.</summary>
    /// <param name="rate">Calls per second in all; 0: as many as go.</param>
    /// <param name="end">Nobody calls any more.</param>
    public Task RunAsync(double rate, CancellationToken end)
    {
        TimeSpan interval = rate > 0 ? TimeSpan.FromSeconds(Users / rate) : TimeSpan.Zero;
        return Task.WhenAll(Enumerable.Range(0, Users).Select(i => UserAsync(new Random(seed + i), interval, end)));
    }

    private async Task UserAsync(Random random, TimeSpan interval, CancellationToken end)
    {
        await Task.Yield();
        long start = time.GetTimestamp();
        TimeSpan due = interval * random.NextDouble();
        while (!end.IsCancellationRequested)
        {
            TimeSpan ahead = due - time.GetElapsedTime(start);
            if (ahead > TimeSpan.Zero)
            {
                await Task.Delay(ahead, time, CancellationToken.None);
            }

            await client.OneAsync(random);

            // Calls missed during a hang are not made up for: that would be a burst, not a load.
            TimeSpan now = time.GetElapsedTime(start);
            due = due + interval < now ? now : due + interval;
        }
    }
}
