using Mesh.Lab.Metrics;
using Mesh.Lab.Processes;

namespace Mesh.Lab.World;

/// <summary>Everything that runs: control plane, shop, sidecars. All of it ends with this object.</summary>
internal sealed class LabWorld : IAsyncDisposable
{
    /// <summary>The cluster of products in its callers' sidecars.</summary>
    public const string Products = "outbound|8080||products.default.svc.cluster.local";

    /// <summary>The cluster of the application in products' own sidecar.</summary>
    public const string ProductsApp = "inbound|8080||";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private readonly TimeProvider _time;
    private readonly FreePorts _ports;
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };
    private readonly List<ChildProcess> _children = [];
    private ChildProcess? _controlPlane;

    private LabWorld(TimeProvider time, Random random, string folder)
    {
        _time = time;
        _ports = new FreePorts(random);
        Random = random;
        Folder = folder;
        Waiting = new Waiting(time);
    }

    /// <summary>Logs, rules and state folders.</summary>
    public string Folder { get; }

    /// <summary>Clock.</summary>
    public TimeProvider Time => _time;

    /// <summary>Chance.</summary>
    public Random Random { get; }

    /// <summary>Waits for things.</summary>
    public Waiting Waiting { get; }

    /// <summary>Address of the control plane.</summary>
    public Uri ControlPlaneUrl { get; private set; } = null!;

    /// <summary>Door to the rules.</summary>
    public RuleApi Rules { get; private set; } = null!;

    /// <summary>Sidecar of orders: one of the two callers of products.</summary>
    public Sidecar Orders { get; private set; } = null!;

    /// <summary>Sidecar of delivery: the other.</summary>
    public Sidecar Delivery { get; private set; } = null!;

    /// <summary>Both callers of products.</summary>
    public IReadOnlyList<Sidecar> Callers => [Orders, Delivery];

    /// <summary>Instances of products: one at first, two from the outlier phase on.</summary>
    public List<ProductsInstance> Instances { get; } = [];

    /// <summary>Starts the control plane and the shop with one instance of products, each service behind a sidecar, and waits until they see each other.</summary>
    public static async Task<LabWorld> StartAsync(TimeProvider time, Random random, string folder, CancellationToken stop)
    {
        LabWorld world = new(time, random, folder);
        try
        {
            await world.StartControlPlaneAsync(stop);
            await world.AddProductsAsync(stop);
            world.Delivery = await world.StartServiceAsync("delivery", "delivery", stop);
            world.Orders = await world.StartServiceAsync("orders", "orders", stop);
            await world.WaitForEndpointsAsync(1, stop);
            return world;
        }
        catch
        {
            await world.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the control plane, the second time at the same address and with the same folder.</summary>
    public async Task StartControlPlaneAsync(CancellationToken stop)
    {
        string listen = ControlPlaneUrl is null ? "127.0.0.1:0" : ControlPlaneUrl.Authority;
        _controlPlane = Run("control-plane", "Mesh.ControlPlane", null,
            "serve", "--listen", listen, "--metrics-listen", "127.0.0.1:0", "--data", Path.Combine(Folder, "rules"));
        ControlPlaneUrl = await _controlPlane.AddressAsync("api", _time, stop);
        Rules = new RuleApi(_http, ControlPlaneUrl);
    }

    /// <summary>Ends the control plane as <c>kill -9</c> does.</summary>
    public Task KillControlPlaneAsync() => _controlPlane!.KillAsync();

    /// <summary>Starts another instance of products and its sidecar.</summary>
    public async Task<ProductsInstance> AddProductsAsync(CancellationToken stop)
    {
        string name = $"products-{Instances.Count + 1}";
        ChildProcess app = Run(name, "Mesh.Shop", null, "products", "--instance", name);
        Uri address = await app.AddressAsync("products", _time, stop);
        Sidecar sidecar = await StartSidecarAsync("products", name, address.Authority, stop);
        ProductsInstance instance = new(name, app, address, sidecar, _http);
        Instances.Add(instance);
        return instance;
    }

    /// <summary>Waits until both callers have this many endpoints of products, and orders finds delivery.</summary>
    public async Task WaitForEndpointsAsync(int count, CancellationToken stop)
    {
        TimeSpan? taken = await Waiting.UntilAsync(
            async () => (await Orders.ClusterAsync("outbound|8080||delivery.default.svc.cluster.local", stop))?.Endpoints.Count == 1
                && await AllCallersAsync(state => state.Endpoints.Count == count, stop),
            Patience, stop);
        _ = taken ?? throw new LabException($"the sidecars of orders and delivery did not learn {count} endpoint(s) of products within {Patience.TotalSeconds:F0} s");
    }

    /// <summary>Whether both callers' clusters of products are as asked.</summary>
    public async Task<bool> AllCallersAsync(Func<ClusterState, bool> isSo, CancellationToken stop)
    {
        foreach (Sidecar caller in Callers)
        {
            if (await caller.ClusterAsync(Products, stop) is not { } state || !isSo(state))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Applies a rule and waits until its status says that the sidecars run it.</summary>
    public async Task ApplyAsync(byte[] yaml, CancellationToken stop)
    {
        string name = await Rules.ApplyAsync(yaml, stop);
        _ = await Waiting.UntilAsync(() => Rules.IsProgrammedAsync(name, stop), Patience, stop)
            ?? throw new LabException($"the status of {name} did not say Programmed within {Patience.TotalSeconds:F0} s");
    }

    /// <summary>Every process that should run and does not; empty when all is well.</summary>
    public IEnumerable<string> Ended() => _children.Where(c => (c == _controlPlane || c.Name != "control-plane") && !c.IsRunning).Select(static c => c.Name);

    /// <summary>Ends every process.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (ChildProcess child in Enumerable.Reverse(_children))
        {
            await child.DisposeAsync();
        }

        _http.Dispose();
    }

    // The application needs its sidecar's address and the sidecar the application's: the application's port is chosen here.
    private async Task<Sidecar> StartServiceAsync(string service, string name, CancellationToken stop)
    {
        string address = $"127.0.0.1:{_ports.Take()}";
        Sidecar sidecar = await StartSidecarAsync(service, name + "-1", address, stop);
        ChildProcess app = Run(name + "-1", "Mesh.Shop", sidecar.Outbound, service, "--listen", address, "--instance", name + "-1");
        await app.AddressAsync(service, _time, stop);
        return sidecar;
    }

    private async Task<Sidecar> StartSidecarAsync(string service, string node, string app, CancellationToken stop)
    {
        string log = Path.Combine(Folder, $"{node}-access.json");
        const string Any = "127.0.0.1:0";
        ChildProcess process = Run($"{node}-sidecar", "Mesh.Sidecar", null,
            "run", "--service", $"{service}:8080", "--app", app, "--control-plane", ControlPlaneUrl.GetLeftPart(UriPartial.Authority), "--node", node,
            "--inbound", Any, "--outbound", Any, "--admin", Any, "--health", Any, "--metrics", Any,
            "--state", Path.Combine(Folder, $"{node}-state"), "--access-log", log, "--access-log-format", "json");
        Sidecar sidecar = new(
            node, process, await process.AddressAsync("outbound", _time, stop), await process.AddressAsync("inbound", _time, stop),
            await process.AddressAsync("admin", _time, stop), new AccessLogFile(log), _http);
        _ = await Waiting.UntilAsync(() => sidecar.IsReadyAsync(stop), Patience, stop)
            ?? throw new LabException($"the sidecar of {node} was not ready within {Patience.TotalSeconds:F0} s");
        return sidecar;
    }

    private ChildProcess Run(string name, string project, Uri? proxy, params string[] args)
    {
        ChildProcess child = ChildProcess.Start(name, project, Folder, proxy, args);
        _children.Add(child);
        return child;
    }
}
