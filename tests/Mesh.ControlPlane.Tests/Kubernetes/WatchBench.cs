using Mesh.ControlPlane.Kubernetes;
using Mesh.Testing;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>One loop that watches DestinationRules of an <see cref="ApiDouble"/>, by a clock that the test moves.</summary>
internal sealed class WatchBench : IAsyncDisposable
{
    public const string Group = "networking.istio.io";
    public const string Plural = "destinationrules";

    private readonly CancellationTokenSource _stop = new();
    private readonly KubernetesClient _client;
    private readonly ResourceTable<string> _table;
    private Task _run = Task.CompletedTask;

    private WatchBench(ApiDouble server)
    {
        Server = server;
        _client = server.Client(Time);
        _table = new ResourceTable<string>(
            static obj => obj.Find("spec")?.Text("host"),
            changes => Changes.AddRange(changes.Select(static c => $"{c.Key.Name}:{c.Before ?? "-"}>{c.After ?? "-"}")));
        Loop = new WatchLoop(_client, new ResourceType(Group, Plural, ["v1", "v1beta1"]), _table, (Time, Random, Logs.CreateLogger("watch")));
    }

    public ApiDouble Server { get; }

    public FakeTimeProvider Time { get; } = new();

    public ScriptedRandom Random { get; } = new();

    public RecordingLoggerFactory Logs { get; } = new();

    public WatchLoop Loop { get; }

    /// <summary>What the sink was told, in order: name:before>after.</summary>
    public List<string> Changes { get; } = [];

    /// <summary>Hosts of the rules that the sink has, by name.</summary>
    public string Content => string.Join(" ", _table.Items.OrderBy(static i => i.Key.Name, StringComparer.Ordinal).Select(static i => $"{i.Key.Name}={i.Value}"));

    /// <summary>A loop that does not run yet.</summary>
    public static async Task<WatchBench> CreateAsync(params string[] versions)
    {
        WatchBench bench = new(await ApiDouble.StartAsync());
        if (versions is not ["none"])
        {
            bench.Server.Objects.Serve(Group, Plural, versions.Length > 0 ? versions : ["v1"]);
        }

        return bench;
    }

    /// <summary>A loop that has its watch open, over the rules a and b.</summary>
    public static async Task<WatchBench> WatchingAsync()
    {
        WatchBench bench = await CreateAsync();
        bench.Put("a", "one");
        bench.Put("b", "two");
        bench.Run();
        await bench.IsWatchingAsync();
        return bench;
    }

    public void Run() => _run = Loop.RunAsync(_stop.Token);

    public void Put(string name, string host) => Server.Objects.Put(Group, Plural, Rule(name, host));

    public void Delete(string name) => Server.Objects.Delete(Group, Plural, name);

    public static string Rule(string name, string host) =>
        $"{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: {name}, namespace: default}}, spec: {{host: {host}}}}}";

    public Task IsWatchingAsync() => HoldsAsync(() => Server.Objects.Watches(Plural) == 1 && Loop.Watches == 1, "the first watch is open on both sides");

    /// <summary>Waits without moving the clock.</summary>
    public static Task HoldsAsync(Func<bool> condition, string what) => Eventually.HoldsAsync(condition, what);

    /// <summary>Moves the clock in small steps until something holds; tells how far.</summary>
    public async Task<TimeSpan> StepUntilAsync(Func<bool> condition, string what)
    {
        long begin = Time.GetTimestamp();
        await Eventually.HoldsAsync(
            () =>
            {
                if (condition())
                {
                    return true;
                }

                Time.Advance(TimeSpan.FromMilliseconds(20)); // so slowly that a request under way is not late by this clock
                return false;
            },
            what);
        return Time.GetElapsedTime(begin);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run.WaitAsync(TimeSpan.FromSeconds(10));
        _client.Dispose();
        await Server.DisposeAsync();
        _stop.Dispose();
    }
}
