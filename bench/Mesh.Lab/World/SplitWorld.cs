using System.Globalization;
using System.Net;
using Mesh.ControlPlane.Tests.Kubernetes;
using Mesh.Lab.Metrics;

namespace Mesh.Lab.World;

/// <summary>
/// Two replicas of the control plane that elect a leader by a Lease of one API server (the one of the control plane's own tests, within this process), and callers on both. The first
/// replica leads; its ways to the API server and to the other replica, and from it, are the lab's, which cuts them.
/// </summary>
internal sealed class SplitWorld : CircuitWorld
{
    /// <summary>Callers of each replica.</summary>
    public const int CallersOfEach = 3;

    private readonly ApiDouble _cluster;
    private readonly CuttableWire _api; // from the first replica to the API server
    private readonly CuttableWire[] _between = new CuttableWire[2]; // to each replica from the other
    private readonly string[] _listen;
    private readonly Uri[] _metrics = new Uri[2];

    private SplitWorld(StandaloneWorld world, ProductsApp partner, ApiDouble cluster)
        : base(world, partner)
    {
        _cluster = cluster;
        _api = new CuttableWire(new IPEndPoint(IPAddress.Loopback, cluster.Address.Port));
        _listen = [world.FreeAddress(), world.FreeAddress()];
        for (int i = 0; i < _between.Length; i++)
        {
            _between[i] = new CuttableWire(IPEndPoint.Parse(_listen[i]));
        }
    }

    /// <summary>Callers of the replica that leads at first.</summary>
    public IEnumerable<Sidecar> First => Callers.Take(CallersOfEach);

    /// <summary>Callers of the other.</summary>
    public IEnumerable<Sidecar> Second => Callers.Skip(CallersOfEach);

    /// <summary>Starts all of it in a world of its own, which ends with it.</summary>
    public static async Task<SplitWorld> StartAsync(StandaloneWorld world, CancellationToken stop)
    {
        ApiDouble cluster = await ApiDouble.StartAsync();
        SplitWorld split = new(world, await world.StartProductsAsync("split-partner", stop), cluster);
        try
        {
            await split.StartAsync(stop);
            return split;
        }
        catch
        {
            await split.DisposeAsync();
            throw;
        }
    }

    /// <summary>The first replica loses the API server, and so in the end the right to decide, and the replicas lose each other.</summary>
    public void Cut()
    {
        _api.Cut();
        Array.ForEach(_between, static w => w.Cut());
    }

    /// <summary>All ways are whole again.</summary>
    public void Mend()
    {
        _api.Mend();
        Array.ForEach(_between, static w => w.Mend());
    }

    /// <summary>Whether each of the replicas says now that it leads.</summary>
    public async Task<(bool First, bool Second)> LeadersAsync(CancellationToken stop) => (await LeadsAsync(0, stop), await LeadsAsync(1, stop));

    /// <summary>The shared circuit as the first replica shows it.</summary>
    public Task<CircuitView?> CircuitAsync(CancellationToken stop) => CircuitAsync(Api(0), stop);

    /// <summary>Epoch in force at each caller; 0 for none.</summary>
    public async Task<List<long>> EpochsAsync(CancellationToken stop) => [.. (await CountersAsync(stop)).Select(static c => c["breaker_mesh_epoch"])];

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        foreach (CuttableWire wire in _between.Append(_api))
        {
            await wire.DisposeAsync();
        }

        await _cluster.DisposeAsync();
    }

    private Uri Api(int replica) => new($"http://{_listen[replica]}");

    private async Task StartAsync(CancellationToken stop)
    {
        _cluster.ServeAll();
        BreakerRules.Put(_cluster.Objects, Partner.Address);
        await StartReplicaAsync(0, _api.Address.Port, stop);
        await WaitAsync("the first replica leads", () => LeadsAsync(0, stop), stop);
        await StartReplicaAsync(1, _cluster.Address.Port, stop);
        for (int i = 0; i < 2 * CallersOfEach; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"split-{i + 1}");
            await World.StartSidecarAsync(name, ["--control-plane", Api(i / CallersOfEach).AbsoluteUri], World.FreeAddress(), "127.0.0.1:0", stop);
        }
    }

    private async Task StartReplicaAsync(int number, int apiPort, CancellationToken stop)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"replica-{number + 1}");
        string config = Path.Combine(World.Folder, name + ".kubeconfig");
        await File.WriteAllTextAsync(config, string.Create(CultureInfo.InvariantCulture, $$"""
            current-context: here
            contexts: [{name: here, context: {cluster: lab, user: mesh, namespace: mesh} }]
            clusters: [{name: lab, cluster: {server: "https://127.0.0.1:{{apiPort}}", certificate-authority: "{{_cluster.Authority.RootFile}}"} }]
            users: [{name: mesh, user: {token: {{ApiDouble.Token}} } }]

            """), stop);
        _metrics[number] = await World.StartReplicaAsync(
            name, ["--kubeconfig", config, "--listen", _listen[number], "--replica-address", _between[number].Address.ToString()], stop);
    }

    private async Task<bool> LeadsAsync(int replica, CancellationToken stop) =>
        PrometheusPage.Parse(await World.Http.GetStringAsync(new Uri(_metrics[replica], "/metrics"), stop)).Single(static s => s.Name == "mesh_leader").Value == 1;
}
