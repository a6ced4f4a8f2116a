using Mesh.Lab.World;

namespace Mesh.Lab.Scenarios;

/// <summary>A lab in a world without a control plane of its own. What was started ends when the start fails half-way.</summary>
internal abstract class StandaloneScenario : ILabScenario
{
    /// <inheritdoc/>
    public abstract string Starting { get; }

    /// <inheritdoc/>
    public async Task<IRunningScenario> StartAsync(TimeProvider time, Random random, string folder, CancellationToken stop)
    {
        StandaloneWorld world = new(time, random, folder);
        try
        {
            return await StartInAsync(world, stop);
        }
        catch
        {
            await world.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts everything in <paramref name="world"/>, which ends with what this gives back.</summary>
    protected abstract Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop);
}
