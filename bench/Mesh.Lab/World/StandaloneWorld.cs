using Mesh.Lab.Metrics;
using Mesh.Lab.Processes;

namespace Mesh.Lab.World;

/// <summary>Applications, and sidecars that mostly read their rules from a folder. All of it ends with this object.</summary>
/// <param name="time">Clock.</param>
/// <param name="random">Chance.</param>
/// <param name="folder">Logs and rules.</param>
internal sealed class StandaloneWorld(TimeProvider time, Random random, string folder) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly FreePorts _ports = new(random);
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };
    private readonly List<ChildProcess> _children = [];

    /// <summary>Clock.</summary>
    public TimeProvider Time => time;

    /// <summary>Chance.</summary>
    public Random Random => random;

    /// <summary>Waits for things.</summary>
    public Waiting Waiting { get; } = new(time);

    /// <summary>Sidecars in the order of their start.</summary>
    public List<Sidecar> Sidecars { get; } = [];

    /// <summary>A loopback address that nobody listens at, for what has to be named before it starts.</summary>
    public string FreeAddress() => $"127.0.0.1:{_ports.Take()}";

    /// <summary>Folder of logs and rules.</summary>
    public string Folder => folder;

    /// <summary>Client without proxy.</summary>
    public HttpClient Http => _http;

    /// <summary>Starts an application that can be told to be sick.</summary>
    public async Task<ProductsApp> StartProductsAsync(string name, CancellationToken stop)
    {
        ChildProcess app = Run(name, "Mesh.Shop", null, "products", "--instance", name);
        return new ProductsApp(name, app, await app.AddressAsync("products", time, stop), _http);
    }

    /// <summary>Starts an application that passes every call on to <paramref name="next"/>, through <paramref name="sidecar"/>.</summary>
    public async Task StartRelayAsync(string name, string listen, Uri next, Sidecar sidecar, CancellationToken stop)
    {
        ChildProcess app = Run(name, "Mesh.Shop", sidecar.Outbound, "relay", "--listen", listen, "--next-url", next.AbsoluteUri, "--instance", name);
        await app.AddressAsync("relay", time, stop);
    }

    /// <summary>Starts a sidecar with these rules, and waits until they are in force.</summary>
    /// <param name="name">Its name; that of its rules folder and log too.</param>
    /// <param name="rules">Text of its one rules file.</param>
    /// <param name="app">Address of its application.</param>
    /// <param name="inbound">Where peers reach it.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <param name="more">Further options.</param>
    public async Task<Sidecar> StartSidecarAsync(string name, string rules, string app, string inbound, CancellationToken stop, params string[] more)
    {
        string rulesFile = RulesFile(name);
        string rulesFolder = Directory.CreateDirectory(Path.GetDirectoryName(rulesFile)!).FullName;
        await File.WriteAllTextAsync(rulesFile, rules, stop);
        return await StartSidecarAsync(name, ["--rules", rulesFolder, .. more], app, inbound, stop);
    }

    /// <summary>Starts a sidecar whose options say where its rules are, and waits until they are in force.</summary>
    public async Task<Sidecar> StartSidecarAsync(string name, string[] options, string app, string inbound, CancellationToken stop)
    {
        string log = Path.Combine(folder, $"{name}-access.json");
        const string Any = "127.0.0.1:0";
        ChildProcess process = Run($"{name}-sidecar", "Mesh.Sidecar", null,
            ["run", "--service", $"{name}:80", "--app", app, "--node", name, "--inbound", inbound,
            "--outbound", Any, "--admin", Any, "--health", Any, "--metrics", Any, "--access-log", log, "--access-log-format", "json", .. options]);
        Sidecar sidecar = new(
            name, process, await process.AddressAsync("outbound", time, stop), await process.AddressAsync("inbound", time, stop),
            await process.AddressAsync("admin", time, stop), new AccessLogFile(log), _http);
        _ = await Waiting.UntilAsync(() => sidecar.IsReadyAsync(stop), Patience, stop)
            ?? throw new LabException($"the sidecar {name} was not ready within {Patience.TotalSeconds:F0} s");
        Sidecars.Add(sidecar);
        return sidecar;
    }

    /// <summary>Starts a control plane over a folder. Returns its process and the address of its API.</summary>
    public async Task<(ChildProcess Process, Uri Api)> StartControlPlaneAsync(string data, CancellationToken stop, string listen = "127.0.0.1:0")
    {
        ChildProcess process = Run("control-plane", "Mesh.ControlPlane", null, "serve", "--listen", listen, "--metrics-listen", "127.0.0.1:0", "--data", data);
        return (process, await process.AddressAsync("api", time, stop));
    }

    /// <summary>Starts a control plane that follows a cluster. Returns where its metrics are, when it listens.</summary>
    public async Task<Uri> StartReplicaAsync(string name, string[] options, CancellationToken stop)
    {
        ChildProcess process = Run(name, "Mesh.ControlPlane", null, ["serve", "--kubernetes", "--metrics-listen", "127.0.0.1:0", .. options]);
        await process.AddressAsync("api", time, stop);
        return await process.AddressAsync("metrics", time, stop);
    }

    /// <summary>Ends a process at once, as <c>kill -9</c> does. It is not missed.</summary>
    public async Task KillAsync(ChildProcess process)
    {
        _children.Remove(process);
        Sidecars.RemoveAll(s => s.Process == process);
        await process.DisposeAsync();
    }

    /// <summary>What a process has printed so far.</summary>
    public async Task<string> PrintedAsync(string process, CancellationToken stop)
    {
        await using FileStream file = new(Path.Combine(folder, process + ".log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(file);
        return await reader.ReadToEndAsync(stop);
    }

    /// <summary>Gives a sidecar other rules while it runs, as an editor would save them. Returns how long it took until they were in force.</summary>
    public async Task<TimeSpan> ChangeRulesAsync(Sidecar sidecar, string rules, CancellationToken stop)
    {
        long before = await sidecar.ConfigsAppliedAsync(stop);
        await File.WriteAllTextAsync(RulesFile(sidecar.Name), rules, stop);
        return await Waiting.UntilAsync(async () => await sidecar.ConfigsAppliedAsync(stop) > before, Patience, stop)
            ?? throw new LabException($"the sidecar {sidecar.Name} did not take its new rules within {Patience.TotalSeconds:F0} s");
    }

    /// <summary>Every process that should run and does not; empty when all is well.</summary>
    public IEnumerable<string> Ended() => _children.Where(static c => !c.IsRunning).Select(static c => c.Name);

    /// <summary>Ends every process.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (ChildProcess child in Enumerable.Reverse(_children))
        {
            await child.DisposeAsync();
        }

        _http.Dispose();
    }

    private string RulesFile(string sidecar) => Path.Combine(folder, sidecar + "-rules", "rules.yaml");

    private ChildProcess Run(string name, string project, Uri? proxy, params string[] args)
    {
        ChildProcess child = ChildProcess.Start(name, project, folder, proxy, args);
        _children.Add(child);
        return child;
    }
}
