using System.Collections.Concurrent;
using System.Net;

namespace Mesh.Lab.World;

/// <summary>What one caller got.</summary>
/// <param name="Caller">Name of its sidecar.</param>
/// <param name="At">When the answer was there.</param>
/// <param name="Code">Status; 0 when the sidecar itself was gone.</param>
/// <param name="Reason">Value of x-mesh-reason, or null.</param>
internal sealed record CallerAnswer(string Caller, DateTimeOffset At, int Code, string? Reason);

/// <summary>Callers, each behind its own sidecar, that ask one URL again and again with a pause in between. Thread-safe but for starting and stopping.</summary>
/// <param name="time">Clock.</param>
/// <param name="url">What they ask for.</param>
internal sealed class CallerLoad(TimeProvider time, Uri url) : IAsyncDisposable
{
    private readonly ConcurrentQueue<CallerAnswer> _answers = new();
    private readonly Dictionary<string, (CancellationTokenSource Stop, Task Calls)> _running = [];

    /// <summary>Answers from <paramref name="start"/> on, in order.</summary>
    public List<CallerAnswer> Since(DateTimeOffset start) => [.. _answers.Where(a => a.At >= start).OrderBy(static a => a.At)];

    /// <summary>The application behind this sidecar calls from now on.</summary>
    public void Start(Sidecar sidecar, TimeSpan pause)
    {
        CancellationTokenSource stop = new();
        _running.Add(sidecar.Name, (stop, CallAsync(sidecar, pause, stop.Token)));
    }

    /// <summary>It calls no more; a call under way is waited for.</summary>
    public async Task StopAsync(string name)
    {
        if (_running.Remove(name, out (CancellationTokenSource Stop, Task Calls) running))
        {
            await running.Stop.CancelAsync();
            await running.Calls;
            running.Stop.Dispose();
        }
    }

    /// <summary>Nobody calls any more.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (string name in _running.Keys.ToArray())
        {
            await StopAsync(name);
        }
    }

    /// <summary>One call.</summary>
    public async Task<CallerAnswer> CallOnceAsync(Sidecar sidecar)
    {
        using HttpClient client = ClientOf(sidecar);
        return await CallAsync(client, sidecar.Name);
    }

    private static HttpClient ClientOf(Sidecar sidecar) => new(new SocketsHttpHandler { Proxy = new WebProxy(sidecar.Outbound), UseProxy = true }) { Timeout = TimeSpan.FromSeconds(10) };

    private async Task CallAsync(Sidecar sidecar, TimeSpan pause, CancellationToken stop)
    {
        using HttpClient client = ClientOf(sidecar);
        while (!stop.IsCancellationRequested)
        {
            _answers.Enqueue(await CallAsync(client, sidecar.Name));
            await Task.Delay(pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<CallerAnswer> CallAsync(HttpClient client, string caller)
    {
        try
        {
            using HttpResponseMessage answer = await client.GetAsync(url, CancellationToken.None);
            string? reason = answer.Headers.TryGetValues("x-mesh-reason", out IEnumerable<string>? values) ? values.First() : null;
            return new CallerAnswer(caller, time.GetUtcNow(), (int)answer.StatusCode, reason);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return new CallerAnswer(caller, time.GetUtcNow(), 0, e.Message);
        }
    }
}
