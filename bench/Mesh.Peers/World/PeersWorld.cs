using System.Globalization;
using System.Reflection;
using Mesh.Lab.Processes;
using Mesh.Peers.Load;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;

namespace Mesh.Peers.World;

/// <summary>What every measurement stands on: the backend, a folder, free ports, the load generators. Ends everything that it started.</summary>
internal sealed class PeersWorld : IAsyncDisposable
{
    /// <summary>Core of the proxy under test.</summary>
    public const string ProxyCore = "1";

    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(20);
    private readonly FreePorts _ports;
    private readonly int _mostClients;
    private int _starts;

    private PeersWorld(TimeProvider time, Random random, string folder, int mostClients)
    {
        Time = time;
        Folder = folder;
        _mostClients = mostClients;
        _ports = new FreePorts(random);
        Client = new PlainClient(time);
        Generators = new Generators(folder, time);
        BackendPort = _ports.Take();
        BulkPort = _ports.Take();
        Backend = PinnedProcess.Start(
            "backend", Generators.LoadCore, folder, Assembly.GetExecutingAssembly().Location,
            "backend", BackendPort.ToString(CultureInfo.InvariantCulture), BulkPort.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>Folder of files and logs.</summary>
    public string Folder { get; }

    /// <summary>The backend.</summary>
    public PinnedProcess Backend { get; }

    /// <summary>Where it speaks HTTP.</summary>
    public int BackendPort { get; }

    /// <summary>Where it only sends.</summary>
    public int BulkPort { get; }

    /// <summary>Load generators.</summary>
    public Generators Generators { get; }

    /// <summary>Single requests and transfers.</summary>
    public PlainClient Client { get; }

    /// <summary>Client for metrics.</summary>
    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Starts the backend, and moves this process to the core of the load.</summary>
    public static async Task<PeersWorld> StartAsync(TimeProvider time, Random random, string folder, int mostClients, CancellationToken stop)
    {
        string own = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        await using (PinnedProcess pin = PinnedProcess.Start("taskset", "0", folder, Tools.Find("taskset")!, "-a", "-p", "-c", Generators.LoadCore, own))
        {
            await pin.WaitAsync(LongestStart, time, stop);
        }

        PeersWorld world = new(time, random, folder, mostClients);
        try
        {
            await world.Client.FirstAnswerAsync(world.BackendPort, time.GetTimestamp(), LongestStart, world.Backend.ThrowIfEnded, stop);
            return world;
        }
        catch
        {
            await world.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a proxy and waits for its first answer.</summary>
    /// <param name="peer">The proxy.</param>
    /// <param name="cores">Cores it may use.</param>
    /// <param name="concurrency">Threads that carry traffic.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <exception cref="PeersException">It ended, or no answer came.</exception>
    public async Task<RunningPeer> StartAsync(IPeer peer, string cores, int concurrency, CancellationToken stop)
    {
        string name = $"{peer.Name}-{_starts++}";
        string folder = Directory.CreateDirectory(Path.Combine(Folder, name)).FullName;
        PeerPlace place = new(folder, _ports.Take(), _ports.Take(), _ports.Take(), BackendPort, BulkPort, concurrency, _mostClients);
        (string file, IReadOnlyList<string> args) = peer.Prepare(place);
        long start = Time.GetTimestamp();
        PinnedProcess process = PinnedProcess.Start(name, cores, folder, file, args);
        try
        {
            TimeSpan took = await Client.FirstAnswerAsync(place.Port, start, LongestStart, process.ThrowIfEnded, stop);
            return new RunningPeer(peer, place, process, Http, took);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Backend.DisposeAsync();
    }
}
