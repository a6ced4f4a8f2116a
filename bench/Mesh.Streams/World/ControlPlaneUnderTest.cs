using Mesh.Lab.Processes;

namespace Mesh.Streams.World;

/// <summary>What a control plane used between two looks.</summary>
/// <param name="Cpu">Processor time.</param>
/// <param name="Peak">Most resident memory that was seen, in bytes.</param>
internal readonly record struct Spent(TimeSpan Cpu, long Peak);

/// <summary>The one control plane that is measured, a process of its own.</summary>
internal sealed class ControlPlaneUnderTest(string folder, string config, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan SampleEvery = TimeSpan.FromMilliseconds(20);
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });
    private ChildProcess? _process;

    /// <summary>Address of its API.</summary>
    public Uri Api { get; private set; } = new("http://127.0.0.1:0");

    /// <summary>Resident memory now, and processor time so far.</summary>
    public (long Memory, TimeSpan Cpu) Usage => _process!.Usage();

    /// <summary>Starts it, or starts it again where it was.</summary>
    public async Task StartAsync()
    {
        _process = ChildProcess.Start(
            "control-plane", "Mesh.ControlPlane", folder, null, "serve", "--kubernetes", "--kubeconfig", config, "--listen", Api.Authority, "--metrics-listen", "127.0.0.1:0");
        Api = await _process.AddressAsync("api", time, CancellationToken.None);
    }

    /// <summary>Ends it with SIGKILL.</summary>
    public ValueTask KillAsync() => _process!.DisposeAsync();

    /// <summary>Hash of the content that it serves now; null while it cannot be reached or has not read the cluster yet.</summary>
    public async Task<string?> HashAsync()
    {
        try
        {
            using HttpResponseMessage streams = await _client.GetAsync(new Uri(Api, "/mesh/v1/sidecars"));
            string page = await _client.GetStringAsync(Api);
            return streams.IsSuccessStatusCode ? page.Split('\n')[0].Split(' ').First(static w => w.Count(static c => c == '-') >= 2).TrimEnd(',').Split('-')[2] : null;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    /// <summary>What it spends while <paramref name="work"/> runs; memory is looked at all the time.</summary>
    public async Task<Spent> MeasureAsync(Func<Task> work)
    {
        (long peak, TimeSpan before) = Usage;
        Task working = work();
        while (!working.IsCompleted)
        {
            await Task.WhenAny(working, Task.Delay(SampleEvery, time, CancellationToken.None));
            peak = Math.Max(peak, Usage.Memory);
        }

        await working;
        return new Spent(Usage.Cpu - before, peak);
    }

    public async ValueTask DisposeAsync()
    {
        await (_process?.DisposeAsync() ?? ValueTask.CompletedTask);
        _client.Dispose();
    }
}
