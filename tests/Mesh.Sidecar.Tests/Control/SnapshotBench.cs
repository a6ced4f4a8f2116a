using System.Threading.Channels;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Compilation;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Control;
using Mesh.Sidecar.Rules;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Sidecar.Tests.Control;

/// <summary>A client of a control plane that does what a test says.</summary>
internal sealed class SnapshotBench : IAsyncLifetime
{
    public static readonly SidecarRegistration Registration = new() { Service = "orders", Port = 8080, Address = "127.0.0.1:15006", Node = "orders-1" };

    private HttpMessageInvoker? Http { get; set; }

    public FakeTimeProvider Time { get; } = new();

    public RecordingLoggerFactory Logs { get; } = new();

    public Scratch Scratch { get; } = new();

    public CancellationTokenSource Stop { get; } = new();

    public FakeControlPlane Control { get; set; } = null!;

    public Channel<SidecarOrders> Ordered { get; } = Channel.CreateUnbounded<SidecarOrders>();

    public int Rejected { get; private set; }

    public SnapshotPipeline Pipeline { get; private set; } = null!;

    public SnapshotClient Client { get; private set; } = null!;

    public Task Running { get; set; } = Task.CompletedTask;

    public Func<ProxySnapshot, Task<ApplyResult>> Apply { get; set; } = static s => Task.FromResult(new ApplyResult(s.Version, [], []));

    // With its service, so that there is nothing to say of the rule.
    public static PushMessage Clean(string version) => Full(version, TestRules.Pushed("products")) with
    {
        Services = [new MeshService("products.default.svc.cluster.local", "default", [new MeshServicePort(8080, "HTTP")])],
    };

    public static PushMessage Full(string version, params PushedRule[] rules) => new() { Version = version, IsFull = true, Rules = [.. rules] };

    public async Task InitializeAsync()
    {
        Control = await FakeControlPlane.StartAsync();
        Http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
    }

    public async Task DisposeAsync()
    {
        await Stop.CancelAsync();
        await Running.WaitAsync(TimeSpan.FromSeconds(10));
        await Control.DisposeAsync();
        Http?.Dispose();
        Logs.Dispose();
        Scratch.Dispose();
        Stop.Dispose();
    }

    public void Start(TimeProvider? time = null)
    {
        Create(time ?? Time, Control.Address);
        Running = Client.RunAsync(Registration, Stop.Token);
    }

    public void Create(TimeProvider time, params Uri[] addresses)
    {
        ProxyRuntime runtime = new(time, new Random(7), Logs);
        Pipeline = new SnapshotPipeline(TestRules.Identity, new SnapshotCompiler(), s => Apply(s));
        Client = new SnapshotClient(
            new ControlPlaneApi(Http!, addresses, time), Pipeline, TestRules.Read,
            new LastGoodFile(Path.Combine(Scratch.Path, "state"), NullLogger<LastGoodFile>.Instance), runtime)
        {
            Rejected = () => Rejected++,
            Extend = static report => report with { Circuits = [new CircuitReport { Rule = "r", Cluster = "c" }] },
            Ordered = orders => Ordered.Writer.TryWrite(orders),
        };
    }
}
