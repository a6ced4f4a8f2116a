using System.Runtime.InteropServices;

namespace Mesh.Soak;

/// <summary>Makes upstreams sick at random, one at a time: killed and restarted, stopped, or slow.</summary>
internal sealed class Faults(SoakWorld world, Random random, TimeProvider time)
{
    private const int SigCont = 18;
    private const int SigStop = 19;

    public int Kills { get; private set; }

    public int Hangs { get; private set; }

    public int Slows { get; private set; }

    /// <summary>Goes on until the end; leaves every instance well.</summary>
    public async Task RunAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            int instance = random.Next(3);
            switch (random.Next(3))
            {
                case 0:
                    Kills++;
                    await world.KillUpstreamAsync(instance);
                    await PauseAsync(500, 3000);
                    await world.StartUpstreamAsync(instance, CancellationToken.None);
                    break;
                case 1:
                    Hangs++;
                    _ = Kill(world.UpstreamId(instance), SigStop);
                    await PauseAsync(500, 4000);
                    _ = Kill(world.UpstreamId(instance), SigCont);
                    break;
                default:
                    Slows++;
                    await world.DelayAsync(instance, random.Next(5, 300), CancellationToken.None);
                    await PauseAsync(500, 3000);
                    await world.DelayAsync(instance, 0, CancellationToken.None);
                    break;
            }

            await PauseAsync(500, 2500);
        }
    }

    private Task PauseAsync(int fromMs, int toMs) => Task.Delay(TimeSpan.FromMilliseconds(random.Next(fromMs, toMs)), time, CancellationToken.None);

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
