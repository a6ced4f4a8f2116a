using Mesh.Lab.Metrics;
using Mesh.Lab.Processes;

namespace Mesh.Lab.World;

/// <summary>A partner, one control plane, and callers that share the partner's circuit.</summary>
/// <param name="world">The processes.</param>
/// <param name="partner">Who is called.</param>
/// <param name="data">Folder of the control plane.</param>
/// <param name="listen">Its address, the same after each start.</param>
internal sealed class BreakerWorld(StandaloneWorld world, ProductsApp partner, string data, string listen) : CircuitWorld(world, partner)
{
    /// <summary>Label of the one caller whose network can be made bad.</summary>
    public const string Bad = "network=bad";

    private ChildProcess? _controlPlane;

    /// <summary>Rules of the control plane.</summary>
    public RuleApi Rules => new(World.Http, Api);

    private Uri Api => new($"http://{listen}");

    /// <summary>Starts the control plane, for the first time or again.</summary>
    public async Task StartControlPlaneAsync(CancellationToken stop) => (_controlPlane, _) = await World.StartControlPlaneAsync(data, stop, listen);

    /// <summary>Ends it at once.</summary>
    public Task KillControlPlaneAsync() => World.KillAsync(_controlPlane!);

    /// <summary>Starts a caller's sidecar, and waits until it has its rules.</summary>
    public Task<Sidecar> StartCallerAsync(string name, CancellationToken stop, string label = "network=good") =>
        World.StartSidecarAsync(name, ["--control-plane", Api.AbsoluteUri, "--labels", label], World.FreeAddress(), "127.0.0.1:0", stop);

    /// <summary>A caller's calls end, and its sidecar at once with them.</summary>
    public async Task KillCallerAsync(Sidecar sidecar)
    {
        await Load.StopAsync(sidecar.Name);
        await World.KillAsync(sidecar.Process);
    }

    /// <summary>The shared circuit as the control plane shows it.</summary>
    public Task<CircuitView?> CircuitAsync(CancellationToken stop) => CircuitAsync(Api, stop);
}
